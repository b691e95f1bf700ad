"""What a team decided in team.toml: defaults, choices, registry, extra files."""

from __future__ import annotations

import json
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_name("team.toml")
TEAM = tomllib.loads(FILE.read_text(encoding="utf-8"))


def of_team(default: str, question: str) -> str:
    """The team's default for a question, else the template's."""
    return str(TEAM.get("defaults", {}).get(question, default))


def allowed(question: str, choices: list[str]) -> list[str]:
    """The choices that the team allows, in the template's order."""
    permitted = TEAM.get("allowed", {}).get(question, choices)
    return [each for each in choices if each in permitted]


def registry_of_team(_: Mapping[str, object]) -> str:
    """The package index of the team's projects; empty for uv's own default."""
    return str(TEAM.get("registry", {}).get("url", ""))


def files_of_team(_: Mapping[str, object]) -> str:
    """The extra files of every project, {path: text}, as JSON in base64."""
    return b64encode(json.dumps(TEAM.get("files", {})).encode()).decode()


FILTERS = (of_team, registry_of_team, files_of_team)
