"""The shipped model on the shipped data: good enough, in batches too.

Goes when either goes.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    TrainingImpossible,
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
    Thresholds,
)
from {{cookiecutter.__package_name}}.training.held_out import (
    unseen_rows,
)
from {{cookiecutter.__package_name}}.training.train import (
    Plan,
    train,
)


def test_the_limits_of_the_shipped_contract_are_those_of_its_file(
    artifact: Artifact,
) -> None:
    alcohol, malic_acid, *_ = artifact.manifest.signature.features
    assert (alcohol.lowest, alcohol.highest, alcohol.missing) == (0, 100, None)
    assert (malic_acid.lowest, malic_acid.highest) == (0, None)


@pytest.fixture
def plan(sample: Path, contract: Contract, thresholds: Thresholds) -> Plan:
    return Plan(sample, contract, thresholds)


def assert_same_arrays(one: Artifact, other: Artifact) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


def test_it_answers_as_the_oracle_does(artifact: Artifact, table: Table) -> None:
    arrays = artifact.arrays
    expected = oracle.predict(
        table.X,
        *(arrays[name] for name in ("mean", "scale", "coef", "intercept")),
    )
    outputs = artifact.predictor().predict(table.X)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-12)
    classes = np.array(artifact.manifest.signature.classes)
    assert list(outputs["label"]) == list(classes[expected.argmax(axis=1)])


EXTREMES = [1.7e308, -1.7e308, 5e-324, 0.0, 1e6]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 178, 5000])
def test_any_number_of_rows_is_answered_as_the_oracle_does(
    artifact: Artifact, table: Table, rows: int
) -> None:
    arrays = artifact.arrays
    state = [arrays[name] for name in ("mean", "scale", "coef", "intercept")]
    random = np.random.default_rng(20261122)
    X = table.X[random.integers(0, len(table.X), size=rows)]
    X[::7] = random.choice(EXTREMES, size=X[::7].shape)
    P = artifact.predictor().predict(X)["probabilities"]
    assert (P.shape, P.dtype) == ((rows, 3), np.float64)
    np.testing.assert_allclose(P, oracle.predict(X, *state), atol=1e-9)


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


def test_what_is_shipped_passes_its_thresholds_with_room_to_spare(
    artifact: Artifact,
) -> None:
    metrics = artifact.manifest.evaluation.metrics
    baseline = artifact.manifest.baseline.metrics
    assert metrics["accuracy"] >= 0.95
    assert metrics["macro_f1"] >= 0.95
    assert metrics["log_loss"] <= 0.1
    assert metrics["calibration_error"] <= 0.05
    assert baseline["accuracy"] == pytest.approx(0.4)
    assert baseline["log_loss"] == pytest.approx(1.087, abs=0.01)


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
    plan: Plan, batch_rows: int | None
) -> None:
    plan = replace(plan, batch_rows=batch_rows)
    artifact = train(plan, "wine")
    updated = train(replace(plan, continue_from=artifact), "wine")
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
        "probabilities: expected finite numbers, received others; if learning "
        "diverged, lower the learning rate"
    )


def test_many_updates_learn_the_problem(table: Table) -> None:
    random = np.random.default_rng(2)
    estimator = Estimator()
    for _ in range(20):
        order = random.permutation(len(table.y))
        estimator.update(table.X[order], table.y[order], classes=np.unique(table.y))
    assert np.mean(estimator.predict(table.X) == table.y) > 0.97


def test_fit_stops_when_there_is_nothing_left_to_gain(table: Table) -> None:
    patient = Estimator(epochs=300, tolerance=0.0).fit(table.X, table.y)
    usual = Estimator(epochs=300).fit(table.X, table.y)
    hasty = Estimator(epochs=300, tolerance=np.inf).fit(table.X, table.y)
    assert hasty.n_iter_ == 5
    assert hasty.n_iter_ < usual.n_iter_ < patient.n_iter_
    assert usual.steps_ == usual.n_iter_ * len(table.y)
