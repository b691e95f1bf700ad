"""Where a project departs from its template: findings, each with its remedy."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as NotConfiguration
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from align.origin import Origin
from align.pins import without_pins
from align.project import LINK, SHARED, Link, Render, is_owned
from align.waivers import FILE, Waiver, read_waivers

MARKERS = (b"\n<<<<<<< ", b"\n>>>>>>> ", b"\n||||||| ")
NOT_OURS = {".git", ".venv", ".tools", "node_modules"}
SOON_DAYS = 30
# Each tool is configured in one place; these are all the places that it reads.
PLACES = {
    "black": ["pyproject.toml:tool.black"],
    "coverage": [
        ".coveragerc",
        "pyproject.toml:tool.coverage",
        "setup.cfg:coverage:run",
    ],
    "mypy": ["mypy.ini", ".mypy.ini", "pyproject.toml:tool.mypy", "setup.cfg:mypy"],
    "pytest": [
        "pytest.toml",
        "pytest.ini",
        ".pytest.ini",
        "pyproject.toml:tool.pytest",
        "tox.ini:pytest",
        "setup.cfg:tool:pytest",
    ],
    "ruff": ["ruff.toml", ".ruff.toml", "pyproject.toml:tool.ruff"],
    "uv": ["uv.toml", "pyproject.toml:tool.uv"],
}
# Foreign hooks bring a second version of a tool that pyproject.toml pins.
FOREIGN_HOOK = re.compile(r"^\s*-?\s*repo:\s*(\S*(?:black|ruff|mypy)\S*)", re.MULTILINE)
Reader = Callable[[Path], bytes]


@dataclass(frozen=True)
class Finding:
    """One departure: `kind` is drift, marker, twice, waiver or old."""

    kind: str
    path: str
    message: str
    diff: str = ""


@dataclass
class Verdict:
    """All findings, with those that waivers cover apart."""

    findings: list[Finding] = field(default_factory=list)
    waived: list[tuple[Finding, Waiver]] = field(default_factory=list)
    expiring: list[Waiver] = field(default_factory=list)


def judge(
    project: Path,
    link: Link,
    rendered: Render,
    origin: Origin,
    policy: Mapping[str, Any],
    today: date,
) -> Verdict:
    read = cache(Path.read_bytes)
    found = [
        *drift(project, rendered, read),
        *markers(project, read),
        *configured_twice(project),
        *age(origin, origin.commit(link.commit), policy, today),
    ]
    waivers, wrong = read_waivers(project)
    verdict = Verdict([Finding("waiver", FILE, each) for each in wrong])
    for waiver in waivers:
        covered = [each for each in found if waiver.covers(each.path)]
        if waiver.has_expired(today):
            message = f"{waiver.path}: expired on {waiver.expires}; ask {waiver.owner}"
            verdict.findings.append(Finding("waiver", FILE, message))
        elif not covered:
            message = f"{waiver.path}: waives nothing any more; delete it"
            verdict.findings.append(Finding("waiver", FILE, message))
        else:
            verdict.waived += [(each, waiver) for each in covered]
            found = [each for each in found if each not in covered]
            if waiver.expires_within(SOON_DAYS, today):
                verdict.expiring.append(waiver)
    verdict.findings += found
    return verdict


def drift(
    project: Path, rendered: Render, read: Reader = Path.read_bytes
) -> Iterator[Finding]:
    globs = rendered.owned()
    for path, made in rendered.files().items():
        if is_owned(path, globs):
            continue
        here = project / path
        if not here.is_file():
            yield Finding("drift", path, "deleted; the template has it")
        elif path == SHARED:
            yield from drift_of_tools(made, here)
        elif differ(read(here), read(made)):
            yield Finding("drift", path, "edited", diff_of(path, made, here))


def differ(*contents: bytes) -> bool:
    """Whether the contents differ in more than line ends and the versions of pins."""
    texts = (each.replace(b"\r\n", b"\n") for each in contents)
    return len({without_pins(each) for each in texts}) > 1


def diff_of(path: str, made: Path, here: Path) -> str:
    try:
        old, new = made.read_text(encoding="utf-8"), here.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "not text"
    return unified(path, old, new)


def unified(path: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"template/{path}", path, lineterm="", n=2
    )
    return "\n".join(lines)


def drift_of_tools(made: Path, here: Path) -> Iterator[Finding]:
    """Drift in the tool tables of the template; other tables are the project's own."""
    expected = tables(made)
    try:
        found = tables(here)
    except ValueError as failure:
        yield Finding("drift", SHARED, f"not TOML: {failure}")
        return
    shown = {name: found.get(name) for name in expected}
    if shown != expected:
        texts = [
            json.dumps(each, indent=2, ensure_ascii=False) for each in (expected, shown)
        ]
        message = "its tool tables were edited; dependencies and metadata are yours"
        yield Finding("drift", SHARED, message, unified(SHARED, *texts))


