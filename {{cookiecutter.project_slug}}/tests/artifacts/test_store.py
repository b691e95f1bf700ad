"""Versions on disk: whole or absent, never changed, and one pointer that moves."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from obstore.store import (
    MemoryStore,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
    artifacts,
)
from {{cookiecutter.__package_name}}.artifacts import (
    folder,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    version_of,
)
from {{cookiecutter.__package_name}}.artifacts.bucket import (
    Bucket,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
    open_version,
    version_at,
)
from {{cookiecutter.__package_name}}.errors import (
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    PromotionRefused,
)

STORE_MODULE = f"{artifacts.__name__}.store"


def another(artifact: Artifact, seed: int, *failures: str) -> Artifact:
    """The same arrays under another name, as if learned with another seed."""
    provenance = msgspec.structs.replace(
        artifact.manifest.provenance,
        split={"method": "stratified", "test_share": 0.25, "seed": seed},
    )
    manifest = msgspec.structs.replace(
        artifact.manifest, provenance=provenance, gate_failures=list(failures)
    )
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    return Artifact(manifest, artifact.files)


def aged(artifact: Artifact, year: int) -> Artifact:
    """The same arrays, made in another year."""
    created = artifact.manifest.created.replace(year=year, day=1)
    manifest = msgspec.structs.replace(artifact.manifest, created=created)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    return Artifact(manifest, artifact.files)


def left_aside(store: Store) -> list[Path]:
    return list(store.folder.glob(".incoming-*"))


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_is_put_comes_back(store: Store, artifact: Artifact) -> None:
    back = store.get(artifact.manifest.version)
    assert back.manifest == artifact.manifest
    assert back.files == artifact.files
    row = np.zeros((1, len(artifact.manifest.signature.features)))
    expected = artifact.predictor().predict(row)
    for name, answer in back.predictor().predict(row).items():
        np.testing.assert_array_equal(answer, expected[name])


def test_a_version_is_a_manifest_and_what_it_lists(
    store: Store, artifact: Artifact
) -> None:
    folder = store.root / MODEL_NAME / artifact.manifest.version
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(["manifest.json", *artifact.files])
    assert left_aside(store) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize(
    ("umask", "mode"), [(0o022, 0o755), (0o002, 0o775), (0o077, 0o755)]
)
def test_all_may_read_a_version_and_a_group_that_may_write_can_remove_it(
    store: Store, artifact: Artifact, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        version = store.put(another(artifact, 1))
    finally:
        os.umask(before)
    assert (store.folder / version).stat().st_mode & 0o777 == mode


def test_a_version_is_never_overwritten(store: Store, artifact: Artifact) -> None:
    place = store.folder / artifact.manifest.version
    with pytest.raises(ArtifactError) as refusal:
        store.put(artifact)
    assert str(refusal.value) == f"{place} exists; a version is never overwritten"


def test_nothing_that_the_store_does_changes_a_version(
    store: Store, artifact: Artifact
) -> None:
    place = store.folder / artifact.manifest.version
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    store.promote(store.put(another(artifact, 1)))
    store.rollback()
    store.get()
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [(flip, "sha256 "), (truncate, " bytes, received "), (Path.unlink, "no file")],
)
def test_damaged_weights_are_refused_by_name(store: Store, damage, expected) -> None:
    path = store.folder / store.serving() / "weights.npz"
    damage(path)
    with pytest.raises(ArtifactCorrupt) as refusal:
        store.get()
    assert str(refusal.value).startswith(f"{path}: expected ")
    assert expected in str(refusal.value)


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_a_damaged_manifest_is_refused_by_name(store: Store, damage) -> None:
    path = store.folder / store.serving() / "manifest.json"
    damage(path)
    with pytest.raises(ArtifactCorrupt) as refusal:
        store.get()
    assert str(refusal.value).startswith(f"{path}: expected ")


def test_an_edited_manifest_is_refused_by_name(store: Store) -> None:
    path = store.folder / store.serving() / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ArtifactCorrupt) as refusal:
        store.get()
    assert str(refusal.value).startswith(f"{path}: expected 2")
    assert str(refusal.value).endswith(f", received {store.serving()}")


def test_a_version_under_another_name_is_refused(store: Store) -> None:
    version = store.serving()
    (store.folder / version).rename(store.folder / "good")
    with pytest.raises(ArtifactCorrupt) as refusal:
        store.get("good")
    path = store.folder / "good" / "manifest.json"
    assert str(refusal.value) == (
        f"{path}: expected {MODEL_NAME} good, received {MODEL_NAME} {version}"
    )


def test_a_version_of_another_model_is_refused(store: Store) -> None:
    version = store.serving()
    shutil.copytree(store.folder, store.root / "beer")
    with pytest.raises(ArtifactCorrupt, match=f"expected beer {version}, received "):
        Store(store.root, "beer").get()


@pytest.mark.parametrize("version", ["7", "a/b", "..", "/etc", ".", ""])
def test_a_version_that_is_not_there_is_refused(store: Store, version: str) -> None:
    with pytest.raises(ArtifactMissing) as refusal:
        store.get(version)
    assert str(refusal.value) == (
        f"{store.folder}: version {version!r} not found; "
        "run `train` first, or look at what there is with `models list`"
    )


def test_an_empty_store_has_no_versions_and_serves_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "none", MODEL_NAME)
    assert (store.versions(), store.serving()) == ([], None)
    with pytest.raises(ArtifactMissing) as refusal:
        store.get()
    assert str(refusal.value) == (
        f"{store.folder / 'CURRENT'}: a promoted version not found; "
        "run `train` first, or look at what there is with `models list`"
    )


def test_versions_are_listed_newest_first_without_half_written_ones(
    store: Store, artifact: Artifact
) -> None:
    (store.folder / ".incoming-x").mkdir()
    (store.folder / ".incoming-x" / "weights.npz").write_bytes(b"half")
    newer = msgspec.structs.replace(
        artifact.manifest, created=artifact.manifest.created.replace(year=2999)
    )
    newer = msgspec.structs.replace(newer, version=version_of(newer))
    store.put(Artifact(newer, artifact.files))
    assert store.versions() == [newer.version, artifact.manifest.version]


# What another process runs: put a version, but stop before the step that shows it.
HALF_A_PUT = f"""
import sys
from pathlib import Path
from {STORE_MODULE} import Store

