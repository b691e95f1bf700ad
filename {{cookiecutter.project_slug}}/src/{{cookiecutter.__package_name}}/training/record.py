"""What a version records about itself: its inputs, its outputs and its origin."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..artifacts.artifact import (
    Artifact,
    Example,
    Expected,
    Feature,
    Provenance,
    Signature,
    Split,
)
from ..model.predictor import Predictor
from .dataset import Contract, Table, digest
from .split import Summary

DESCRIBE = ("git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
PLAIN = {bool, int, float, str, type(None)}


def signature(
    contract: Contract, classes: tuple[str, ...], summary: Summary, held_out: Table
) -> Signature:
    """Names, units and ranges of the features; medians are of the held-out rows."""
    medians = np.median(held_out.X, axis=0)
    return Signature(
        task="classification" if classes else "regression",
        target=contract.target,
        features=tuple(
            Feature(
                name=column.name,
                unit=column.unit,
                minimum=float(summary.minimum[j]),
                median=float(medians[j]),
                maximum=float(summary.maximum[j]),
                lowest=limit(column.minimum),
                highest=limit(column.maximum),
                missing=column.missing,
            )
            for j, column in enumerate(contract.features)
        ),
        classes=classes,
        target_range=None if classes else (summary.lowest, summary.highest),
        examples=examples(contract.examples, held_out),
    )


def examples(wanted: int, held_out: Table) -> tuple[Example, ...]:
    """Up to `wanted` of the held-out rows, spread evenly over the sorted target."""
    rows = len(held_out.y)
    count = min(wanted, rows)
    order = np.argsort(held_out.y, kind="stable")
    places = order[((np.arange(count) + 0.5) * rows / max(count, 1)).astype(int)]
    return tuple(
        Example(tuple(held_out.X[place].tolist()), held_out.y[place].item())
        for place in places
    )


def limit(value: float) -> float | None:
    """A bound as JSON can hold it: None for infinity."""
    return value if np.isfinite(value) else None


def expected(predictor: Predictor, described: Signature) -> Expected:
    """What the service must answer to a row of medians."""
    row = [feature.median for feature in described.features]
    outputs = predictor.predict(np.array([row]))
    return Expected(
        row, {name: each.ravel().tolist() for name, each in outputs.items()}
    )


def provenance(
    data: Path,
    train_rows: int,
    split: Split,
    parameters: Mapping[str, Any],
    packages: Sequence[str],
    continued_from: Artifact | None = None,
) -> Provenance:
    """packages: those whose versions may affect what the model answers."""
    previous = continued_from.manifest if continued_from else None
    return Provenance(
        data_source=data.name,
        data_sha256=digest(data),
        train_rows=train_rows,
        split=split,
        parameters={
            name: value if type(value) in PLAIN else repr(value)
            for name, value in parameters.items()
        },
        git_commit=git_commit(),
        versions={"python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
        continued_from=previous.version if previous else None,
        earlier=previous.provenance.learned if previous else msgspec.UNSET,
    )


def git_commit() -> str | None:
    """The commit of the working folder, marked dirty when files differ from it."""
    try:
        answer = subprocess.run(  # noqa: S603  a constant, no input
            DESCRIBE, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
