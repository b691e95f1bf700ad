"""What the template's newest version requires of every project, by its team.toml."""

from __future__ import annotations

import tomllib
from typing import Any

from align.origin import CannotJudge, Origin

DEFAULTS = {"update_within_days": 90}


def policy_of(origin: Origin) -> dict[str, Any]:
    newest = origin.newest()
    text = origin.text(origin.commit(newest), "team.toml")
    try:
        policy = DEFAULTS | tomllib.loads(text).get("policy", {})
    except ValueError as failure:
        raise CannotJudge(f"team.toml of {newest}: not TOML: {failure}") from failure
    days = policy["update_within_days"]
    if type(days) is not int or days < 1:
        raise CannotJudge(
            f"team.toml of {newest}: [policy] update_within_days: expected a number of "
            f"days, such as 90, received {days!r}"
        )
    return policy
