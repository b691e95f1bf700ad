"""A data file in, a judged version out: good enough, the same again, and told whole."""

import hashlib
import platform
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pytest
from line import (
    put_a_line,
)
from sklearn.base import (
    BaseEstimator,
    RegressorMixin,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
    TrainingImpossible,
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
    Column,
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    Thresholds,
    evaluate,
)
from {{cookiecutter.__package_name}}.training.train import (
    Plan,
    examples,
    git_commit,
    train,
    unseen_rows,
)


@pytest.fixture
def plan(sample: Path, contract: Contract, thresholds: Thresholds) -> Plan:
    return Plan(sample, contract, thresholds)


def assert_same_arrays(one: Artifact, other: Artifact) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


def test_what_is_shipped_passes_its_thresholds_with_room_to_spare(
    artifact: Artifact,
) -> None:
    metrics = artifact.manifest.evaluation.metrics
    baseline = artifact.manifest.baseline.metrics
    assert artifact.manifest.gate_failures == []
    assert metrics["accuracy"] >= 0.95
    assert metrics["macro_f1"] >= 0.95
    assert metrics["log_loss"] <= 0.1
    assert metrics["calibration_error"] <= 0.05
    assert baseline["accuracy"] == pytest.approx(0.4)
    assert baseline["log_loss"] == pytest.approx(1.087, abs=0.01)


def test_the_signature_shows_held_out_rows_of_every_class(
    plan: Plan, artifact: Artifact
) -> None:
    signature = artifact.manifest.signature
    assert [each.target for each in signature.examples] == [
        *("barbera", "barbera", "barolo", "barolo", "grignolino", "grignolino")
    ]
    _, unseen = unseen_rows(artifact, plan.data, plan.contract)
    held_out = {
        (tuple(x.tolist()), str(y)) for x, y in zip(unseen.X, unseen.y, strict=True)
    }
    assert {(each.values, each.target) for each in signature.examples} <= held_out


def test_examples_are_spread_over_the_target_and_never_more_than_there_are() -> None:
    table = Table(np.arange(9.0)[:, None], np.arange(9.0)[::-1].copy())
    assert [each.target for each in examples(3, table)] == [1.0, 4.0, 7.0]
    assert [each.values for each in examples(3, table)] == [(7.0,), (4.0,), (1.0,)]
    assert len(examples(20, table)) == 9
    assert examples(0, table) == ()


def test_the_same_seed_learns_the_same_arrays(plan: Plan, artifact: Artifact) -> None:
    assert_same_arrays(train(plan, "wine"), artifact)


def test_another_seed_holds_out_other_rows(plan: Plan, artifact: Artifact) -> None:
    other = train(replace(plan, seed=1), "wine")
    assert not np.array_equal(other.arrays["mean"], artifact.arrays["mean"])


def test_batches_of_any_size_learn_the_same_in_one_pass(plan: Plan) -> None:
    small = train(replace(plan, batch_rows=50), "wine")
    for batch_rows in (1, 1000):
        other = train(replace(plan, batch_rows=batch_rows), "wine")
        assert_same_arrays(small, other)
    manifest = small.manifest
    assert manifest.provenance.split == {
        "method": "by row",
        "test_share": 0.25,
        "seed": 0,
        "repeated_rows_left_out": 0,
        "at_most": 100_000,
    }
    assert manifest.provenance.train_rows + manifest.evaluation.rows == 178
    assert small.arrays["steps"] == manifest.provenance.train_rows


def test_batches_learn_well_enough_to_serve(plan: Plan) -> None:
    assert train(replace(plan, batch_rows=50), "wine").manifest.gate_failures == []


@pytest.mark.parametrize("batch_rows", [None, 50])
def test_an_update_goes_on_from_the_stored_version(
    plan: Plan, artifact: Artifact, batch_rows: int | None
) -> None:
    updated = train(
        replace(plan, continue_from=artifact, batch_rows=batch_rows), "wine"
    )
    rows = updated.manifest.provenance.train_rows
    before = artifact.arrays
    assert updated.arrays["count"] == before["count"] + rows
    assert updated.arrays["steps"] == before["steps"] + rows
    assert updated.manifest.provenance.continued_from == artifact.manifest.version
    assert updated.manifest.gate_failures == []


def test_an_update_leaves_the_version_that_it_goes_on_from(
    plan: Plan, artifact: Artifact
) -> None:
    files = dict(artifact.files)
    train(replace(plan, continue_from=artifact), "wine")
    assert artifact.files == files


