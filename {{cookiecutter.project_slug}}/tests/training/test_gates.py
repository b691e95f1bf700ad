"""Worse than production by more than chance, too slow, too large: each is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
    Predictor,
)
from {{cookiecutter.__package_name}}.training import (
    gates,
)
from {{cookiecutter.__package_name}}.training.answers import (
    Answers,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Column,
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    METRICS,
    Thresholds,
    evaluate,
)
from {{cookiecutter.__package_name}}.training.gates import (
    compare_with,
    cost_failures,
    measure_latency_ms,
    production_failures,
)
from {{cookiecutter.__package_name}}.training.held_out import (
    unseen_rows,
)
from {{cookiecutter.__package_name}}.training.split import (
    row_hashes,
)
from {{cookiecutter.__package_name}}.training.train import (
    Plan,
    train,
)

ROWS = 400
random = np.random.default_rng(0)
TRUTH = random.integers(0, 3, ROWS)
KINDS = Table(
    np.arange(ROWS, dtype=np.float64)[:, None], np.array(["a", "b", "c"])[TRUTH]
)
VALUES = Table(KINDS.X, random.normal(size=ROWS))


class Guessing(Predictor):
    """Right in all rows but so many, which are spread evenly."""

    def __init__(self, wrong: int) -> None:
        self.classes = ("a", "b", "c")
        best = TRUTH.copy()
        places = np.linspace(0, ROWS - 1, wrong).astype(int)
        best[places] = (best[places] + 1) % 3
        self.P = np.full((ROWS, 3), 0.1)
        self.P[np.arange(ROWS), best] = 0.8

    def predict(self, X: np.ndarray) -> Outputs:
        return {"probabilities": self.P[X[:, 0].astype(int)]}

    def warm_up(self) -> None:
        pass


class Off(Predictor):
    """Numbers that are off by so much."""

    def __init__(self, by: float) -> None:
        self.classes, self.by = (), by

    def predict(self, X: np.ndarray) -> Outputs:
        return {"value": VALUES.y[X[:, 0].astype(int)] + self.by}


@pytest.mark.parametrize(
    ("predictor", "table", "task"),
    [(Guessing(40), KINDS, "classification"), (Off(0.5), VALUES, "regression")],
)
def test_every_metric_is_that_of_the_evaluation(predictor, table, task) -> None:
    answers = Answers(predictor, table)
    judged = evaluate(predictor, table).metrics
    once = np.ones(ROWS, dtype=np.int64)
    for name in METRICS[task]:
        assert answers.metric(name, once) == pytest.approx(judged[name]), name


@pytest.mark.parametrize(
    "weights", [np.arange(ROWS) % 3, (TRUTH != 1).astype(int)], ids=["", "no b"]
)
@pytest.mark.parametrize("name", METRICS["classification"])
def test_a_row_that_counts_twice_is_a_row_that_is_there_twice(
    name: str, weights: np.ndarray
) -> None:
    rows = np.repeat(np.arange(ROWS), weights)
    predictor = Guessing(40)
    judged = evaluate(predictor, KINDS[rows]).metrics[name]
    assert Answers(predictor, KINDS).metric(name, weights) == pytest.approx(judged)


def test_what_is_surely_worse_is_refused_with_both_numbers() -> None:
    margins = {"accuracy": 0.02, "log_loss": 0.02}
    worse, little, best = Guessing(40), Guessing(2), Guessing(0)
    assert production_failures(best, best, KINDS, margins) == []
    assert production_failures(little, best, KINDS, margins) == []
    assert production_failures(best, worse, KINDS, margins) == [], "it is better"
    accuracy, log_loss = production_failures(worse, best, KINDS, margins)
    assert accuracy.startswith(
        "accuracy is 0.1 worse than that of the version in service, surely by 0.07"
    )
    assert accuracy.endswith("; at most 0.02 is allowed")
    assert log_loss.startswith("log_loss is 0.208 worse than ")


def test_a_metric_that_can_not_be_compared_is_no_pass() -> None:
    (told,) = production_failures(Guessing(0), Guessing(0), KINDS, {"own": 0.5})
    assert told.startswith("own can't be compared with that of the version in service")


def test_what_may_be_chance_is_not_refused() -> None:
    margins = {"accuracy": 0.02}
    few = KINDS[np.arange(20)]
    assert production_failures(Guessing(40), Guessing(0), KINDS, margins) != []
    assert production_failures(Guessing(40), Guessing(0), few, margins) == []


def test_a_model_of_numbers_is_compared_by_its_errors() -> None:
    margins = {"mae": 0.1, "rmse": 0.1, "r2": 0.1}
    told = production_failures(Off(0.5), Off(0.0), VALUES, margins)
    assert [each.partition(" is ")[0] for each in told] == ["mae", "rmse", "r2"]
    assert production_failures(Off(0.0), Off(0.5), VALUES, margins) == []


def test_the_latency_is_that_of_the_best_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls in each of three rounds, of 9, of 2, and of 5 ms."""
    lasts = iter([9, 9, 2, 2, 5, 5])
    read = (ms * 1_000_000 for last in lasts for ms in (0, last))
    monkeypatch.setattr(gates, "CALLS", 2)
    monkeypatch.setattr(gates, "time", SimpleNamespace(perf_counter_ns=read.__next__))
    assert measure_latency_ms(Guessing(0), KINDS.X[:1]) == 2.0


