"""Starts the newest checker or updater of the template that .cruft.json names.

Run as `uv run --no-project tools/template.py check` or `update`; --help tells more.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
CLONES = PROJECT / ".tools" / "template"
RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
# Git tells its hooks by these which repository they are in; here it must be another.
OF_A_HOOK = ["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"]
OF_A_HOOK += ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"]


def git(*arguments: str) -> str:
    command = ["git", f"--git-dir={CLONES / 'launcher.git'}", *arguments]
    done = subprocess.run(  # noqa: S603 - a list, and git's own name
        command, cwd=CLONES, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"template: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def fetch(address: str) -> None:
    """Fetch every release, and forget those that have been withdrawn."""
    everything = ["+HEAD:refs/heads/template", "+refs/tags/*:refs/tags/*"]
    git("fetch", "--quiet", "--force", "--prune", "--", address, *everything)


def newest_release() -> str:
    """The commit of the newest release; before the first one, of the default branch."""
    releases = filter(RELEASE.fullmatch, git("tag", "--list", "v*").split())
    order = {each: [int(part) for part in each[1:].split(".")] for each in releases}
    name = max(order, key=lambda each: order[each], default="refs/heads/template")
    return git("rev-parse", "--verify", f"{name}^0")


def unpacked(commit: str) -> Path:
    """A folder with the template's files, renamed into place: other runs share it."""
    folder = CLONES / f"newest-{commit[:12]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=CLONES) as place:
            archive = Path(place, "template.zip")
            git("archive", "--format=zip", f"--output={archive}", commit)
            shutil.unpack_archive(archive, Path(place, "files"))
            if not folder.exists():
                Path(place, "files").rename(folder)
    return folder


def main() -> int:
    try:
        link = json.loads((PROJECT / ".cruft.json").read_text(encoding="utf-8"))
        address, inside = link["template"], link.get("directory") or ""
    except (OSError, ValueError, KeyError, TypeError) as failure:
        sys.exit(f"template: .cruft.json can't be read: {failure!r}")
    for name in OF_A_HOOK:
        os.environ.pop(name, None)
    # uv looks for a script's settings beside the script, not in this project.
    if (settings := PROJECT / "uv.toml").is_file():
        os.environ.setdefault("UV_CONFIG_FILE", str(settings))
    CLONES.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet", "--bare")
    fetch(address)
    script = unpacked(newest_release()) / inside / "tools" / "template.py"
    command = [os.environ.get("UV", "uv"), "run", "--quiet", "--script", str(script)]
    command += sys.argv[1:]
    # Running the template's code is fine: it also made this project's.
    return subprocess.run(command, cwd=PROJECT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