def test_a_missed_threshold_is_written_into_the_manifest(plan: Plan) -> None:
    impossible = Thresholds(at_least={"accuracy": 1.01}, at_most={"log_loss": 9.0})
    manifest = train(replace(plan, thresholds=impossible), "wine").manifest
    (failure,) = manifest.gate_failures
    assert failure.startswith("accuracy is 0.9")
    assert failure.endswith(", at least 1.01 is needed")


def test_the_manifest_says_where_the_version_comes_from(
    artifact: Artifact, sample: Path
) -> None:
    provenance = artifact.manifest.provenance
    assert provenance.data_source == "sample.csv"
    assert provenance.data_sha256 == hashlib.sha256(sample.read_bytes()).hexdigest()
    assert provenance.train_rows == 133
    assert provenance.split == {
        "method": "stratified",
        "test_share": 0.25,
        "seed": 0,
        "repeated_rows_left_out": 0,
    }
    assert provenance.parameters == Estimator().get_params()
    recorded = ["python", "numpy", *engine.PACKAGES, "scikit-learn"]
    assert list(provenance.versions) == recorded
    assert provenance.versions["python"] == platform.python_version()
    assert provenance.continued_from is None


def test_the_signature_holds_units_and_the_ranges_that_were_learned(
    artifact: Artifact,
) -> None:
    signature = artifact.manifest.signature
    assert (signature.task, signature.target) == ("classification", "cultivar")
    assert signature.classes == ("barbera", "barolo", "grignolino")
    alcohol = signature.features[0]
    assert (alcohol.name, alcohol.unit) == ("alcohol", "% vol")
    assert 11 < alcohol.minimum < 12 < alcohol.median < 14 < alcohol.maximum < 15


def test_of_the_file_that_was_learned_from_only_the_held_out_rows_are_unseen(
    artifact: Artifact, sample: Path, contract: Contract
) -> None:
    summary, unseen = unseen_rows(artifact, sample, contract)
    assert (summary.rows, len(unseen.y)) == (133, 45)
    assert evaluate(artifact.predictor(), unseen) == artifact.manifest.evaluation


def test_rows_that_were_held_out_of_batches_are_found_again(
    plan: Plan, sample: Path, contract: Contract
) -> None:
    batched = train(replace(plan, batch_rows=50), "wine")
    _, unseen = unseen_rows(batched, sample, contract)
    assert evaluate(batched.predictor(), unseen) == batched.manifest.evaluation


def test_of_many_rows_a_sample_is_judged_that_no_batch_decides_over(
    plan: Plan, sample: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "JUDGED_AT_MOST", 10)
    one, other = (train(replace(plan, batch_rows=n), "wine") for n in (20, 100))
    assert one.manifest.evaluation == other.manifest.evaluation
    assert one.manifest.evaluation.rows == 10
    _, unseen = unseen_rows(one, sample, contract)
    assert evaluate(one.predictor(), unseen) == one.manifest.evaluation


