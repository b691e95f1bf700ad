"""The versions of one model in a local folder: written aside, then renamed.

<folder>/<version>/{manifest.json, weights.npz}
<folder>/CURRENT                                     replaced atomically
<folder>/.incoming-*, .outgoing-*                    what a kill may leave behind
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from ..errors import ArtifactError

CURRENT = "CURRENT"
LOCK = ".lock"
INCOMING, OUTGOING = ".incoming-", ".outgoing-"
TRIES, PAUSE_S = 20, 0.05

Result = TypeVar("Result")


class Folder:
    """Keeps files; what they mean is up to the store."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def at(self, *parts: str) -> str:
        """The path of something, for a message."""
        return str(self.path.joinpath(*parts))

    def versions(self) -> list[str]:
        """Names of all versions. Half-written ones start with a dot."""
        if not self.path.is_dir():
            return []
        return [
            path.name
            for path in self.path.iterdir()
            if path.name[0] != "." and path.is_dir()
        ]

    def read(self, version: str, name: str) -> bytes:
        """Fails: FileNotFoundError."""
        try:
            return (self.path / version / name).read_bytes()
        except NotADirectoryError:
            raise FileNotFoundError(self.at(version, name)) from None

    def add(self, version: str, files: Mapping[str, bytes]) -> None:
        """All files or none, even when killed at any moment.

        Fails: FileExistsError when the version exists already.
        """
        place = self.path / version
        if place.exists():
            raise FileExistsError(place)
        with self._aside() as aside:
            for name, content in files.items():
                _write(aside / name, content)
            try:
                aside.rename(place)
            except OSError:
                if place.exists():  # another writer was faster
                    raise FileExistsError(place) from None
                raise
        _sync_folder(self.path)

    def read_pointer(self) -> bytes | None:
        try:
            return _once_free((self.path / CURRENT).read_bytes)
        except FileNotFoundError:
            return None

    def move_pointer(self, change: Callable[[bytes | None], bytes]) -> None:
        """Replace the pointer by what `change` makes of it, under a lock."""
        self.path.mkdir(parents=True, exist_ok=True)
        with _locked(self.path / LOCK):
            before = self.read_pointer()
            after = change(before)
            if after == before:
                return
            with self._aside() as aside:
                _write(aside / CURRENT, after)
                _once_free(lambda: (aside / CURRENT).replace(self.path / CURRENT))
            _sync_folder(self.path)

    def remove(self, version: str) -> None:
        """Hide the version by one rename, then delete it.

        Fails: ArtifactError when it is hidden but can't be deleted.
        """
        leftover = f"{OUTGOING}{version}"
        with suppress(FileNotFoundError):  # somebody else prunes at the same time
            (self.path / version).rename(self.path / leftover)
        self.sweep(leftover)

    def leftovers(self, older_than_s: float) -> list[str]:
        """What killed writers left; anything younger may still be in writing."""
        if not self.path.is_dir():
            return []
        then = time.time() - older_than_s
        return sorted(
            path.name
            for path in self.path.iterdir()
            if path.name.startswith(OUTGOING)
            or (path.name.startswith(INCOMING) and path.stat().st_mtime <= then)
        )

    def sweep(self, leftover: str) -> None:
        """Fails: ArtifactError when some of it stays, such as another user's files."""
        place = self.path / leftover
        shutil.rmtree(place, ignore_errors=True)  # somebody else may sweep it too
        if place.exists():
            raise ArtifactError(
                f"{place}: expected to remove it, some of it stays; check who owns it "
                "and who may write in it, then prune again"
            )

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        self.path.mkdir(parents=True, exist_ok=True)
        aside = self.path / f"{INCOMING}{uuid4().hex}"
        aside.mkdir()
        # Everybody may read a version; whoever the umask lets write may remove it.
        aside.chmod(aside.stat().st_mode | 0o755)
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _once_free(step: Callable[[], Result]) -> Result:
    """Retry for a moment: Windows lets nobody replace a file while it is being read.

    Fails: PermissionError when that does not help.
    """
    for _ in range(TRIES - 1):
        with suppress(PermissionError):
            return step()
        time.sleep(PAUSE_S)
    return step()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the system frees the lock when its holder ends."""
    with path.open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync_folder(path: Path) -> None:
    """Make a rename survive a power cut; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
