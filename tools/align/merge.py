"""Merges three texts: as the template made it, as it is now, as it would be made."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from align.pins import newer_pin

HUNK = re.compile(
    r"^<{7} yours\n(.*?)^\|{7} before\n(.*?)^={7}\n(.*?)^>{7} template\n",
    re.MULTILINE | re.DOTALL,
)
ITEM = re.compile(r'\s+("[^"]*"|\{[^}]*\}),(\s+#.*)?')
# A package with its extras, bounds and markers, not just any text in quotes.
REQUIREMENT = re.compile(
    r'\s*"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]"]*\])?\s*(?:[<>=!~@;][^"]*)?".*'
)
PINNED = re.compile(r"[A-Za-z0-9._\[\]-]+==([0-9.]+)")


def three_way(before: str, yours: str, template: str) -> str:
    """The merged text, with conflict markers where both changed the same lines."""
    if yours in (before, template):
        return template
    if template == before:
        return yours
    with tempfile.TemporaryDirectory() as folder:
        names = ["yours", "before", "template"]
        for name, text in zip(names, (yours, before, template), strict=True):
            (Path(folder) / name).write_text(text, encoding="utf-8", newline="")
        labels = [each for name in names for each in ("-L", name)]
        done = subprocess.run(
            ["git", "merge-file", "-p", "--diff3", *labels, *names],
            cwd=folder,
            capture_output=True,
            check=False,
        )
    if done.returncode < 0 or done.returncode > 127:
        raise RuntimeError(f"git merge-file: {done.stderr.decode()}")
    return HUNK.sub(settled, done.stdout.decode("utf-8"))


def settled(hunk: re.Match[str]) -> str:
    """Merged lines if it is clear what both changes want; otherwise the conflict."""
    parts = [part.splitlines() for part in hunk.groups()]
    merged = pins_merged(*parts)
    if merged is None and all(ITEM.fullmatch(each) for part in parts for each in part):
        merged = items_merged(*parts)
    if merged is None:
        return hunk.group()
    return "".join(f"{each}\n" for each in merged)


def pins_merged(
    yours: list[str], before: list[str], template: list[str]
) -> list[str] | None:
    """The newer pin in each line, if bots and the template moved the same pins."""
    if not len(yours) == len(before) == len(template):
        return None
    rows = zip(yours, before, template, strict=True)
    merged = [one if one == other else newer_pin(one, other) for one, _, other in rows]
    return None if None in merged else merged


def items_merged(
    yours: list[str], before: list[str], template: list[str]
) -> list[str] | None:
    """A list that both changed, merged by item; None if only a person can choose."""
    parts = [yours, before, template]
    mine, made, wanted = ({name_of(line): line for line in part} for part in parts)
    if [len(mine), len(made), len(wanted)] != [len(part) for part in parts]:
        return None  # an item occurs twice, such as a package with markers
    merged = []
    for name in [*wanted, *(each for each in mine if each not in wanted)]:
        here, there = mine.get(name), wanted.get(name)
        if here == made.get(name) or here == there:
            line = there
        elif there == made.get(name) or here is None or there is None:
            line = here
        elif pin_of(here) and pin_of(there):
            line = max(here, there, key=pin_of)
        else:
            return None
        if line:
            merged.append(line)
    return merged


def name_of(line: str) -> str:
    """The package, or the whole item if it is not a requirement."""
    found = REQUIREMENT.fullmatch(line)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else line.strip()


def pin_of(line: str) -> tuple[int, ...]:
    found = PINNED.search(line)
    return (
        tuple(int(each) for each in found.group(1).split(".") if each) if found else ()
    )


def is_conflicted(text: str) -> bool:
    return HUNK.search(text) is not None