def wait(*_):
    print("written", flush=True)
    sys.stdin.read()

source, target, name = sys.argv[1:]
artifact = Store(source, name).get()
Path.rename = wait
Store(target, name).put(artifact)
"""


def test_a_kill_in_the_middle_of_put_leaves_no_version(
    store: Store, artifact: Artifact, tmp_path: Path
) -> None:
    target = Store(tmp_path / "target", MODEL_NAME)
    with python(HALF_A_PUT, store.root, target.root, MODEL_NAME) as process:
        assert process.stdout.readline() == "written\n"
        process.kill()
    (aside,) = left_aside(target)
    names = sorted(path.name for path in aside.iterdir())
    assert names == sorted(["manifest.json", *artifact.files])
    assert (target.versions(), target.serving()) == ([], None)
    target.promote(target.put(artifact))
    assert target.get().manifest == artifact.manifest


def test_a_pointer_that_somebody_reads_is_replaced_a_moment_later(
    store: Store, artifact: Artifact, monkeypatch
) -> None:
    """As on Windows, where a file that is open can't be replaced."""
    readers = [PermissionError(13, "Access is denied")] * 2
    replace = Path.replace

    def replaced_once_free(path: Path, target: Path) -> Path:
        if readers:
            raise readers.pop()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replaced_once_free)
    later = store.put(another(artifact, 1))
    store.promote(later)
    assert store.serving() == later
    assert left_aside(store) == []


def test_a_pointer_that_may_not_be_replaced_stays_as_it_is(
    store: Store, artifact: Artifact, monkeypatch
) -> None:
    def refused(*_) -> None:
        raise PermissionError(13, "Access is denied")

    before = store.serving()
    later = store.put(another(artifact, 1))
    monkeypatch.setattr(folder, "PAUSE_S", 0)
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(PermissionError):
        store.promote(later)
    assert store.serving() == before
    assert left_aside(store) == []


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Writing more fails in the middle, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_behind(store: Store, artifact: Artifact) -> None:
    before = sorted(store.folder.rglob("*"))
    with files_no_larger_than(1000), pytest.raises(OSError, match="File too large"):
        store.put(another(artifact, 1))
    assert sorted(store.folder.rglob("*")) == before


