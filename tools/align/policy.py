"""What the newest version of the template asks of every project, from its team.toml."""

from __future__ import annotations

import tomllib
from typing import Any

from align.origin import Origin

DEFAULTS = {"update_within_days": 90}


def policy_of(origin: Origin) -> dict[str, Any]:
    text = origin.text(origin.commit(origin.newest()), "team.toml")
    return DEFAULTS | tomllib.loads(text).get("policy", {})
