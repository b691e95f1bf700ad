"""Run in a rendered project's environment, on a real server: all that a store promises.

`python store_life.py half` puts the first file of a version and waits to be killed;
`python store_life.py` then does the rest, in the same bucket. `... fill` leaves two
versions, the older in service. The environment says where.
"""

import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
import pytest
from wine_classifier.artifacts.artifact import MANIFEST, Artifact, version_of
from wine_classifier.artifacts.bucket import Bucket
from wine_classifier.artifacts.store import Store, open_version
from wine_classifier.errors import (
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    StoreUnreachable,
)

NAME = "wine-classifier"
URI, PORT = os.environ["STORE_URI"], int(os.environ["STORE_PORT"])
RIVALS = 8


def another(artifact: Artifact, year: int) -> Artifact:
    manifest = artifact.manifest
    created = manifest.created.replace(year=year, day=1)
    manifest = msgspec.structs.replace(manifest, created=created)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    return Artifact(manifest, artifact.files)


class Cable:
    """A way to the server that breaks after so many bytes towards it."""

    def __init__(self, allowance: int) -> None:
        self.allowance = allowance
        self.plug = socket.create_server(("127.0.0.1", 0))
        self.port = self.plug.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.plug.accept()
                far = socket.create_connection(("127.0.0.1", PORT))
                pair = (near, far), (far, near)
                for one, other in pair:
                    threading.Thread(
                        target=self.carry, args=(one, other, one is near), daemon=True
                    ).start()

    def carry(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := one.recv(512):
                if not counted:
                    other.sendall(data)
                    continue
                other.sendall(data[: max(self.allowance, 0)])
                self.allowance -= len(data)
                if self.allowance < 0:
                    break
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def store(self) -> Store:
        """The same store by this way: the environment is read when it is opened."""
        before = dict(os.environ)
        for name, text in before.items():
            os.environ[name] = text.replace(
                f"127.0.0.1:{PORT}", f"127.0.0.1:{self.port}"
            )
        try:
            return Store(URI, NAME)
        finally:
            os.environ.update(before)


def half_a_put(store: Store, artifact: Artifact) -> None:
    put = Bucket._put

    def put_and_wait(self: Bucket, key: str, content: bytes, mode: str) -> None:
        put(self, key, content, mode)
        print("written", flush=True)
        sys.stdin.read()

    Bucket._put = put_and_wait
    store.put(artifact)


def a_killed_writer_left_no_version(store: Store, artifact: Artifact) -> None:
    version = artifact.manifest.version
    assert (store.versions(), store.serving()) == ([], None)
    assert store.leftovers() == []
    assert store.leftovers(grace_s=-60) == [version]
    with pytest.raises(ArtifactMissing):
        store.get(version)


def one_of_many_writers_wins(store: Store, artifact: Artifact) -> None:
    def put(_: int) -> bool:
        try:
            store.put(artifact)
        except ArtifactError:  # it is never overwritten
            return False
        return True

    with ThreadPoolExecutor(RIVALS) as pool:
        assert sum(pool.map(put, range(RIVALS))) == 1
    assert store.leftovers(grace_s=-60) == [], "the half was taken over"
    assert store.get(artifact.manifest.version).files == artifact.files


def no_promotion_is_lost(store: Store, artifact: Artifact) -> None:
    store.promote(artifact.manifest.version)
    versions = [store.put(another(artifact, 2000 + n)) for n in range(RIVALS)]
    with ThreadPoolExecutor(RIVALS) as pool:
        list(pool.map(store.promote, versions))
    pointer = store.pointer()
    served = [pointer.serving, *pointer.before]
    assert {each.version for each in served[:-1]} == set(versions)
    assert served[-1].version == artifact.manifest.version
    assert len(pointer.log) == RIVALS + 1


def a_broken_connection_leaves_it_valid(store: Store, artifact: Artifact) -> None:
    late = another(artifact, 1999)
    before = store.versions()
    size = sum(map(len, late.files.values()))
    for allowance in (0, 100, size // 2, size + 1000):
        cable = Cable(allowance)
        with pytest.raises(StoreUnreachable):
            cable.store().put(late)
        assert store.versions() == before, allowance
    current = store.pointer()
    # Whoever came last before is in service; to promote it again would write nothing.
    other = next(each for each in before if each != current.serving.version)
    for allowance in (0, 900):
        with pytest.raises(StoreUnreachable):
            Cable(allowance).store().promote(other)
        assert store.pointer() == current
    Cable(10_000_000).store().put(late)
    assert store.get(late.manifest.version).files == late.files


def damage_is_named(store: Store, artifact: Artifact) -> None:
    version = store.put(another(artifact, 1998))
    for name, damage in (("weights.npz", b"rubbish"), (MANIFEST, b"{}")):
        store.place._put(f"{version}/{name}", damage, "overwrite")
        with pytest.raises(ArtifactCorrupt, match=f"{URI}/{NAME}/{version}/{name}: ex"):
            store.get(version)


def pruning_keeps_what_is_needed(store: Store) -> None:
    pointer = store.pointer()
    needed = {pointer.serving.version, pointer.before[0].version, store.versions()[0]}
    store.prune(1)
    assert set(store.versions()) == needed
    back = store.rollback()
    assert back == pointer.before[0].version
    assert open_version(URI, NAME).manifest.version == back
    assert open_version(f"{URI}/{NAME}/{back}", NAME).manifest.version == back


def no_bucket_is_said(artifact: Artifact) -> None:
    for opened in (
        lambda: Store(URI.replace("models", "nothing"), NAME).put(artifact),
        lambda: Store(URI.replace("models", "nothing"), NAME).get(),
    ):
        with pytest.raises(StoreUnreachable, match="there is no such bucket"):
            opened()


def main() -> None:
    artifact = Store("models", NAME).get()
    store = Store(URI, NAME)
    if sys.argv[1:] == ["half"]:
        half_a_put(store, artifact)
        return
    if sys.argv[1:] == ["fill"]:
        store.put(another(artifact, 2999))
        store.promote(store.put(another(artifact, 2001)))
        print(store.serving())
        return
    a_killed_writer_left_no_version(store, artifact)
    one_of_many_writers_wins(store, artifact)
    no_promotion_is_lost(store, artifact)
    a_broken_connection_leaves_it_valid(store, artifact)
    damage_is_named(store, artifact)
    pruning_keeps_what_is_needed(store)
    no_bucket_is_said(artifact)
    print("all promises are kept")


main()
