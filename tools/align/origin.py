"""The template's repository: its versions, their files, and what changed between."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
HEADING = re.compile(r"^## ", re.MULTILINE)
FETCH_WITHIN_S = 300


# Git tells its hooks by these variables which repository they are in.
OF_A_HOOK = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
]


class CannotJudge(Exception):  # noqa: N818 - named as sentences name it
    """The template or the project is not there, or can't be read: one line says why."""


def leave_hook() -> None:
    """Make every git from here on use the repository that it is asked about."""
    for name in OF_A_HOOK:
        os.environ.pop(name, None)


def order_of(tag: str) -> tuple[int, ...]:
    found = VERSION.fullmatch(tag)
    if not found:
        raise CannotJudge(f"{tag}: expected a version such as v1.2.3")
    return tuple(int(each) for each in found.groups())


@dataclass(frozen=True)
class Origin:
    """A bare clone of the template at `address`."""

    address: str
    clone: Path
    _said: dict[tuple[str, ...], str] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def fetched(cls, address: str, cache: Path) -> Origin:
        """The newest state of the template, kept in `cache` for the next run."""
        name = hashlib.sha256(address.encode()).hexdigest()[:16]
        origin = cls(address, cache / f"{name}.git")
        everything = ["fetch", "--quiet", "--prune", "--force", "--tags", "--", address]
        origin.clone.mkdir(parents=True, exist_ok=True)
        (cache / ".gitignore").write_text("*\n", encoding="utf-8")
        origin.git("init", "--quiet", "--bare")  # also repairs an interrupted one
        origin.git(*everything, "+HEAD:refs/heads/template", "+refs/tags/*:refs/tags/*")
        return origin

    def git(self, *arguments: str) -> str:
        return self._git(*arguments).decode("utf-8", "replace").strip()

    def asked(self, *arguments: str) -> str:
        """Git's answer about the clone, cached, since the clone no longer changes."""
        if arguments not in self._said:
            self._said[arguments] = self.git(*arguments)
        return self._said[arguments]

    def _git(self, *arguments: str) -> bytes:
        # Named, since git would look for another repository around a damaged one.
        command = ["git", f"--git-dir={self.clone}", *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.clone,
                capture_output=True,
                timeout=FETCH_WITHIN_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as failure:
            raise CannotJudge(f"git: {failure}") from failure
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            why = said[-1] if said else f"exit {done.returncode}"
            raise CannotJudge(f"template {self.address}: git {arguments[0]}: {why}")
        return done.stdout

    def versions(self) -> list[str]:
        """The released versions, oldest first."""
        tags = self.asked("tag", "--list", "v*").split()
        return sorted((each for each in tags if VERSION.fullmatch(each)), key=order_of)

    def newest(self) -> str:
        """The newest release; before the first one, the default branch."""
        return (self.versions() or ["template"])[-1]

    def commit(self, name: str) -> str:
        try:
            return self.asked("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except CannotJudge as failure:
            raise CannotJudge(
                f"template {self.address} has no {name!r}; if it moved, correct "
                "`template` and `commit` in .cruft.json"
            ) from failure

    def is_within(self, earlier: str, later: str) -> bool:
        """Whether the commit `later` contains the commit `earlier`."""
        return self.asked("rev-list", "--count", earlier, f"^{later}") == "0"

    def name_of(self, commit: str) -> str:
        """Such as v1.2.3, or v1.2.3+4 for the fourth commit after it."""
        command = ("describe", "--tags", "--match", "v*.*.*", "--always", commit)
        name = self.asked(*command)
        return re.sub(r"-(\d+)-g[0-9a-f]+$", r"+\1", name)

    def missing_from(self, commit: str) -> list[str]:
        """The releases that a project made from `commit` lacks, oldest first."""
        merged = self.asked("tag", "--list", "v*", "--merged", commit).split()
        had = [order_of(each) for each in merged if VERSION.fullmatch(each)]
        return [
            each for each in self.versions() if order_of(each) > max(had, default=())
        ]

    def released(self, tag: str) -> date:
        form = "--format=%(creatordate:short)"
        stamp = self.asked("for-each-ref", form, f"refs/tags/{tag}")
        return date.fromisoformat(stamp)

    def unpack(self, commit: str, folder: Path) -> Path:
        archive = self._git("archive", "--format=tar", commit)
        folder.mkdir(parents=True, exist_ok=True)
        # Before 3.11.4 this argument doesn't exist; git's own archive needs no filter.
        filtered = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, **filtered)
        return folder

    def text(self, commit: str, path: str) -> str:
        """A file of the template; empty if that version has no such file."""
        if not self.git("ls-tree", "--name-only", commit, "--", path):
            return ""
        return self._git("show", f"{commit}:{path}").decode("utf-8")

    def changes(self, old: str, new: str) -> str:
        """Sections of the changelog of `new` that the one of `old` doesn't have."""
        known = set(sections(self.text(old, "CHANGELOG.md")))
        told = sections(self.text(new, "CHANGELOG.md"))
        return "\n\n".join(f"## {each}" for each in told if each not in known)


def sections(changelog: str) -> list[str]:
    return [each.strip() for each in HEADING.split(changelog)[1:]]
