"""`models ...`: which versions there are, and which one serves."""

import io
import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from outcomes import (
    Run,
    variant,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Manifest,
    version_of,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)


def made(artifact: Artifact) -> list[str]:
    return f"{artifact.manifest.created:%Y-%m-%d %H:%M}".split()


def test_an_empty_store_is_listed_as_such(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "models" / MODEL_NAME
    said = f"no versions in {folder}; run `{MODEL_NAME} train`\n"
    assert run("models", "list") == (0, said, "")
    assert run("models", "list", "--json") == (0, "[]\n", "")


def test_a_star_marks_the_version_in_service(
    run: Run, store: Store, artifact: Artifact
) -> None:
    shutil.rmtree(store.folder)
    good = variant(artifact, 2999, {"accuracy": 0.9, "log_loss": 0.25})
    bad = variant(artifact, 2998, {"accuracy": 0.5, "log_loss": 1.25}, "accuracy is")
    store.promote(store.put(good))
    store.put(bad)
    data = artifact.manifest.provenance.data_sha256[:12]
    code, out, err = run("models", "list")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["version", "made", "gate", "accuracy", "log_loss", "data"],
        ["*", good.manifest.version, *made(good), "passed", "0.9000", "0.2500", data],
        [bad.manifest.version, *made(bad), "missed", "0.5000", "1.2500", data],
    ]
    good_row, bad_row = json.loads(run("models", "list", "--json").out)
    assert (good_row["version"], good_row["serving"]) == (good.manifest.version, True)
    assert good_row["metrics"] == {"accuracy": 0.9, "log_loss": 0.25}
    assert (bad_row["gate_failures"], bad_row["serving"]) == (["accuracy is"], False)


def test_from_a_damaged_pointer_there_is_a_way_out(run: Run, store: Store) -> None:
    version, pointer = store.serving(), store.folder / "CURRENT"
    pointer.write_text("{")
    code, out, err = run("models", "list")
    assert (code, out.splitlines()[1].split()[0]) == (0, version), "and no star"
    assert err.startswith(f"damaged: {pointer}: ")
    assert run("predict").code == 1
    assert run("models", "promote", version).code == 1, "it may tell what was decided"
    pointer.rename(store.folder / "CURRENT.damaged")
    assert run("models", "promote", version).code == 0
    assert run("predict").code == 0


