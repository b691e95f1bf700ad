"""What a team decided in team.toml: defaults, choices, registry, extra files."""

from __future__ import annotations

import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

FILE = Path(__file__).with_name("team.toml")
QUESTIONS: dict[str, Any] = json.loads(
    FILE.with_name("cookiecutter.json").read_text(encoding="utf-8")
)
ASKED = [name for name in QUESTIONS if not name.startswith("_")]
TEXTS = [name for name in ASKED if "of_team" in QUESTIONS[name]]
MENUS = [name for name in ASKED if isinstance(QUESTIONS[name], list)]
INDEX = r"https?://[A-Za-z0-9._~%:/-]+"  # no user or password: they would be in git
PROJECT = FILE.with_name("{{cookiecutter.project_slug}}")
NO_FILES = {"..", ".git", ".cruft.json"}


def read(file: Path) -> dict[str, Any]:
    """What the file decides. Fails: ImportError, which cookiecutter shows."""
    try:
        team = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise ImportError(f"{file.name} cannot be read: {failure}") from failure
    if found := list(faults(team)):
        raise ImportError("\n  ".join([f"{file.name} cannot be used:", *found]))
    return team


def faults(team: Mapping[str, Any]) -> Iterator[str]:
    for table, lines in team.items():
        if table not in JUDGES:
            yield f"{table}: expected one of the tables {', '.join(JUDGES)}"
        elif not isinstance(lines, dict):
            yield f"{table}: expected a table, as in [{table}], received {lines!r:.80}"
        else:
            for name, given in lines.items():
                if expected := JUDGES[table](name, given):
                    yield (
                        f"[{table}] {name}: expected {expected}, "
                        f"received {given!r:.80}"
                    )
    yield from clashes(team.get("files", {}))


def clashes(files: object) -> Iterator[str]:
    """Faults where a path is both a file and the folder of another file."""
    paths = [PurePosixPath(name) for name in files] if isinstance(files, dict) else []
    for path in paths:
        for above in {*path.parents} & {*paths}:
            yield (
                f"[files] {path}: expected a path below folders, "
                f"received a file {above}"
            )


def fault_of_policy(name: str, given: object) -> str:
    if name != "update_within_days":
        return "nothing but update_within_days"
    return "" if type(given) is int and given > 0 else "a number of days, such as 90"


def fault_of_default(name: str, given: object) -> str:
    if name not in TEXTS:
        return f"one of {', '.join(TEXTS)}"
    return "" if isinstance(given, str) else "a text"


def fault_of_choices(name: str, given: object) -> str:
    if name not in MENUS:
        return f"one of {', '.join(MENUS)}"
    known = QUESTIONS[name]
    right = isinstance(given, list) and given and all(each in known for each in given)
    return "" if right else f"a list of some of {', '.join(known)}"


def fault_of_registry(name: str, given: object) -> str:
    if name != "url":
        return "nothing but url"
    right = isinstance(given, str) and re.fullmatch(INDEX, given)
    example = "https://packages.example.org/simple"
    return "" if right else f"an address such as {example}, without user and password"


def fault_of_file(name: str, given: object) -> str:
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name.lower()).parts}
    if PureWindowsPath(name).anchor or not parts or parts & NO_FILES:
        return "a path inside the project"
    if not name.isprintable():
        return "a path of visible characters"
    above = [PROJECT / each for each in PurePosixPath(name).parents]
    if (PROJECT / name).is_dir() or any(each.is_file() for each in above):
        return "a path that is a file in the project, below folders"
    return "" if isinstance(given, str) else "a text"


JUDGES = {
    "policy": fault_of_policy,
    "defaults": fault_of_default,
    "allowed": fault_of_choices,
    "registry": fault_of_registry,
    "files": fault_of_file,
}
TEAM = read(FILE)


def of_team(default: str, question: str) -> str:
    """The team's default for a question, or else the template's."""
    return str(TEAM.get("defaults", {}).get(question, default))


def allowed(question: str, choices: list[str]) -> list[str]:
    """The choices that the team allows, in the template's order."""
    permitted = TEAM.get("allowed", {}).get(question, choices)
    return [each for each in choices if each in permitted]


def registry_of_team(_: Mapping[str, object]) -> str:
    """The package index for the team's projects; empty for uv's default."""
    return str(TEAM.get("registry", {}).get("url", ""))


def files_of_team(_: Mapping[str, object]) -> str:
    """The extra files of every project, {path: text}, as JSON in base64."""
    return b64encode(json.dumps(TEAM.get("files", {})).encode()).decode()


FILTERS = (of_team, registry_of_team, files_of_team)