def test_a_full_disk_leaves_the_pointer_where_it_was(
    store: Store, artifact: Artifact
) -> None:
    serving = store.serving()
    other = store.put(another(artifact, 1))
    with files_no_larger_than(10), pytest.raises(OSError, match="File too large"):
        store.promote(other)
    assert store.serving() == serving
    assert left_aside(store) == []


def test_a_version_that_missed_its_gate_is_not_promoted(
    store: Store, artifact: Artifact
) -> None:
    serving = store.serving()
    version = store.put(another(artifact, 1, "accuracy is 0.5", "log_loss is 2"))
    for reason in (None, ""):
        with pytest.raises(PromotionRefused) as refusal:
            store.promote(version, reason)
        assert str(refusal.value) == (
            f"version {version} is not promoted: accuracy is 0.5; log_loss is 2. "
            "Improve the model, or state why with --force REASON"
        )
    assert store.serving() == serving


def test_the_reason_for_promoting_it_all_the_same_is_kept(
    store: Store, artifact: Artifact
) -> None:
    version = store.put(another(artifact, 1, "accuracy is 0.5"))
    store.promote(version, "the old one is broken")
    pointer = store.pointer()
    assert pointer.serving.version == version
    assert pointer.serving.reason == "the old one is broken"
    assert pointer.before[0].reason is None


def test_rolling_back_goes_through_what_served_before(
    store: Store, artifact: Artifact
) -> None:
    first = artifact.manifest.version
    second, third = (store.put(another(artifact, seed)) for seed in (1, 2))
    store.promote(second)
    store.promote(third)
    assert [each.version for each in store.pointer().before] == [second, first]
    assert (store.rollback(), store.serving()) == (second, second)
    assert (store.rollback(), store.serving()) == (first, first)
    with pytest.raises(ArtifactMissing) as refusal:
        store.rollback()
    assert str(refusal.value) == (
        f"{store.folder / 'CURRENT'}: an earlier version not found; "
        "nothing to roll back to"
    )
    assert store.serving() == first


def test_promoting_what_serves_already_changes_nothing(store: Store) -> None:
    before = store.pointer()
    store.promote(store.serving(), "again")
    assert store.pointer() == before


def test_a_damaged_version_is_neither_promoted_nor_rolled_back_to(
    store: Store, artifact: Artifact
) -> None:
    first, second = store.serving(), store.put(another(artifact, 1))
    store.promote(second)
    flip(store.folder / first / "weights.npz")
    with pytest.raises(ArtifactCorrupt):
        store.rollback()
    with pytest.raises(ArtifactCorrupt):
        store.promote(first)
    assert store.serving() == second


@pytest.mark.parametrize(
    "content", [b"", b"20260101T000000Z", b'{"serving": {"version": 7}}']
)
def test_a_damaged_pointer_is_refused_by_name(store: Store, content: bytes) -> None:
    path = store.folder / "CURRENT"
    path.write_bytes(content)
    with pytest.raises(ArtifactCorrupt) as refusal:
        store.serving()
    said = str(refusal.value)
    assert said.startswith(f"{path}: expected a pointer, received another file: ")
    assert said.endswith("; move it away, then `models promote` the version to serve")


PROMOTE_OFTEN = f"""
import sys
from {STORE_MODULE} import Store

store = Store(*sys.argv[1:3])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(3):
    for version in sys.argv[3:]:
        store.promote(version)
"""


def test_two_processes_that_promote_at_once_leave_a_valid_pointer(
    store: Store, artifact: Artifact
) -> None:
    versions = [store.serving(), store.put(another(artifact, 1))]
    orders = (versions, versions[::-1])
    with contextlib.ExitStack() as stack:
        rivals = [
            stack.enter_context(python(PROMOTE_OFTEN, store.root, MODEL_NAME, *order))
            for order in orders
        ]
        for rival in rivals:
            assert rival.stdout.readline() == "ready\n"
        for rival in rivals:
            rival.stdin.write("go\n")
            rival.stdin.flush()
        seen = {store.serving()}
        while None in [rival.poll() for rival in rivals]:
            seen.add(store.serving())
    assert [rival.returncode for rival in rivals] == [0, 0]
    assert seen <= set(versions)
    assert store.get().manifest.version in versions
    assert left_aside(store) == []


