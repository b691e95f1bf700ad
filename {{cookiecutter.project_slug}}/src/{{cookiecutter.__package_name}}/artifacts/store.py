"""Versions of one model: immutable, verified, and one pointer that moves.

<root>/<name>/<version>/...      one version, whole or absent, never changed
<root>/<name>/CURRENT            which version serves, and all decisions so far

The root is a local folder or s3://, gs:// or az://; all of them keep the same promises.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from ..errors import ArtifactCorrupt, ArtifactError, ArtifactMissing, PromotionRefused
from .artifact import MANIFEST, Artifact, Manifest, check_file, read_manifest
from .folder import CURRENT, Folder
from .pointer import Event, Pointer, Promotion

SCHEMES = ("s3", "gs", "az")
TRAIN_FIRST = "run `train` first, or look at what there is with `models list`"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VERSION = re.compile(r"\d{8}T\d{6}[.\d]*Z-[0-9a-f]{12}")
GRACE_S = 3600.0
ANY = "*"  # can't be a version's name


class Place(Protocol):
    """Where the files are kept: a `Folder` or a `Bucket`."""

    def at(self, *parts: str) -> str: ...
    def versions(self) -> list[str]: ...
    def read(self, version: str, name: str) -> bytes: ...
    def add(self, version: str, files: Mapping[str, bytes]) -> None: ...
    def read_pointer(self) -> bytes | None: ...
    def move_pointer(self, change: Callable[[bytes | None], bytes]) -> None: ...
    def remove(self, version: str) -> None: ...
    def leftovers(self, older_than_s: float) -> list[str]: ...
    def sweep(self, leftover: str) -> None: ...


class Store:
    """All versions of one model below one root, a folder or the URI of a bucket.

    Every method fails with StoreUnreachable when the root is a bucket that can't be
    reached; what the store held before is then still there and valid.
    """

    def __init__(self, root: str | Path, name: str, place: Place | None = None) -> None:
        self.name = name
        self.root, self.folder, self.place = _open_place(root, name, place)

    def put(self, artifact: Artifact) -> str:
        """Keep a new version; a kill at any moment leaves it whole or absent."""
        version = artifact.manifest.version
        manifest = msgspec.json.encode(artifact.manifest, order="deterministic")
        readable = msgspec.json.format(manifest, indent=2)
        try:
            self.place.add(version, {**artifact.files, MANIFEST: readable})
        except FileExistsError:
            raise ArtifactError(
                f"{self.place.at(version)} exists; a version is never overwritten"
            ) from None
        return version

    def get(self, version: str | None = None) -> Artifact:
        """A verified version, by default the one that CURRENT names."""
        if version is None:
            version = self.pointer().serving.version
        manifest = self.manifest(version)
        files = {}
        for name, expected in manifest.files.items():
            path = self.place.at(version, name)
            try:
                files[name] = self.place.read(version, name)
            except FileNotFoundError:
                raise ArtifactCorrupt(
                    path, f"{expected.size} bytes", "no file"
                ) from None
            check_file(path, expected, files[name])
        return Artifact(manifest, files)

    def manifest(self, version: str) -> Manifest:
        path = self.place.at(version, MANIFEST)
        try:
            if not NAME.fullmatch(version):
                raise FileNotFoundError
            content = self.place.read(version, MANIFEST)
        except FileNotFoundError:
            if version in self.place.versions():
                raise ArtifactCorrupt(path, "a manifest", "no file") from None
            raise ArtifactMissing(
                self.place.at(), f"version {version!r}", TRAIN_FIRST
            ) from None
        manifest = read_manifest(path, content)
        if manifest.version != version or manifest.name != self.name:
            raise ArtifactCorrupt(
                path,
                f"{self.name} {version}",
                f"{manifest.name} {manifest.version}",
            )
        return manifest

    def versions(self) -> list[str]:
        """Names of all versions, newest first."""
        return sorted(self.place.versions(), reverse=True)

    def pointer(self) -> Pointer:
        """Fails: ArtifactMissing before the first promotion, ArtifactCorrupt."""
        pointer = self._read_pointer(self.place.read_pointer())
        if pointer is None:
            raise ArtifactMissing(
                self.place.at(CURRENT), "a promoted version", TRAIN_FIRST
            )
        return pointer

    def serving(self) -> str | None:
        """The version that CURRENT names, or None before the first promotion."""
        pointer = self._read_pointer(self.place.read_pointer())
        return pointer.serving.version if pointer else None

    def promote(
        self,
        version: str,
        reason: str | None = None,
        *,
        instead_of: str | None = ANY,
    ) -> None:
        """Make `version` the one that serves; the reason is kept in the log.

        instead_of: the version that must be serving now, None for none, ANY for any.
        Fails: PromotionRefused when `version` missed its gate and no reason is given,
        or when another version than `instead_of` serves.
        """
        manifest = self.get(version).manifest
        if manifest.gate_failures and not reason:
            raise PromotionRefused(version, manifest.gate_failures)
        chosen = Promotion(version, _now(), reason)
        event = Event("promote", version, chosen.at, reason)

        def change(pointer: Pointer | None) -> Pointer:
            serving = pointer.serving.version if pointer else None
            if instead_of not in (ANY, serving):
                fault = f"it was not compared with {serving}, which came meanwhile"
                raise PromotionRefused(version, [fault])
            if pointer is None:
                return Pointer(chosen, (), (event,))
            if version in pointer.pruned:
                raise ArtifactMissing(
                    self.place.at(), f"version {version!r}", "it is being pruned"
                )
            if pointer.serving.version == version:
                return pointer
            before = (pointer.serving, *pointer.before)
            return Pointer(chosen, before, (event, *pointer.log))

        self._move(change)

    def rollback(self) -> str:
        """Put the version that served before back into service; returns its name."""
        returned = ""

        def change(pointer: Pointer | None) -> Pointer:
            nonlocal returned
            if pointer is None or not pointer.before:
                raise ArtifactMissing(
                    self.place.at(CURRENT),
                    "an earlier version",
                    "nothing to roll back to",
                )
            serving, *before = pointer.before
            returned = serving.version
            self.get(returned)
            event = Event("rollback", returned, _now(), serving.reason)
            return Pointer(serving, tuple(before), (event, *pointer.log))

        self._move(change)
        return returned

    def copy(self, to: "Store", version: str | None = None) -> str:
        """Put a version, by default the one in service, into service in another store.

        A version in service takes the reason for its promotion along, if it has one.
        """
        artifact = self.get(version)
        version = artifact.manifest.version
        if version not in to.versions():
            to.put(artifact)
            to._unmark(version)
        serving = self.pointer().serving if self.serving() == version else None
        to.promote(version, serving.reason if serving else None)
        return version

    def removable(self, keep: int) -> list[str]:
        """The versions that `prune` would remove now."""
        return self._doomed(keep, self._read_pointer(self.place.read_pointer()))

    def prune(self, keep: int) -> list[str]:
        """Remove all but the `keep` newest, the one that serves and the one before.

        The pointer records it first: a simultaneous promotion is either seen here, and
        its version kept, or refused.
        """
        doomed: list[str] = []

        def change(pointer: Pointer | None) -> Pointer:
            nonlocal doomed
            doomed = self._doomed(keep, pointer)
            if pointer is None:
                raise ArtifactMissing(
                    self.place.at(CURRENT),
                    "a promoted version",
                    "promote one before removing others",
                )
            at = _now()
            events = [
                Event("prune", version, at)
                for version in doomed
                if version not in pointer.pruned
            ]
            before = [each for each in pointer.before if each.version not in doomed]
            return Pointer(pointer.serving, tuple(before), (*events, *pointer.log))

        self._move(change)
        for version in doomed:
            self.place.remove(version)
        return doomed

    def leftovers(self, grace_s: float = GRACE_S) -> list[str]:
        """What killed writers left; anything younger may still be in writing."""
        return self.place.leftovers(grace_s)

    def sweep(self, leftovers: list[str]) -> None:
        for leftover in leftovers:
            self.place.sweep(leftover)

    def _unmark(self, version: str) -> None:
        """Forget that a version was pruned, as it has been put here again."""
        pointer = self._read_pointer(self.place.read_pointer())
        if pointer is None or version not in pointer.pruned:
            return

        def change(pointer: Pointer | None) -> Pointer:
            pointer = pointer or self.pointer()
            kept = (each for each in pointer.log if not each.prunes(version))
            return msgspec.structs.replace(pointer, log=tuple(kept))

        self._move(change)

    def _doomed(self, keep: int, pointer: Pointer | None) -> list[str]:
        versions = self.versions()
        kept = set(versions[:keep])
        if pointer is not None:
            kept -= pointer.pruned  # left by an earlier prune that was killed
            kept |= {each.version for each in (pointer.serving, *pointer.before[:1])}
        return [version for version in versions if version not in kept]

    def _read_pointer(self, content: bytes | None) -> Pointer | None:
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Pointer)
        except msgspec.MsgspecError as error:
            way_out = "move it away, then `models promote` the version to serve"
            raise ArtifactCorrupt(
                self.place.at(CURRENT), "a pointer", f"another file: {error}; {way_out}"
            ) from None

    def _move(self, change: Callable[[Pointer | None], Pointer]) -> None:
        self.place.move_pointer(
            lambda content: msgspec.json.encode(change(self._read_pointer(content)))
        )


def open_version(uri: str, name: str) -> Artifact:
    """What a service starts from: a store, or one version in it."""
    if parts := version_at(uri):
        root, model, version = parts
        return Store(root, model).get(version)
    return Store(uri, name).get()


def version_at(uri: str) -> tuple[str, str, str] | None:
    """(root, model, version) when `uri` names one version; None for a whole store."""
    if "://" in uri:
        above, _, last = uri.rstrip("/").rpartition("/")
        root, _, model = above.rpartition("/")
        named = VERSION.fullmatch(last) and "://" in root
        return (root, model, last) if named else None
    path = Path(uri).resolve()
    if (path / MANIFEST).is_file():
        return str(path.parent.parent), path.parent.name, path.name
    return None


def _open_place(
    root: str | Path, name: str, place: Place | None
) -> tuple[Path | str, Path | str, Place]:
    """The root, the model's folder below it, and the Place that keeps its files."""
    scheme, divider, rest = str(root).partition("://")
    if place is not None:
        return root, place.at(), place
    if not divider:
        folder = Path(root) / name
        return Path(root), folder, Folder(folder)
    if scheme not in SCHEMES or rest[:1] in ("", "/"):
        raise ArtifactError(
            "model store: expected a folder, s3://BUCKET/PATH, gs://BUCKET/PATH or "
            f"az://CONTAINER/PATH, received {root!r}"
        )
    from .bucket import Bucket  # needs obstore, which a local store does not

    uri = f"{str(root).rstrip('/')}/{name}"
    return str(root), uri, Bucket(uri)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
