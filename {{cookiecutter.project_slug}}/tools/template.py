"""Starts the newest judge or updater of the template that .cruft.json names.

Run as `uv run --no-project tools/template.py check` or `update`; --help tells more.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
CLONE = PROJECT / ".tools" / "template" / "newest"
RELEASES = ["tag", "--list", "v[0-9]*.[0-9]*.[0-9]*", "--sort=version:refname"]


def git(*arguments: str) -> str:
    command = ["git", "-C", str(CLONE), *arguments]
    done = subprocess.run(  # noqa: S603 - a list, and git's own name
        command, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"template: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def main() -> int:
    try:
        link = json.loads((PROJECT / ".cruft.json").read_text(encoding="utf-8"))
        address, folder = link["template"], link.get("directory") or ""
    except (OSError, ValueError, KeyError) as failure:
        sys.exit(f"template: .cruft.json can't be read: {failure!r}")
    CLONE.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet")
    everything = ["+HEAD:refs/heads/template", "+refs/tags/*:refs/tags/*"]
    git("fetch", "--quiet", "--force", "--update-head-ok", "--", address, *everything)
    newest = (git(*RELEASES).split() or ["refs/heads/template"])[-1]
    git("checkout", "--quiet", "--force", "--detach", newest)
    script = CLONE / folder / "tools" / "template.py"
    command = [os.environ.get("UV", "uv"), "run", "--quiet", "--script", str(script)]
    command += sys.argv[1:]
    # The template made this project's code, and may judge it.
    return subprocess.run(command, cwd=PROJECT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
