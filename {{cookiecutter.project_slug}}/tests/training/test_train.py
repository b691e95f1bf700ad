"""A data file in, a judged version out: good enough, the same again, and told whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pytest
from line import (
    put_a_line,
    put_shares,
)
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Feature,
    read_manifest,
)
from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
    StateRefused,
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
    read_table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    Thresholds,
    evaluate,
)
from {{cookiecutter.__package_name}}.training.held_out import (
    unseen_rows,
)
from {{cookiecutter.__package_name}}.training.split import (
    split,
)
from {{cookiecutter.__package_name}}.training.train import (
    Plan,
    start,
    train,
)


@pytest.fixture
def plan(sample: Path, contract: Contract, thresholds: Thresholds) -> Plan:
    return Plan(sample, contract, thresholds)


def assert_same_arrays(one: Artifact, other: Artifact) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


def test_the_same_seed_learns_the_same_arrays(plan: Plan, artifact: Artifact) -> None:
    assert_same_arrays(train(plan, "wine"), artifact)


def test_another_seed_holds_out_other_rows(plan: Plan, artifact: Artifact) -> None:
    rules, one = plan.contract, artifact
    if rules.time:  # by which rows are held out whatever the seed
        ignored = (*rules.ignored, rules.time)
        rules = msgspec.structs.replace(rules, time=None, ignored=ignored)
        one = train(replace(plan, contract=rules), "wine")
    other = train(replace(plan, contract=rules, seed=1), "wine")
    assert other.manifest.signature != one.manifest.signature


def test_other_parameters_reach_the_estimator_unknown_ones_do_not(plan: Plan) -> None:
    usual = Estimator().get_params()
    for name in usual:
        other = start(replace(plan, parameters={name: "other"})).get_params()
        assert other == usual | {name: "other"}
    with pytest.raises(TrainingImpossible) as refused:
        start(replace(plan, parameters={"beauty": 1}))
    known = ", ".join(usual) or "none"
    said = f"parameters: expected some of {known}, received beauty"
    assert str(refused.value) == said


def test_the_model_passes_its_thresholds(plan: Plan) -> None:
    """The only one that speaks of them: no other test asks how good the model is."""
    failures = train(plan, "wine").manifest.gate_failures
    assert failures == [], "improve the model, or lower a line of thresholds.toml"


def test_a_missed_threshold_is_written_into_the_manifest(
    plan: Plan, artifact: Artifact
) -> None:
    name, value = next(iter(artifact.manifest.evaluation.metrics.items()))
    impossible = Thresholds(at_least={name: 1e9}, at_most={name: 1e9})
    manifest = train(replace(plan, thresholds=impossible), "wine").manifest
    failure = f"{name} is {value:.4g}, at least 1e+09 is needed"
    assert manifest.gate_failures == [failure]


def test_a_threshold_for_another_task_is_refused_before_learning(plan: Plan) -> None:
    wrong = Thresholds(better_than_baseline=("beauty",))
    missing = replace(plan, thresholds=wrong, data=plan.data / "not even looked for")
    with pytest.raises(DataInvalid, match=r"^thresholds: expected .*, received 'beau"):
        train(missing, "wine")


def test_an_update_with_other_columns_is_refused(
    plan: Plan, contract: Contract, artifact: Artifact
) -> None:
    features = (*contract.features, Column("one more"))
    other = msgspec.structs.replace(contract, features=features)
    with pytest.raises(DataInvalid) as refusal:
        train(replace(plan, contract=other, continue_from=artifact), "wine")
    assert str(refusal.value) == (
        "contract: expected the columns and classes that version "
        f"{artifact.manifest.version} learned, in their order; give the contract it "
        "was made with, or train anew"
    )


class Slope(RegressorMixin, BaseEstimator):
    """y = slope * x by least squares: the smallest model that could take the place."""

    def __init__(self, power: object = 1) -> None:
        self.power = power
        self.xy = self.xx = 0.0

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.xy = self.xx = 0.0
        return self.update(X, y)

    def update(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.xy += float(X[:, 0] @ y)
        self.xx += float(X[:, 0] @ X[:, 0])
        return self

    def to_arrays(self) -> dict[str, Any]:
        return {"slope": np.array([self.xy / self.xx]), "xy": self.xy, "xx": self.xx}

    def from_arrays(self, state: dict[str, Any], classes: list[str]) -> Self:
        assert classes == []
        self.xy, self.xx = state["xy"], state["xx"]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X[:, 0] * (self.xy / self.xx)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """To learn y = 3x from forty rows."""
    path = tmp_path / "line.csv"
    path.write_text("\n".join(["x,y", *(f"{x},{3 * x}" for x in range(40))]))
    monkeypatch.setattr(module, "Estimator", Slope)
    put_a_line(monkeypatch)
    better = Thresholds(
        better_than_baseline=("mae", "rmse", "r2"), at_most={"rmse": 1e-9}
    )
    return Plan(path, Contract("y", (Column("x", "m"),)), better)


@pytest.mark.parametrize("batch_rows", [None, 7])
def test_a_model_of_numbers_takes_the_same_road(
    line: Plan, batch_rows: int | None
) -> None:
    manifest = train(replace(line, batch_rows=batch_rows), "line").manifest
    assert manifest.gate_failures == []
    assert (manifest.signature.task, manifest.signature.classes) == ("regression", ())
    assert manifest.evaluation.metrics["r2"] == pytest.approx(1.0)
    assert manifest.provenance.train_rows + manifest.evaluation.rows == 40
    method = "by row" if batch_rows else "at random"
    split = {"method": method, "test_share": 0.25, "seed": 0}
    made = dict(manifest.provenance.split)
    assert made.pop("at_most", None) == (100_000 if batch_rows else None)
    assert made == split | {"repeated_rows_left_out": 0}
    assert manifest.signature.target_range is not None
    assert 0 <= manifest.signature.target_range[0] < manifest.signature.target_range[1]
    assert manifest.signature.examples == (), "none unless the contract asks for some"


def test_the_signature_holds_units_and_the_ranges_that_were_learned(line: Plan) -> None:
    manifest = train(line, "line").manifest
    table = read_table(line.data, line.contract)
    learned, held_out = split(table, line.contract, 0.25, seed=0)
    assert manifest.signature.features == (
        Feature(
            "x",
            "m",
            float(learned.X.min()),
            float(np.median(held_out.X)),
            float(learned.X.max()),
        ),
    )


@pytest.mark.parametrize("batch_rows", [None, 7])
def test_an_update_goes_on_from_the_stored_version(
    line: Plan, batch_rows: int | None
) -> None:
    line = replace(line, batch_rows=batch_rows)
    first = train(line, "line")
    files = dict(first.files)
    again = train(replace(line, continue_from=first), "line")
    assert again.state["xx"] > first.state["xx"]
    assert again.manifest.provenance.continued_from == first.manifest.version
    assert first.files == files


def test_an_update_widens_the_ranges_of_training(line: Plan, tmp_path: Path) -> None:
    """By those of the last file alone the rows of the first would be out of range."""
    first = train(line, "line")
    header, *rows = line.data.read_text().splitlines()
    middle = sorted(rows, key=lambda row: float(row.split(",")[0]))[5:-5]
    line.data.write_text("\n".join([header, *middle, ""]))
    again = train(replace(line, continue_from=first), "line")
    (before,), (now,) = (each.manifest.signature.features for each in (first, again))
    assert (now.minimum, now.maximum) == (before.minimum, before.maximum)
    ranges = {each.manifest.signature.target_range for each in (first, again)}
    assert len(ranges) == 1


def test_rows_that_were_held_out_of_batches_are_found_again(line: Plan) -> None:
    batched = train(replace(line, batch_rows=7), "line")
    _, unseen = unseen_rows(batched, line.data, line.contract)
    assert evaluate(batched.predictor(), unseen) == batched.manifest.evaluation


def test_parameters_that_are_no_plain_values_are_recorded_as_text(
    line: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Estimator", lambda: Slope(power=(1, 2)))
    artifact = train(line, "line")
    assert artifact.manifest.provenance.parameters == {"power": "(1, 2)"}
    read_manifest("here", msgspec.json.encode(artifact.manifest))


def test_state_that_only_pickle_could_store_is_refused(
    line: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Whole(Slope):
        def to_arrays(self) -> dict[str, Any]:
            return {"slope": self}

    monkeypatch.setattr(module, "Estimator", Whole)
    with pytest.raises(StateRefused, match="'slope': expected an array of numbers"):
        train(line, "line")


@pytest.mark.parametrize(
    ("missing", "options"),
    [("from_arrays", "--update"), ("update", "--update and --batch-rows")],
)
def test_a_model_that_cannot_go_on_learning_says_so(
    line: Plan, monkeypatch: pytest.MonkeyPatch, missing: str, options: str
) -> None:
    first = train(line, "line")
    monkeypatch.delattr(Slope, missing)
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(line, continue_from=first), "line")
    assert str(refusal.value) == (
        f"this estimator can't go on learning, it has no {missing}: leave out "
        f"{options}, or write {missing} in model/estimator.py"
    )


def test_a_contract_of_classes_does_not_fit_a_model_of_numbers(line: Plan) -> None:
    classes = Contract("y", (Column("x"),), ("reed", "sedge"))
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(line, contract=classes), "line")
    assert str(refusal.value) == (
        f"{line.data}: the contract's target is a class, the estimator is not a "
        "classifier; change the contract or model/estimator.py"
    )


class Shares(ClassifierMixin, BaseEstimator):
    """Whatever the row, each class is as likely as it was in the rows learned from."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        return self.update(X, y, np.unique(y))

    def update(self, X: np.ndarray, y: np.ndarray, classes: list[str]) -> Self:
        self.classes_ = np.unique(classes)
        self.counts_ = np.array([np.sum(y == name) for name in self.classes_])
        if len(self.classes_) < 2:
            raise ValueError("two classes are needed")
        return self

    def to_arrays(self) -> dict[str, Any]:
        return {"shares": self.counts_ / self.counts_.sum()}

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.tile(self.to_arrays()["shares"], (len(X), 1))