def tables(file: Path) -> dict[str, Any]:
    whole = tomllib.loads(file.read_text(encoding="utf-8"))
    tools = {f"tool.{name}": each for name, each in whole.get("tool", {}).items()}
    return tools | {"build-system": whole.get("build-system")}


def files_of(project: Path) -> Iterator[Path]:
    """All files that git tracks or would add; without git, all but environments."""
    command = ["git", "-C", str(project), "ls-files", "-z", "-co", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0:
        names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
        yield from (project / each for each in sorted(set(names)) if each)
        return
    for folder, inside, names in os.walk(project):
        inside[:] = sorted(set(inside) - NOT_OURS)
        yield from (Path(folder, each) for each in sorted(names))


def markers(project: Path, read: Reader = Path.read_bytes) -> Iterator[Finding]:
    command = [
        "git",
        "-C",
        str(project),
        "diff",
        "--name-only",
        "--diff-filter=U",
        "-z",
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    for name in filter(None, done.stdout.decode("utf-8", "replace").split("\0")):
        yield Finding("marker", name, "unmerged: resolve it, then `git add` it")
    for file in files_of(project):
        path = file.relative_to(project).as_posix()
        if file.suffix in {".rej", ".orig"}:
            yield Finding("marker", path, "left by an update: carry it over, delete it")
        elif file.is_file() and not file.is_symlink() and is_marked(read(file)):
            yield Finding("marker", path, "conflict marker: choose, delete the markers")


def is_marked(content: bytes) -> bool:
    lines = b"\n" + content
    return any(each in lines for each in MARKERS)


def configured_twice(project: Path) -> Iterator[Finding]:
    read: dict[str, Any] = {}
    for tool, places in PLACES.items():
        used = [each for each in places if is_used(project, each, read)]
        for each in used[1:]:
            message = f"{tool} is configured here and in {used[0]}; keep one"
            yield Finding("twice", each.split(":")[0], message)
    hooks = project / ".pre-commit-config.yaml"
    if hooks.is_file():
        text = hooks.read_text(encoding="utf-8", errors="replace")
        for address in FOREIGN_HOOK.findall(text):
            message = f"{address} brings a second version of a tool that {SHARED} pins"
            yield Finding("twice", hooks.name, message)


def is_used(project: Path, place: str, read: dict[str, Any]) -> bool:
    name, _, section = place.partition(":")
    if not section:
        return (project / name).is_file()
    if name not in read:
        read[name] = settings_in(project / name)
    found = read[name]
    if name.endswith(".toml"):
        for each in section.split("."):
            found = found.get(each, {})
        return bool(found)
    return section in found


def settings_in(file: Path) -> Mapping[str, Any]:
    """The tables of a TOML or INI file; empty if it is absent or broken."""
    if not file.is_file():
        return {}
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            return tomllib.loads(text)
        reader = ConfigParser(interpolation=None)
        reader.read_string(text)
    except (ValueError, NotConfiguration):
        return {}
    return reader


def age(
    origin: Origin, commit: str, policy: Mapping[str, Any], today: date
) -> Iterator[Finding]:
    """A finding if a release was not taken within the days that the policy allows."""
    if not (missing := origin.missing_from(commit)):
        return
    waited = (today - origin.released(missing[0])).days
    allowed = policy["update_within_days"]
    if waited > allowed:
        message = (
            f"{origin.name_of(commit)} is {len(missing)} behind {missing[-1]}, and "
            f"{missing[0]} was due {waited - allowed} days ago: make template-update"
        )
        yield Finding("old", LINK, message)
