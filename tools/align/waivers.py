"""Exceptions from waivers.toml, each with an owner and an expiry date."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from align.project import is_owned

FILE = "waivers.toml"
FIELDS = {"path": str, "reason": str, "owner": str, "expires": date}
EXAMPLE = 'path = "ruff.toml", reason = "…", owner = "@ada", expires = 2027-03-01'


@dataclass(frozen=True)
class Waiver:
    """`path` may differ from the template until the end of the day `expires`."""

    path: str
    reason: str
    owner: str
    expires: date

    def covers(self, path: str) -> bool:
        return is_owned(path, [self.path])

    def has_expired(self, today: date) -> bool:
        return today > self.expires

    def expires_within(self, days: int, today: date) -> bool:
        return today <= self.expires <= today + timedelta(days=days)


def read_waivers(project: Path) -> tuple[list[Waiver], list[str]]:
    """The complete waivers, and one line for each that is incomplete."""
    file = project / FILE
    if not file.is_file():
        return [], []
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")).get("waiver", [])
    except ValueError as failure:
        return [], [f"not TOML: {failure}"]
    if not isinstance(entries, list):
        return [], ["expected [[waiver]] tables"]
    wrong = [
        f"waiver {n}: {each}"
        for n, entry in enumerate(entries, 1)
        for each in faults(entry)
    ]
    good = [each for each in entries if not list(faults(each))]
    return [Waiver(**each) for each in good], wrong


def faults(entry: object) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"expected a table: {EXAMPLE}"
        return
    for name, kind in FIELDS.items():
        # A bare date is a `date`; one with a time is a `datetime`, which is one too.
        if type(entry.get(name)) is not kind or not entry[name]:
            yield f"{name} is {entry.get(name)!r}, expected as in: {EXAMPLE}"
    if unknown := sorted(set(entry) - set(FIELDS)):
        yield f"unknown {', '.join(unknown)}; known are {', '.join(FIELDS)}"