def test_a_service_opens_what_is_promoted_in_a_store(
    store: Store, artifact: Artifact
) -> None:
    store.put(another(artifact, 1))
    opened = open_version(str(store.root), MODEL_NAME)
    assert opened.manifest == artifact.manifest


def test_a_service_opens_the_folder_of_one_version(
    store: Store, artifact: Artifact
) -> None:
    version = store.put(another(artifact, 1))
    opened = open_version(str(store.folder / version), MODEL_NAME)
    assert opened.manifest.version == version


def test_the_folder_of_a_version_may_be_where_one_stands(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.folder / store.serving())
    assert open_version(".", MODEL_NAME).manifest.version == store.serving()


def test_a_bucket_is_no_model() -> None:
    version = "20260101T000000.5Z-0123456789ab"
    assert version_at(f"s3://models/wine/{version}") == ("s3://models", "wine", version)
    assert version_at(f"s3://models/{version}") is None


@pytest.mark.parametrize("uri", ["ftp://models/wine", "s3://", "az:///wine"])
@pytest.mark.parametrize("opened", [open_version, Store])
def test_a_store_of_no_known_kind_or_bucket_is_refused(opened, uri: str) -> None:
    with pytest.raises(ArtifactError) as refusal:
        opened(uri, MODEL_NAME)
    assert str(refusal.value) == (
        "model store: expected a folder, s3://BUCKET/PATH, gs://BUCKET/PATH or "
        f"az://CONTAINER/PATH, received {uri!r}"
    )


def test_versions_of_the_same_second_are_listed_in_the_order_of_making(
    store: Store, artifact: Artifact
) -> None:
    made = []
    for microsecond in (1, 10, 100, 500_000):
        created = artifact.manifest.created.replace(year=2999, microsecond=microsecond)
        manifest = msgspec.structs.replace(artifact.manifest, created=created)
        manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
        made.append(store.put(Artifact(manifest, artifact.files)))
    assert store.versions()[:4] == made[::-1]


@pytest.fixture(params=["folder", "bucket"])
def any_store(
    request: pytest.FixtureRequest, tmp_path: Path, artifact: Artifact
) -> Store:
    """With one version in service, in each kind of place."""
    bucket = Bucket("s3://models/wine", MemoryStore())
    place = bucket if request.param == "bucket" else None
    store = Store(tmp_path / "any", MODEL_NAME, place)
    store.promote(store.put(artifact))
    return store


def test_every_kind_of_store_keeps_reads_promotes_and_returns(
    any_store: Store, artifact: Artifact
) -> None:
    first, second = artifact.manifest.version, another(artifact, 1)
    assert any_store.get(first).files == artifact.files
    with pytest.raises(ArtifactError, match="a version is never overwritten"):
        any_store.put(artifact)
    any_store.promote(any_store.put(second))
    assert any_store.get().manifest == second.manifest
    assert set(any_store.versions()) == {first, second.manifest.version}
    assert any_store.rollback() == first == any_store.serving()
    with pytest.raises(ArtifactMissing, match="nothing to roll back to"):
        any_store.rollback()
    with pytest.raises(ArtifactMissing, match="version '7' not found"):
        any_store.get("7")


def test_every_decision_is_in_the_log(any_store: Store, artifact: Artifact) -> None:
    first = artifact.manifest.version
    second = any_store.put(another(artifact, 1, "accuracy is 0.5"))
    any_store.promote(second, "the old one is broken")
    any_store.rollback()
    any_store.prune(1)
    log = any_store.pointer().log
    told = [(event.action, event.version, event.reason) for event in log]
    assert told[-3:] == [
        ("rollback", first, None),
        ("promote", second, "the old one is broken"),
        ("promote", first, None),
    ]


def test_pruning_keeps_the_newest_the_serving_and_the_one_before(
    any_store: Store, artifact: Artifact
) -> None:
    made = [any_store.put(aged(artifact, year)) for year in range(2001, 2006)]
    for version in made[:3]:
        any_store.promote(version)
    doomed = [made[3], made[0]]
    assert any_store.removable(2) == doomed
    assert len(any_store.versions()) == 6
    assert any_store.prune(2) == doomed
    newest = artifact.manifest.version
    assert any_store.versions() == [newest, made[4], made[2], made[1]]
    assert any_store.get().manifest.version == made[2]
    assert any_store.rollback() == made[1]
    assert any_store.rollback() == newest, "what was removed is left out"
    assert any_store.prune(4) == []


