"""What the tests of commands share: a command's outcome, and other versions."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    version_of,
)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
Written = Callable[[str, list[list[str]]], Path]


def variant(
    artifact: Artifact, year: int, metrics: dict[str, float], *failures: str
) -> Artifact:
    """The same arrays, made in another year and judged by other metrics."""
    manifest = artifact.manifest
    manifest = msgspec.structs.replace(
        manifest,
        created=manifest.created.replace(year=year, day=1),
        evaluation=msgspec.structs.replace(manifest.evaluation, metrics=metrics),
        gate_failures=list(failures),
    )
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    return Artifact(manifest, artifact.files)


def first_words(text: str) -> list[str]:
    return [line.partition(" ")[0] for line in text.splitlines()]