@pytest.fixture
def plants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """To learn the shares of reed and sedge from forty rows."""
    path = tmp_path / "plants.csv"
    rows = (f"{x},{'reed' if x % 4 else 'sedge'}" for x in range(40))
    path.write_text("\n".join(["x,plant", *rows]))
    monkeypatch.setattr(module, "Estimator", Shares)
    put_shares(monkeypatch)
    return Plan(
        path, Contract("plant", (Column("x"),), ("reed", "sedge")), Thresholds()
    )


def test_a_model_of_classes_takes_the_same_road(plants: Plan) -> None:
    manifest = train(plants, "plants").manifest
    assert manifest.signature.task == "classification"
    assert manifest.signature.classes == ("reed", "sedge")
    assert manifest.evaluation.metrics["accuracy"] == pytest.approx(0.75, abs=0.06)
    assert manifest.evaluation == manifest.baseline


def test_a_contract_of_numbers_does_not_fit_a_classifier(plants: Plan) -> None:
    numbers = Contract("plant", plants.contract.features)
    with pytest.raises(TrainingImpossible, match="target is a number, the estimator"):
        train(replace(plants, contract=numbers), "plants")


def test_an_engine_that_answers_otherwise_than_the_estimator_is_refused(
    plants: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bent(Shares):
        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            return super().predict_proba(X) + 0.25

    monkeypatch.setattr(module, "Estimator", Bent)
    with pytest.raises(TrainingImpossible) as refusal:
        train(plants, "plants")
    assert str(refusal.value) == (
        f"the estimator and what the engine {engine.NAME} made of it are 0.25 apart, "
        "at most 1e-05 is expected; bring model/estimator.py and "
        f"{engine.WRITTEN_IN} into line"
    )


def test_classes_that_the_estimator_does_not_name_are_asked_for(
    plants: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nameless(Shares):
        def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
            super().fit(X, y)
            del self.classes_
            return self

    monkeypatch.setattr(module, "Estimator", Nameless)
    with pytest.raises(TrainingImpossible) as refusal:
        train(plants, "plants")
    assert str(refusal.value) == (
        "estimator.classes_: expected reed, sedge, in the order of its probabilities, "
        "received none"
    )


def test_an_estimator_s_own_refusal_names_the_file(plants: Plan) -> None:
    keep_only(plants.data, "reed")
    with pytest.raises(TrainingImpossible) as refusal:
        train(plants, "plants")
    assert str(refusal.value) == f"{plants.data}: two classes are needed"


def keep_only(path: Path, name: str) -> None:
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row for row in rows if name in row)]))


def test_a_class_that_never_came_is_named(plants: Plan) -> None:
    keep_only(plants.data, "reed")
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(plants, batch_rows=7), "plants")
    assert str(refusal.value) == (
        f"{plants.data}: expected rows of every class of the contract, received none "
        "of sedge to learn from"
    )


def test_too_few_rows_to_learn_from_any_are_refused(plants: Plan) -> None:
    plants.data.write_text("\n".join(plants.data.read_text().splitlines()[:2]))
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(plants, batch_rows=1, test_share=0.99), "plants")
    assert str(refusal.value) == (
        f"{plants.data}: all rows were held out to judge by; give more rows"
    )
