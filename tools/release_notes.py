"""Prints the section of CHANGELOG.md for a version; refuses a tag that has none."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]


def main(tag: str) -> None:
    version = tag.removeprefix("v")
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    recorded = questions["_template_version"]
    if recorded != version:
        sys.exit(f"tag {tag}: _template_version in cookiecutter.json is {recorded}")
    changelog = (TEMPLATE / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    for each in sections:
        heading, _, notes = each.partition("\n")
        if re.fullmatch(rf"\[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d", heading):
            print(notes.strip())
            return
    sys.exit(f"tag {tag}: CHANGELOG.md has no heading '## {version} - YYYY-MM-DD'")


if __name__ == "__main__":
    main(sys.argv[1])
