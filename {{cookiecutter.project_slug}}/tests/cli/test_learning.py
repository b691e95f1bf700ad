"""`train` and `adopt`: what they print where, and the exit codes."""

import json
import math
import sys
from pathlib import Path

import pytest
from outcomes import (
    Run,
    Written,
    first_words,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
)
from {{cookiecutter.__package_name}}.model.estimator import (
    Estimator,
)
from {{cookiecutter.__package_name}}.training import (
    train as module,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    METRICS,
)


def test_train_judges_promotes_and_says_so(
    run: Run, lenient: list[str], tmp_path: Path
) -> None:
    code, out, err = run("train", *lenient)
    manifest = Store(tmp_path / "models", MODEL_NAME).get().manifest
    assert (code, err) == (0, f"version {manifest.version} is promoted\n")
    metrics, classes = METRICS[manifest.signature.task], manifest.signature.classes
    first = [name.split(" ")[0] for name in classes]
    table = ["", "class", *first] if classes else []
    assert first_words(out) == ["metric", *metrics, *table, "", "judged"]
    judged = f"judged by {manifest.evaluation.rows} rows; version {manifest.version}"
    assert out.splitlines()[-1] == judged


def test_train_that_misses_a_threshold_keeps_the_version_and_ends_with_3(
    run: Run, artifact: Artifact, tmp_path: Path
) -> None:
    thresholds = tmp_path / "thresholds.toml"
    name = next(iter(artifact.manifest.evaluation.metrics))
    thresholds.write_text(f"at_least.{name} = 1e9")
    code, out, err = run("train", "--json", "--thresholds", thresholds)
    assert code == 3
    judged = json.loads(out)
    store = Store(tmp_path / "models", MODEL_NAME)
    assert (store.versions(), store.serving()) == ([judged["version"]], None)
    (failure,) = judged["gate_failures"]
    assert failure.endswith(", at least 1e+09 is needed")
    kept = f"version {judged['version']} is kept but not promoted:\n  {failure}\n"
    assert err == kept


def test_train_prints_json_for_programs(
    run: Run, table: Table, contract: Contract, lenient: list[str], tmp_path: Path
) -> None:
    words = ("train", "--json", "--seed", 1, "--test-share", 0.5)
    code, out, _ = run(*words, *lenient)
    judged = json.loads(out)
    assert code == 0
    assert list(judged) == ["version", "evaluation", "baseline", "gate_failures"]
    made = Store(tmp_path / "models", MODEL_NAME).get().manifest.provenance
    held_out = judged["evaluation"]["rows"] + made.split["repeated_rows_left_out"]
    assert held_out + made.train_rows == len(table.y)
    if not contract.key:  # a group is held out whole, whatever its size
        assert held_out == math.ceil(len(table.y) / 2)
    assert set(judged["baseline"]["metrics"]) == set(judged["evaluation"]["metrics"])


def test_of_two_trainings_at_once_the_later_is_kept_and_not_promoted(
    run: Run, store: Store, lenient: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not compared with what came into service while it learned."""
    learn = module.train

    def meanwhile(*arguments: object) -> Artifact:
        monkeypatch.setattr(module, "train", learn)
        assert run("train", *lenient).code == 0
        return learn(*arguments)

    monkeypatch.setattr(module, "train", meanwhile)
    code, _, err = run("train", *lenient)
    earlier = store.serving()
    later = next(version for version in store.versions() if version != earlier)
    assert code == 1
    assert err.splitlines()[-1].startswith(
        f"error: version {later} is not promoted: it was not compared with {earlier}, "
    )


@pytest.mark.skipif(
    not hasattr(Estimator, "update"), reason="this model can't go on learning"
)
def test_train_goes_on_from_the_version_in_service(
    run: Run, store: Store, contract: Contract, lenient: list[str]
) -> None:
    words = ("train", "--batch-rows", 50, *lenient)
    assert run(*words).code == 0
    before = store.serving()
    assert run(*words, "--update").code == 0
    provenance = store.get().manifest.provenance
    assert provenance.continued_from == before
    key = "group" if contract.group else "time"
    method = f"by {key} {contract.key}" if contract.key else "by row"
    assert provenance.split["method"] == method


@pytest.mark.skipif(
    not hasattr(Estimator, "update"), reason="this model can't go on learning"
)
def test_after_an_update_the_first_file_is_judged_by_what_was_held_out_of_it(
    run: Run,
    store: Store,
    cells: list[list[str]],
    written: Written,
    lenient: list[str],
) -> None:
    rows = store.get().manifest.evaluation.rows
    today = written("today.csv", [cells[0], *cells[1::2]])
    assert run("train", today, "--update", *lenient).code == 0
    code, out, _ = run("evaluate", "--no-report", *lenient)
    assert code == 0
    assert out.endswith(f"\njudged by {rows} rows; version {store.serving()}\n")


def test_going_on_from_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    pointer = tmp_path / "models" / MODEL_NAME / "CURRENT"
    assert run("train", "--update") == (
        1,
        "",
        f"error: {pointer}: a promoted version not found; run `train` first, "
        "or look at what there is with `models list`\n",
    )


def test_data_that_breaks_the_contract_is_one_message(
    run: Run, contract: Contract, cells: list[list[str]], written: Written
) -> None:
    header, *rows = cells
    first = contract.features[0].name
    place = [name.strip() for name in header].index(first)
    # In one line each, so that they are lines 2 and 3.
    broken = [[" ".join(cell.split()) for cell in row] for row in rows[:2]]
    for row in broken:
        row[place] = "high"
    data = written("sample.csv", [header, *broken, *rows[2:]])
    assert run("train", data) == (
        1,
        "",
        f"error: {data}: 2 problems\n"
        f"  line 2, column '{first}': expected a number, received 'high'\n"
        f"  line 3, column '{first}': expected a number, received 'high'\n",
    )


def test_adopt_promotes_a_good_graph_where_graphs_are_run(
    run: Run,
    store: Store,
    artifact: Artifact,
    table: Table,
    tmp_path: Path,
    lenient: list[str],
) -> None:
    file = tmp_path / "theirs.onnx"
    file.write_bytes(artifact.files.get("model.onnx", b""))
    before = store.serving()
    code, out, err = run("adopt", file, "--sample", "data/sample.csv", *lenient)
    if engine.NAME != "onnx":
        assert (code, out, store.serving()) == (1, "", before)
        assert err.startswith("error: engine: expected onnx, ")
        return
    assert (code, err) == (0, f"version {store.serving()} is promoted\n")
    assert store.serving() != before
    judged = f"judged by {len(table.X)} rows; version {store.serving()}"
    assert out.splitlines()[-1] == judged
    impossible = tmp_path / "thresholds.toml"
    metric = next(iter(artifact.manifest.evaluation.metrics))
    impossible.write_text(f"at_least.{metric} = 1e9")
    words = ("--sample", "data/sample.csv", "--thresholds", impossible)
    assert run("adopt", file, *words).code == 3
    impossible.write_text(f"not_worse_than_production.{metric} = -1e9")
    code, _, err = run("adopt", file, *words)
    assert code == 3
    assert "worse than that of the version in service" in err


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_without_scikit_learn_training_says_what_to_install(
    run: Run, store: Store, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert run(command) == (
        1,
        "",
        "error: scikit-learn is not installed; training needs it: "
        "uv sync --group train\n",
    )
