"""Checks the default project with the newest version of every dependency.

Renders it into build/newest, removes every cap and pin, and runs the project's checks.
Prints as Markdown what moved beyond a cap, and what broke; exits as the checks do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parents[1]
FOLDER = TEMPLATE / "build" / "newest"
UV = os.environ.get("UV", "uv")
REQUIREMENT = re.compile(
    r'^(\s+"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)([^";]*)', re.MULTILINE
)
OURS = {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}


def loosened(settings: str) -> str:
    """The text of a pyproject.toml whose requirements have lower bounds only."""
    head, separator, rest = settings.partition("\ndependencies = [")
    body, end, tail = rest.partition("\n[tool.")
    return head + separator + REQUIREMENT.sub(lower_bound, body) + end + tail


def lower_bound(found: re.Match[str]) -> str:
    bounds = [each.strip() for each in found.group(2).split(",")]
    kept = [each.replace("==", ">=") for each in bounds if each[:2] in {">=", "=="}]
    return found.group(1) + ",".join(kept)


def versions(project: Path) -> dict[str, str]:
    lock = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))
    return {each["name"]: each.get("version", "") for each in lock["package"]}


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {name: each for name, each in os.environ.items() if name not in OURS}
    return subprocess.run(
        command, cwd=project, env=kept, capture_output=True, text=True, check=False
    )


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    own = {"replay_dir": str(FOLDER / ".replay")}
    options = {"no_input": True, "accept_hooks": False, "default_config": own}
    made = cookiecutter(str(TEMPLATE), output_dir=str(FOLDER), **options)
    project = Path(made)
    steps = [(UV, "lock")]
    before = versions(project) if run(project, *steps[0]).returncode == 0 else {}
    settings = project / "pyproject.toml"
    settings.write_text(loosened(settings.read_text(encoding="utf-8")), "utf-8")
    for command in ((UV, "lock", "--upgrade"), ("make", "setup"), ("make", "check")):
        done = run(project, *command)
        if done.returncode != 0:
            break
    after = versions(project)
    moved = {
        name: f"{before.get(name, 'absent')} → {each}"
        for name, each in after.items()
        if before.get(name) != each
    }
    print("Moved beyond what the template allows:\n")
    print("\n".join(f"- {name} {each}" for name, each in moved.items()) or "- nothing")
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-60:])
        print(f"\n`{' '.join(command)}` broke:\n\n```\n{last}\n```")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
