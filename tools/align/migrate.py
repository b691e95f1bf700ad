"""Carries recorded answers over renamed and removed options."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from align.origin import Origin

FILE = "migrations.toml"


def migrated(
    answers: Mapping[str, Any], origin: Origin, old: str, new: str
) -> dict[str, Any]:
    """The answers given to commit `old`, as commit `new` asks for them.

    Each migration belongs to a release and is applied unless `old` already has that
    release; so it also applies before its release is tagged.
    """
    text = origin.text(new, FILE)
    carried = dict(answers)
    had = set(origin.git("tag", "--list", "v*", "--merged", old).split())
    for step in tomllib.loads(text).get("migration", []):
        if step["version"] in had:
            continue
        for before, after in step.get("rename", {}).items():
            if before in carried:
                carried[after] = carried.pop(before)
        for question, choices in step.get("choices", {}).items():
            if carried.get(question) in choices:
                carried[question] = choices[carried[question]]
        for question in step.get("remove", []):
            carried.pop(question, None)
    return carried