def test_what_is_being_pruned_is_not_promoted(
    any_store: Store, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = any_store.put(aged(artifact, 2001))
    doomed = any_store.removable(1)
    with monkeypatch.context() as patch:
        patch.setattr(any_store.place, "remove", lambda version: None)  # killed here
        assert any_store.prune(1) == doomed
    assert doomed == [old]
    with pytest.raises(ArtifactMissing, match="it is being pruned"):
        any_store.promote(old)
    assert any_store.prune(99) == doomed, "the next one brings it to an end"
    assert not {*doomed} & {*any_store.versions()}


def test_what_was_pruned_may_be_copied_back(
    any_store: Store, artifact: Artifact, tmp_path: Path
) -> None:
    elsewhere = Store(tmp_path / "elsewhere", any_store.name)
    old = elsewhere.put(aged(artifact, 2001))
    elsewhere.promote(old)
    any_store.put(elsewhere.get())
    assert any_store.prune(1) == [old]
    with pytest.raises(ArtifactMissing):
        any_store.promote(old)
    assert elsewhere.copy(any_store) == old
    assert any_store.serving() == old
    assert any_store.removable(2) == []


def test_two_may_prune_at_once(
    store: Store, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed = sorted(store.put(aged(artifact, year)) for year in (2001, 2002))
    remove = store.place.remove

    def meanwhile(version: str) -> None:
        monkeypatch.setattr(store.place, "remove", remove)
        store.prune(1)
        remove(version)

    monkeypatch.setattr(store.place, "remove", meanwhile)
    assert sorted(store.prune(1)) == doomed
    assert not {*doomed} & {*store.versions()}


def test_nothing_is_pruned_before_something_serves(
    tmp_path: Path, artifact: Artifact
) -> None:
    store = Store(tmp_path, MODEL_NAME)
    store.put(artifact)
    with pytest.raises(ArtifactMissing, match="promote one before removing others"):
        store.prune(1)


def test_what_killed_writers_left_is_swept_after_a_while(
    any_store: Store, artifact: Artifact
) -> None:
    name = "20200101T000000.000000Z-0123456789ab"
    if isinstance(any_store.place, Bucket):
        any_store.place._put(f"{name}/weights.npz", b"half", "create")
    else:
        name = ".incoming-x"
        (any_store.folder / name).mkdir()
    before = any_store.versions()
    assert name not in before
    assert any_store.leftovers() == [], "its writer may still be at work"
    assert any_store.leftovers(grace_s=-1) == [name]
    any_store.sweep([name])
    assert any_store.leftovers(grace_s=-1) == []
    assert any_store.versions() == before


def test_a_removal_that_was_killed_is_brought_to_an_end(store: Store) -> None:
    (store.folder / ".outgoing-x").mkdir()
    assert store.leftovers() == [".outgoing-x"]
    assert Store(store.root, "none").leftovers() == []


def test_a_leftover_that_stays_is_not_said_to_be_removed(store: Store) -> None:
    place = store.folder / ".outgoing-x"
    place.touch()  # not what is swept, so that it stays whoever runs this
    complaint = f"{place}: expected to remove it, some of it stays; check who owns it"
    with pytest.raises(ArtifactError, match=re.escape(complaint)):
        store.sweep(store.leftovers())
    assert store.leftovers() == [place.name]


def test_the_faster_of_two_writers_of_one_version_wins(
    store: Store, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = another(artifact, 1)
    rename = Path.rename

    def rival_first(path: Path, target: Path) -> Path:
        shutil.copytree(path, target)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rival_first)
    with pytest.raises(ArtifactError, match="a version is never overwritten"):
        store.put(late)
    assert left_aside(store) == []
    assert store.get(late.manifest.version).files == late.files


def test_a_copy_takes_the_reason_for_its_promotion_along(
    store: Store, artifact: Artifact, tmp_path: Path
) -> None:
    version = store.put(another(artifact, 1, "accuracy is 0.5"))
    other = Store(tmp_path / "other", MODEL_NAME)
    with pytest.raises(PromotionRefused):
        store.copy(other, version)
    store.promote(version, "the old one is broken")
    assert store.copy(other) == version
    assert other.pointer().serving.reason == "the old one is broken"
    assert other.versions() == [version]