def test_latency_and_size_are_gated() -> None:
    files = {"weights.npz": b"x" * 3_000_000, "model.onnx": b"x" * 500_000}
    row = KINDS.X[:1]
    assert cost_failures(Guessing(0), files, row, Thresholds()) == []
    easy = Thresholds(max_latency_ms=1e6, max_size_mb=3.5)
    assert cost_failures(Guessing(0), files, row, easy) == []
    slow, large = cost_failures(
        Guessing(0), files, row, Thresholds(max_latency_ms=0, max_size_mb=3.4)
    )
    assert slow.startswith("one row takes ")
    assert slow.endswith(" ms, at most 0 ms is allowed")
    assert large == "the version is 3.5 MB large, at most 3.4 MB is allowed"


@pytest.fixture
def plan(sample: Path, contract: Contract, artifact: Artifact) -> Plan:
    """With a version in service, and a line that no version can pass."""
    name = next(iter(artifact.manifest.evaluation.metrics))
    impossible = Thresholds(not_worse_than_production={name: -1e9})
    return Plan(sample, contract, impossible, production=artifact)


@pytest.mark.parametrize("seed", [0, 1])
def test_training_compares_with_the_version_in_service(plan: Plan, seed: int) -> None:
    (failure,) = train(replace(plan, seed=seed), "wine").manifest.gate_failures
    assert " worse than that of the version in service, surely by " in failure
    alone = train(replace(plan, seed=seed, production=None), "wine").manifest
    assert alone.gate_failures == []


def test_only_rows_that_neither_has_learned_from_are_compared(
    plan: Plan, artifact: Artifact, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Table] = []

    def asked(*given: object) -> list[str]:
        compared.append(given[2])
        return []

    monkeypatch.setattr(gates, "production_failures", asked)
    model, limits = artifact.predictor(), plan.thresholds
    compare_with(artifact, model, table, plan.contract, limits, plan.data)
    _, unseen = unseen_rows(artifact, plan.data, plan.contract)
    (rows,) = compared
    assert {*row_hashes(rows.X)} == {*row_hashes(unseen.X)}


def test_who_is_judged_by_a_file_that_has_grown_is_told_of_it(
    plan: Plan,
    cells: list[list[str]],
    written: Callable[[str, list[list[str]]], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = "should it be one that has grown, that version was asked about rows that it"
    train(plan, "wine")
    assert said not in caplog.text
    grown = written("grown.csv", [*cells, cells[-1]])
    assert train(replace(plan, data=grown), "wine").manifest.gate_failures
    assert (said in caplog.text) == (plan.contract.key is None)


def test_what_cannot_be_compared_is_told_and_no_failure(
    plan: Plan,
    contract: Contract,
    cells: list[list[str]],
    written: Callable[[str, list[list[str]]], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    header, *rows = cells
    wider = [[*row, str(i)] for i, row in enumerate(rows)]
    data = written("wider.csv", [[*header, "one more"], *wider])
    features = (*contract.features, Column("one more"))
    other = msgspec.structs.replace(contract, features=features)
    manifest = train(replace(plan, data=data, contract=other), "wine").manifest
    assert manifest.gate_failures == []
    assert "not compared with the version in service: contract: exp" in caplog.text
