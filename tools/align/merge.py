"""Three texts become one: as it was made, as it is now, as it would be made."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

HUNK = re.compile(
    r"^<{7} yours\n(.*?)^\|{7} before\n(.*?)^={7}\n(.*?)^>{7} template\n",
    re.MULTILINE | re.DOTALL,
)
ITEM = re.compile(r'\s+("[^"]*"|\{[^}]*\}),(\s+#.*)?')
PINNED = re.compile(r"[A-Za-z0-9._\[\]-]+==([0-9.]+)")


def three_way(before: str, yours: str, template: str) -> str:
    """The merged text; where both changed the same lines, with conflict markers."""
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
    return HUNK.sub(items_merged, done.stdout.decode("utf-8"))


def items_merged(hunk: re.Match[str]) -> str:
    """A list of requirements that both changed, merged item by item."""
    yours, before, template = (
        {name_of(line): line for line in part.splitlines()} for part in hunk.groups()
    )
    lines = [line for part in hunk.groups() for line in part.splitlines()]
    if not all(ITEM.fullmatch(each) for each in lines):
        return hunk.group()
    merged = [
        line
        for name in [*template, *(each for each in yours if each not in template)]
        if (line := chosen(yours.get(name), before.get(name), template.get(name)))
    ]
    return "".join(f"{each}\n" for each in merged)


def name_of(line: str) -> str:
    found = re.match(r'\s*"([A-Za-z0-9._-]+)', line)
    return re.sub(r"[-_.]+", "-", found.group(1)).lower() if found else line.strip()


def chosen(yours: str | None, before: str | None, template: str | None) -> str | None:
    if yours == before:
        return template
    if template == before or yours is None or template is None:
        return yours
    are_pins = pin_of(yours) and pin_of(template)
    return max(yours, template, key=pin_of) if are_pins else yours


def pin_of(line: str) -> tuple[int, ...]:
    found = PINNED.search(line)
    return (
        tuple(int(each) for each in found.group(1).split(".") if each) if found else ()
    )


def is_conflicted(text: str) -> bool:
    return HUNK.search(text) is not None
