"""A template with a past: its present files as a repository of their own, with tags."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from conftest import TEMPLATE

PRODUCT = "{{cookiecutter.project_slug}}"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "Ada", "EMAIL": "ada@example.org"}.items()
}
# As on a machine where nobody has configured git.
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **IDENTITY}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | GIT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


class Past:
    """A repository that holds the template, or a project, and grows by commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        git(path, "init", "--quiet", "--initial-branch=main")

    def write(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert old in text, f"{name} holds no {old!r}"
        self.write(name, text.replace(old, new, 1))

    def commit(self, *tags: str) -> str:
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--allow-empty", "--message=change")
        for each in tags:
            git(self.path, "tag", each)
        return git(self.path, "rev-parse", "HEAD")


def present_template(path: Path) -> Past:
    """The template as it is in this checkout, edited files included, not committed."""
    past = Past(path)
    listed = git(TEMPLATE, "ls-files", "-z", "-co", "--exclude-standard")
    for name in sorted(set(listed.split("\0"))):
        if name and (TEMPLATE / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TEMPLATE / name, path / name)
    return past