def test_of_any_other_file_all_rows_are_unseen(
    artifact: Artifact, sample: Path, contract: Contract, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(sample.read_text() + "\n")
    summary, unseen = unseen_rows(artifact, other, contract)
    assert (summary.rows, len(unseen.y)) == (178, 178)


def test_the_signature_holds_what_the_contract_allows(artifact: Artifact) -> None:
    alcohol, malic_acid, *_ = artifact.manifest.signature.features
    assert (alcohol.lowest, alcohol.highest, alcohol.missing) == (0, 100, None)
    assert (malic_acid.lowest, malic_acid.highest) == (0, None)


@pytest.fixture
def grouped(plan: Plan, tmp_path: Path) -> Plan:
    """The sample with a winery for every eight rows, and the year of its harvest."""
    header, *rows = plan.data.read_text().splitlines()
    lines = [f"{header},winery,year"]
    # Rows come by cultivar, so that neighbours in a winery must not be.
    lines += [f"{row},w{i % 23},{1970 + i * 7 % 178}" for i, row in enumerate(rows)]
    path = tmp_path / "grouped.csv"
    path.write_text("\n".join(lines))
    return replace(plan, data=path)


@pytest.mark.parametrize("batch_rows", [None, 7])
@pytest.mark.parametrize("key", ["group", "time"])
def test_a_split_by_group_or_time_is_found_again(
    grouped: Plan, key: str, batch_rows: int | None
) -> None:
    column, other = {"group": ("winery", "year"), "time": ("year", "winery")}[key]
    rules = replace_contract(grouped.contract, **{key: column}, ignored=(other,))
    plan = replace(grouped, contract=rules, batch_rows=batch_rows)
    made = train(plan, "wine")
    assert made.manifest.provenance.split["method"] == f"by {key} {column}"
    summary, unseen = unseen_rows(made, plan.data, rules)
    assert summary.rows == made.manifest.provenance.train_rows
    assert evaluate(made.predictor(), unseen) == made.manifest.evaluation
    whole = train(replace(plan, batch_rows=None), "wine").manifest
    assert whole.evaluation.rows == made.manifest.evaluation.rows
    keyless = replace_contract(rules, **{key: None}, ignored=("winery", "year"))
    with pytest.raises(DataInvalid) as refusal:
        unseen_rows(made, plan.data, keyless)
    assert str(refusal.value) == (
        f"contract: expected a split by {key} {column}, as that of version "
        f"{made.manifest.version}, received stratified"
    )


def replace_contract(contract: Contract, **changes: object) -> Contract:
    return msgspec.structs.replace(contract, **changes)


def test_rows_that_were_learned_from_are_not_judged_by(
    plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    header, *rows = plan.data.read_text().splitlines()
    path = tmp_path / "twice.csv"
    path.write_text("\n".join([header, *rows, *rows[::2]]))
    made = train(replace(plan, data=path), "wine").manifest
    left_out = made.provenance.split["repeated_rows_left_out"]
    assert left_out > 10
    assert made.evaluation.rows == 67 - left_out
    told = f"{left_out} of 67 rows to judge by are also among those learned from"
    assert told in caplog.text


@pytest.mark.parametrize("key", [None, "winery"])
def test_equal_rows_in_different_batches_do_not_leak(
    grouped: Plan, tmp_path: Path, key: str | None
) -> None:
    header, *rows = grouped.data.read_text().splitlines()
    # The second time each belongs to another winery.
    again = [row.replace(",w", ",other-w") for row in rows[::4]]
    path = tmp_path / "twice.csv"
    path.write_text("\n".join([header, *rows, *again]))
    others = ("year",) if key else ("winery", "year")
    rules = replace_contract(grouped.contract, group=key, ignored=others)
    plan = replace(grouped, data=path, contract=rules, batch_rows=100)
    split = train(plan, "wine").manifest.provenance.split
    assert (split["repeated_rows_left_out"] > 0) == bool(key)


def test_data_of_which_every_judged_row_was_learned_from_is_refused(
    plan: Plan, tmp_path: Path
) -> None:
    header, *rows = plan.data.read_text().splitlines()
    path = tmp_path / "three.csv"
    three = [rows[0], rows[60], rows[150]]
    path.write_text("\n".join([header, *three * 10]))
    with pytest.raises(TrainingImpossible, match="every row to judge by is also among"):
        train(replace(plan, data=path), "wine")


def test_a_contract_for_numbers_does_not_fit_a_classifier(
    plan: Plan, contract: Contract
) -> None:
    numbers = Contract(contract.target, contract.features)
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(plan, contract=numbers), "wine")
    assert str(refusal.value) == (
        f"{plan.data}: the contract's target is a number, the estimator is a "
        "classifier; change the contract or model/estimator.py"
    )


@pytest.mark.parametrize("change", ["order", "classes"])
def test_an_update_with_other_columns_or_classes_is_refused(
    plan: Plan, contract: Contract, artifact: Artifact, change: str
) -> None:
    features, classes = contract.features, contract.classes
    other = (
        Contract(contract.target, features[::-1], classes)
        if change == "order"
        else Contract(contract.target, features, (*classes, "merlot"))
    )
    with pytest.raises(DataInvalid) as refusal:
        train(replace(plan, contract=other, continue_from=artifact), "wine")
    assert str(refusal.value) == (
        "contract: expected the columns and classes that version "
        f"{artifact.manifest.version} learned, in their order; give the contract it "
        "was made with, or train anew"
    )


def test_data_with_one_class_only_teaches_nothing(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "barolo.csv"
    lines = plan.data.read_text().splitlines()
    path.write_text("\n".join(lines[:1] + [row for row in lines if "barolo" in row]))
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(plan, data=path), "wine")
    assert str(refusal.value) == (
        f"{path}: y: expected labels of two classes or more, received one class only: "
        "'barolo'"
    )


def test_a_class_that_never_came_is_named(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    rows = plan.data.read_text().splitlines()
    path.write_text("\n".join(row for row in rows if "barolo" not in row))
    for batch_rows in (None, 50):
        with pytest.raises(TrainingImpossible) as refusal:
            train(replace(plan, data=path, batch_rows=batch_rows), "wine")
        assert str(refusal.value) == (
            f"{path}: expected rows of every class of the contract, received none of "
            "barolo to learn from"
        )


def test_too_few_rows_to_learn_from_any_are_refused(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("\n".join(plan.data.read_text().splitlines()[:2]))
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(plan, data=path, batch_rows=1, test_share=0.99), "wine")
    assert str(refusal.value) == (
        f"{path}: all rows were held out to judge by; give more rows"
    )


def test_learning_that_diverges_is_refused(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wild(Estimator):
        def __init__(self, learning_rate: float = 1e308) -> None:
            super().__init__(learning_rate=learning_rate)

    monkeypatch.setattr(module, "Estimator", Wild)
    with pytest.raises(TrainingImpossible) as refusal:
        train(plan, "wine")
    assert str(refusal.value) == (
        f"{plan.data}: learning diverged, coef holds what is not a finite number; "
        "lower the learning rate"
    )


class Slope(RegressorMixin, BaseEstimator):
    """y = slope * x by least squares: the smallest model that could take the place."""

    def __init__(self) -> None:
        self.xy = self.xx = 0.0

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.xy = self.xx = 0.0
        return self.update(X, y)

    def update(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.xy += float(X[:, 0] @ y)
        self.xx += float(X[:, 0] @ X[:, 0])
        return self

    def to_arrays(self) -> dict[str, Any]:
        return {"slope": np.array([self.xy / self.xx])}

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X[:, 0] * (self.xy / self.xx)


@pytest.mark.parametrize("batch_rows", [None, 7])
def test_a_model_of_numbers_takes_the_same_road(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int | None
) -> None:
    path = tmp_path / "line.csv"
    path.write_text("\n".join(["x,y", *(f"{x},{3 * x}" for x in range(40))]))
    monkeypatch.setattr(module, "Estimator", Slope)
    put_a_line(monkeypatch)
    better = Thresholds(
        better_than_baseline=("mae", "rmse", "r2"), at_most={"rmse": 1e-9}
    )
    plan = Plan(path, Contract("y", (Column("x"),)), better, batch_rows=batch_rows)
    manifest = train(plan, "line").manifest
    assert manifest.gate_failures == []
    assert (manifest.signature.task, manifest.signature.classes) == ("regression", ())
    assert manifest.evaluation.metrics["r2"] == pytest.approx(1.0)
    assert manifest.provenance.train_rows + manifest.evaluation.rows == 40
    assert manifest.signature.target_range is not None
    assert 0 <= manifest.signature.target_range[0] < manifest.signature.target_range[1]
    assert manifest.signature.examples == (), "none unless the contract asks for some"


def test_an_engine_that_answers_otherwise_than_the_estimator_is_refused(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bent(Estimator):
        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            return super().predict_proba(X) + 0.25

    monkeypatch.setattr(module, "Estimator", Bent)
    with pytest.raises(TrainingImpossible) as refusal:
        train(plan, "wine")
    assert str(refusal.value) == (
        f"the estimator and what the engine {engine.NAME} made of it are 0.25 apart, "
        "at most 1e-05 is expected; bring model/estimator.py and "
        f"{engine.WRITTEN_IN} into line"
    )


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that belongs to no repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def git(*words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def test_the_commit_is_that_of_the_working_folder_and_says_when_files_differ(
    outside: Path,
) -> None:
    git("init", "--quiet")
    (outside / "model.py").write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    assert git_commit() == git("rev-parse", "HEAD")
    (outside / "model.py").write_text("2")
    assert git_commit() == git("rev-parse", "HEAD") + "-dirty"


def test_outside_git_there_is_no_commit(outside: Path) -> None:
    assert git_commit() is None


def test_without_git_there_is_no_commit(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(outside))
    assert git_commit() is None


def test_a_version_records_its_answer_to_a_row_of_medians(artifact: Artifact) -> None:
    expected = artifact.manifest.expected
    features = artifact.manifest.signature.features
    assert expected is not None
    assert expected.row == [feature.median for feature in features]
    outputs = artifact.predictor().predict(np.array([expected.row]))
    assert expected.outputs == {
        "label": outputs["label"].tolist(),
        "probabilities": outputs["probabilities"][0].tolist(),
    }
