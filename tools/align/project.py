"""A project, and what a version of the template renders for its recorded answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from align.origin import CannotJudge, Origin

WORKER = Path(__file__).with_name("render_worker.py")
LINK = ".cruft.json"
SHARED = "pyproject.toml"  # its tool tables are the template's, the rest is your own
RENDER_WITHIN_S = 600


@dataclass(frozen=True)
class Link:
    """What .cruft.json says."""

    address: str
    commit: str
    directory: str
    context: Mapping[str, Any]
    whole: Mapping[str, Any]

    @property
    def answers(self) -> dict[str, Any]:
        return {
            name: each
            for name, each in self.context.items()
            if not name.startswith("_")
        }


def link_of(project: Path) -> Link:
    try:
        whole = json.loads((project / LINK).read_text(encoding="utf-8"))
        link = Link(
            whole["template"],
            whole["commit"],
            whole.get("directory") or "",
            whole["context"]["cookiecutter"],
            whole,
        )
    except FileNotFoundError as failure:
        raise CannotJudge(f"{project}: no {LINK}, so no known template") from failure
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise CannotJudge(
            f"{project / LINK}: not what cruft writes: {failure!r}"
        ) from failure
    texts = [link.address, link.commit, link.directory]
    are_texts = all(isinstance(each, str) for each in texts)
    if not are_texts or not isinstance(link.context, dict):
        raise CannotJudge(
            f"{project / LINK}: not what cruft writes: expected texts as template, "
            "commit and directory, and a table of answers"
        )
    return link


@dataclass(frozen=True)
class Render:
    """The files that one version of the template makes from a set of answers."""

    folder: Path
    context: Mapping[str, Any]

    def files(self) -> dict[str, Path]:
        folders = os.walk(self.folder)
        found = (
            f"{folder}{os.sep}{each}" for folder, _, names in folders for each in names
        )
        start = len(str(self.folder)) + 1
        return {each[start:].replace(os.sep, "/"): Path(each) for each in sorted(found)}

    def owned(self) -> list[str]:
        """This version's globs for the files that belong to the project."""
        return owned_globs(self.folder)


def owned_globs(folder: Path) -> list[str]:
    file = folder / SHARED
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        tables = tomllib.loads(text)
    except ValueError as failure:
        raise CannotJudge(f"{file}: not TOML: {failure}") from failure
    return [LINK, *tables.get("tool", {}).get("cruft", {}).get("skip", [])]


def is_owned(path: str, globs: Sequence[str]) -> bool:
    """By cruft's rules: a glob that names a folder means all that is in it."""
    return pattern_of(tuple(globs)).fullmatch(path) is not None


@cache
def pattern_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all globs: `*` stays inside a name, `**` does not."""
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    wild = re.compile(r"(\*\*/|\*\*|\*|\?)")
    texts = [
        "".join(pieces.get(each) or re.escape(each) for each in wild.split(glob))
        for glob in globs
    ]
    return re.compile(rf"(?:{'|'.join(texts)})(?:/.*)?", re.DOTALL)


def render_all(
    origin: Origin,
    commit: str,
    directory: str,
    answers: Sequence[Mapping[str, Any]],
    work: Path,
) -> list[Render | CannotJudge]:
    """Render one version for many projects, in the order of `answers`."""
    template = origin.unpack(commit, work / f"template-{commit[:12]}") / directory
    outputs = [work / f"{commit[:12]}-{n}" for n in range(len(answers))]
    jobs = [
        {
            "answers": dict(each),
            "address": origin.address,
            "commit": commit,
            "output": str(output),
        }
        for each, output in zip(answers, outputs, strict=True)
    ]
    try:
        done = subprocess.run(
            [sys.executable, str(WORKER)],
            input=json.dumps({"template": str(template), "jobs": jobs}),
            capture_output=True,
            encoding="utf-8",
            timeout=RENDER_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as failure:
        said = f"rendering {commit} took more than {failure.timeout:g} s"
        raise CannotJudge(said) from failure
    if done.returncode != 0:
        raise CannotJudge(f"rendering {commit} failed: {done.stderr[-500:]}")
    results = json.loads(done.stdout)
    return [
        (
            CannotJudge(f"{origin.name_of(commit)} can't render: {each['error']}")
            if "error" in each
            else Render(next(output.iterdir()), each["context"]["cookiecutter"])
        )
        for each, output in zip(results, outputs, strict=True)
    ]


def render(
    origin: Origin, commit: str, directory: str, answers: Mapping[str, Any], work: Path
) -> Render:
    [made] = render_all(origin, commit, directory, [answers], work)
    if isinstance(made, CannotJudge):
        raise made
    return made
