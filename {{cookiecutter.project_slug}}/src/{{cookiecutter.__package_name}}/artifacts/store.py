"""Versions on disk: immutable folders, and one pointer that moves.

<root>/<name>/<version>/{manifest.json, weights.npz}      written aside, then renamed
<root>/<name>/CURRENT                                     replaced in one step
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..errors import ArtifactCorrupt, ArtifactError, ArtifactMissing, PromotionRefused
from .artifact import MANIFEST, Artifact, Manifest, check_file, read_manifest

CURRENT = "CURRENT"
TRAIN_FIRST = "run `train` first, or look at what there is with `models list`"


class Promotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    at: datetime
    reason: str | None = None


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that serves, and those that served before it, newest first."""

    serving: Promotion
    before: tuple[Promotion, ...] = ()


class Store:
    """All versions of one model below one folder."""

    def __init__(self, root: str | Path, name: str) -> None:
        if "://" in str(root):
            raise ArtifactError(f"model store: expected a folder, received {root!r}")
        self.root = Path(root)
        self.name = name
        self.folder = self.root / name

    def put(self, artifact: Artifact) -> str:
        """Keep a new version; a kill at any moment leaves it whole or absent."""
        version = artifact.manifest.version
        place = self.folder / version
        if place.exists():
            raise ArtifactError(f"{place} exists; a version is never overwritten")
        with self._aside() as aside:
            for name, content in artifact.files.items():
                _write(aside / name, content)
            manifest = msgspec.json.encode(artifact.manifest, order="deterministic")
            _write(aside / MANIFEST, msgspec.json.format(manifest, indent=2))
            aside.rename(place)
        _sync_folder(self.folder)
        return version

    def get(self, version: str | None = None) -> Artifact:
        """A verified version, by default the one that CURRENT names."""
        if version is None:
            version = self.pointer().serving.version
        manifest = self.manifest(version)
        files = {}
        for name, expected in manifest.files.items():
            path = self.folder / version / name
            try:
                files[name] = path.read_bytes()
            except FileNotFoundError:
                raise ArtifactCorrupt(
                    path, f"{expected.size} bytes", "no file"
                ) from None
            check_file(path, expected, files[name])
        return Artifact(manifest, files)

    def manifest(self, version: str) -> Manifest:
        path = self.folder / version / MANIFEST
        if version not in self.versions():
            raise ArtifactMissing(self.folder, f"version {version!r}", TRAIN_FIRST)
        try:
            manifest = read_manifest(path, path.read_bytes())
        except FileNotFoundError:
            raise ArtifactCorrupt(path, "a manifest", "no file") from None
        if manifest.version != version or manifest.name != self.name:
            raise ArtifactCorrupt(
                path,
                f"{self.name} {version}",
                f"{manifest.name} {manifest.version}",
            )
        return manifest

    def versions(self) -> list[str]:
        """Names of all versions, newest first. Half-written ones start with a dot."""
        if not self.folder.is_dir():
            return []
        names = (path.name for path in self.folder.iterdir() if path.is_dir())
        return sorted((name for name in names if name[0] != "."), reverse=True)

    def pointer(self) -> Pointer:
        path = self.folder / CURRENT
        try:
            return msgspec.json.decode(path.read_bytes(), type=Pointer)
        except FileNotFoundError:
            raise ArtifactMissing(path, "a promoted version", TRAIN_FIRST) from None
        except msgspec.MsgspecError as error:
            raise ArtifactCorrupt(
                path, "a pointer", f"one that says: {error}"
            ) from None

    def serving(self) -> str | None:
        """The version that CURRENT names, or None before the first promotion."""
        try:
            return self.pointer().serving.version
        except ArtifactMissing:
            return None

    def promote(self, version: str, reason: str | None = None) -> None:
        """Make `version` the one that serves.

        Fails: PromotionRefused when it missed its gate and no reason is given.
        """
        manifest = self.get(version).manifest
        if manifest.gate_failures and not reason:
            raise PromotionRefused(version, manifest.gate_failures)
        history: tuple[Promotion, ...] = ()
        if self.serving() is not None:
            pointer = self.pointer()
            if pointer.serving.version == version:
                return
            history = (pointer.serving, *pointer.before)
        now = datetime.now(UTC).replace(microsecond=0)
        self._point(Pointer(Promotion(version, now, reason), history))

    def rollback(self) -> str:
        """Return to the version that served before; its name is returned."""
        before = self.pointer().before
        if not before:
            raise ArtifactMissing(
                self.folder / CURRENT, "an earlier version", "nothing to roll back to"
            )
        self.get(before[0].version)
        self._point(Pointer(before[0], before[1:]))
        return before[0].version

    def copy(self, to: "Store", version: str | None = None) -> str:
        """Put a version, by default the one in service, into service in another store.

        One that missed its gate takes the reason for its promotion along.
        """
        artifact = self.get(version)
        version = artifact.manifest.version
        if version not in to.versions():
            to.put(artifact)
        serving = self.pointer().serving if self.serving() == version else None
        to.promote(version, serving.reason if serving else None)
        return version

    def _point(self, pointer: Pointer) -> None:
        with self._aside() as aside:
            _write(aside / CURRENT, msgspec.json.encode(pointer))
            (aside / CURRENT).replace(self.folder / CURRENT)
        _sync_folder(self.folder)

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self.folder))
        aside.chmod(0o755)
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def open_version(uri: str, name: str) -> Artifact:
    """What a service starts from: a store, or the folder of one version in it."""
    path = Path(uri).resolve()
    if (path / MANIFEST).is_file():
        return Store(path.parent.parent, path.parent.name).get(path.name)
    return Store(uri, name).get()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make a rename survive a power cut; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
