"""What the newest version of the template asks of every project, from its team.toml."""

from __future__ import annotations

import tomllib
from typing import Any

from align.origin import CannotJudge, Origin

DEFAULTS = {"update_within_days": 90}


def policy_of(origin: Origin) -> dict[str, Any]:
    newest = origin.newest()
    text = origin.text(origin.commit(newest), "team.toml")
    try:
        return DEFAULTS | tomllib.loads(text).get("policy", {})
    except ValueError as failure:
        raise CannotJudge(f"team.toml of {newest}: not TOML: {failure}") from failure