def test_what_is_in_service_and_gone_is_told_and_trained_anew(
    run: Run, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    gone = store.serving()
    shutil.rmtree(store.folder / gone)
    _, _, err = run("models", "list")
    assert err == f"in service, and not there: {gone}\n"
    run("train")
    assert f"not compared with the version in service: {store.folder}: " in caplog.text
    assert len(store.versions()) == 1


@pytest.mark.parametrize("command", [["train"], ["models", "list"], ["predict"]])
def test_a_store_is_asked_for_and_not_what_is_in_it(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    version = store.folder / store.serving()
    for place, expected in (
        (version, "a store, not one version in it"),
        (store.folder, "a store, the folder above"),
    ):
        monkeypatch.setenv("ML_MODEL_URI", str(place))
        said = f"error: ML_MODEL_URI: expected {expected}, received {str(place)!r}\n"
        assert run(*command) == (1, "", said)
    assert sorted(path.name for path in version.iterdir()) == sorted(
        [*store.get().manifest.files, "manifest.json"]
    )


def test_show_prints_the_manifest(run: Run, store: Store) -> None:
    code, out, _ = run("models", "show")
    shown = json.loads(out)
    (decision,) = shown.pop("decisions")
    assert (code, shown.pop("serving")) == (0, True)
    assert msgspec.convert(shown, Manifest) == store.get().manifest
    assert (decision["action"], decision["version"]) == ("promote", store.serving())
    assert run("models", "show", store.serving()).out == out
    assert run("models", "show", "7").code == 1


def test_promote_needs_a_reason_when_the_gate_was_missed(
    run: Run, store: Store, artifact: Artifact
) -> None:
    before = store.serving()
    bad = store.put(variant(artifact, 2999, {"accuracy": 0.5}, "accuracy is 0.5"))
    assert run("models", "promote", bad) == (
        1,
        "",
        f"error: version {bad} is not promoted: accuracy is 0.5. "
        "Improve the model, or state why with --force REASON\n",
    )
    assert store.serving() == before
    said = f"{bad} is in service in {store.root} from the next start on\n"
    assert run("models", "promote", bad, "--force", "an\nexperiment") == (0, said, "")
    assert store.pointer().serving.reason == "an\nexperiment"
    out = run("models", "list").out
    assert out.splitlines()[1].split()[4] == "forced"
    assert out.endswith(f"\n{bad} was forced: an experiment\n")
    rows = json.loads(run("models", "list", "--json").out)
    assert [row["forced"] for row in rows] == ["an\nexperiment", None]


def test_rollback_returns_to_what_served_before(
    run: Run, store: Store, artifact: Artifact
) -> None:
    before = store.serving()
    store.promote(store.put(variant(artifact, 2999, {"accuracy": 1.0})))
    said = f"{before} is in service in {store.root} from the next start on\n"
    assert run("models", "rollback") == (0, said, "")
    assert store.serving() == before
    code, out, err = run("models", "rollback")
    assert (code, out) == (1, "")
    assert err.endswith("an earlier version not found; nothing to roll back to\n")


def test_a_version_with_other_features_comes_into_service_with_a_warning(
    run: Run, store: Store, artifact: Artifact
) -> None:
    before = store.serving()
    first, *others = artifact.manifest.signature.features
    features = (msgspec.structs.replace(first, name="another"), *others)
    signature = msgspec.structs.replace(artifact.manifest.signature, features=features)
    other = variant(artifact, 2999, {"accuracy": 1.0})
    manifest = msgspec.structs.replace(other.manifest, signature=signature)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    version = store.put(Artifact(manifest, artifact.files))
    said = "warning: it takes other features, or gives other classes, than {}, which"
    assert run("models", "promote", version)[2].startswith(said.format(before))
    assert run("models", "rollback")[2].startswith(said.format(version))


def test_what_is_printed_is_utf8_whatever_the_system_writes(
    run: Run, store: Store, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = artifact.manifest.signature.features
    features = (msgspec.structs.replace(first, name="długość"), *others)
    signature = msgspec.structs.replace(artifact.manifest.signature, features=features)
    manifest = msgspec.structs.replace(artifact.manifest, signature=signature)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    version = store.put(Artifact(manifest, artifact.files))
    with io.BytesIO() as file, io.TextIOWrapper(file, encoding="cp1252") as redirected:
        monkeypatch.setattr(sys, "stdout", redirected)
        assert run("models", "show", version).code == 0
        redirected.flush()
        assert '"name": "długość"' in file.getvalue().decode()


def test_prune_names_what_it_would_remove_and_removes_it_when_told(
    run: Run, store: Store, artifact: Artifact
) -> None:
    versions = [
        store.put(variant(artifact, year, {"accuracy": 1.0}))
        for year in (2001, 2002, 2003)
    ]
    (store.folder / ".outgoing-x").mkdir()
    doomed = f"{versions[1]}\n{versions[0]}\n.outgoing-x\n"
    dry = "2 versions and 1 leftovers would be removed; say --yes to do so\n"
    assert run("models", "prune", "--keep", 2) == (0, doomed, dry)
    assert len(store.versions()) == 4
    done = "2 versions and 1 leftovers are removed\n"
    assert run("models", "prune", "--keep", 2, "--yes") == (0, doomed, done)
    assert store.versions() == [store.serving(), versions[2]]
    code, out, _ = run("models", "prune", "--json", "--yes")
    nothing = {"removed": True, "versions": [], "leftovers": []}
    assert (code, json.loads(out)) == (0, nothing)


def test_an_empty_store_holds_nothing_to_prune(run: Run) -> None:
    said = "0 versions and 0 leftovers are removed\n"
    assert run("models", "prune", "--yes") == (0, "", said)


def test_copy_puts_a_version_into_service_in_another_store(
    run: Run, store: Store, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other", MODEL_NAME)
    serving = store.serving()
    said = f"{serving} is in service in {other.root} from the next start on\n"
    assert run("models", "copy", other.root) == (0, said, "")
    assert (other.serving(), other.get()) == (serving, store.get())
    for words, root in (
        (["copy", other.root], other.root),
        (["promote", serving], store.root),
    ):
        code, out, err = run("models", *words, "--json")
        told = {"serving": serving, "store": str(root)}
        assert (code, json.loads(out), err) == (0, told, "")
    assert run("models", "copy", other.root) == (0, said, "")
