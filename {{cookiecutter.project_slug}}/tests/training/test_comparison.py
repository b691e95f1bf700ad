"""Intervals and verdicts of a comparison, and what each feature is worth."""

import numpy as np
import pytest
from known import (
    CLASSES,
    ROWS,
    known,
    probabilities,
    values,
)
from sklearn import metrics

from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
)
from {{cookiecutter.__package_name}}.training import (
    comparison,
)
from {{cookiecutter.__package_name}}.training.answers import (
    Answers,
    Trivial,
)
from {{cookiecutter.__package_name}}.training.comparison import (
    BETTER,
    DRAWS,
    OPEN,
    SAME,
    WORSE,
    compare,
    importances,
    interval,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    METRICS,
    evaluate,
    evaluate_baseline,
)

RANDOM = np.random.default_rng(7)
LABELS = np.array([RANDOM.choice(CLASSES, p=p) for p in probabilities(ROWS)])
NUMBERS = values(ROWS) + RANDOM.normal(size=60)
PRIOR = np.array([0.5, 0.3, 0.2])
TABLES = {CLASSES: Table(ROWS, LABELS), (): Table(ROWS, NUMBERS)}
ONCE = np.ones(60, dtype=np.int64)


@pytest.mark.parametrize("classes", TABLES)
def test_every_row_once_gives_what_evaluate_measures(classes: tuple[str, ...]) -> None:
    table, prior = TABLES[classes], PRIOR if classes else np.array([0.5])
    predictor = known(classes).predictor()
    for answering, expected in (
        (predictor, evaluate(predictor, table)),
        (Trivial(classes, prior), evaluate_baseline(classes, prior, table)),
    ):
        answers = Answers(answering, table)
        found = {name: answers.metric(name, ONCE) for name in expected.metrics}
        assert found == pytest.approx(expected.metrics)
        assert tuple(found) in METRICS.values()


@pytest.mark.parametrize("classes", TABLES)
def test_a_row_that_is_drawn_twice_counts_twice(classes: tuple[str, ...]) -> None:
    table, predictor = TABLES[classes], known(classes).predictor()
    weights = np.random.default_rng(1).integers(0, 3, 60)
    again = np.repeat(np.arange(60), weights)
    expected = evaluate(predictor, Table(table.X[again], table.y[again])).metrics
    answers = Answers(predictor, table)
    found = {name: answers.metric(name, weights) for name in expected}
    assert found == pytest.approx(expected)


def test_values_that_do_not_vary_are_judged_as_scikit_learn_does() -> None:
    table = Table(np.zeros((3, 1)), np.ones(3))
    for said in (1.0, 2.0):
        answers = Answers(Trivial((), np.array([said])), table)
        expected = metrics.r2_score(table.y, np.full(3, said))
        assert answers.metric("r2", ONCE[:3]) == expected
    alone = Answers(Trivial((), np.array([2.0])), Table(np.zeros((1, 1)), np.ones(1)))
    assert alone.metric("r2", ONCE[:1]) == 0.0


def test_a_metric_that_only_evaluate_knows_has_no_interval() -> None:
    ours = Answers(known().predictor(), TABLES[CLASSES])
    (each,) = compare(ours, ours, ["my_own"])
    assert np.isnan([each.ours.value, each.difference.low]).all()
    assert each.verdict == OPEN


def test_the_interval_is_that_of_the_normal_theory_where_that_holds() -> None:
    """A mean of many rows: the bootstrap's standard error is s over the root of n."""
    random = np.random.default_rng(0)
    X, error = np.zeros((400, 1)), random.normal(size=400)
    answers = Answers(Trivial((), np.zeros(1)), Table(X, error))
    each, _ = compare(answers, answers, ["mae", "rmse"])
    standard = np.abs(error).std() / 20
    assert each.ours.value == pytest.approx(np.abs(error).mean())
    assert each.ours.low == pytest.approx(each.ours.value - 1.96 * standard, abs=0.01)
    assert each.ours.high == pytest.approx(each.ours.value + 1.96 * standard, abs=0.01)


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    """Errors are normal, so the mean absolute error is sqrt(2 / pi)."""
    truth, held = np.sqrt(2 / np.pi), 0
    for seed in range(100):
        error = np.abs(np.random.default_rng(seed).normal(size=100))
        draws = np.random.default_rng(seed).integers(0, 100, (DRAWS, 100))
        found = interval(np.append(error.mean(), error[draws].mean(axis=1)))
        held += found.low <= truth <= found.high
    assert 89 <= held <= 99


def test_the_seed_decides_every_draw() -> None:
    ours = Answers(known().predictor(), TABLES[CLASSES])
    theirs = Answers(Trivial(CLASSES, PRIOR), TABLES[CLASSES])
    once, again = (compare(ours, theirs, ["log_loss"]) for _ in range(2))
    assert once == again
    assert once != compare(ours, theirs, ["log_loss"], seed=1)


def test_the_verdict_knows_which_way_is_better() -> None:
    ours = Answers(known().predictor(), TABLES[CLASSES])
    theirs = Answers(Trivial(CLASSES, PRIOR), TABLES[CLASSES])
    names = ["accuracy", "log_loss"]
    assert [each.verdict for each in compare(ours, theirs, names)] == [BETTER, BETTER]
    assert [each.verdict for each in compare(theirs, ours, names)] == [WORSE, WORSE]
    assert [each.verdict for each in compare(ours, ours, names)] == [SAME, SAME]


def test_few_rows_decide_nothing() -> None:
    table = Table(ROWS[:29], LABELS[:29])
    ours = Answers(known().predictor(), table)
    theirs = Answers(Trivial(CLASSES, np.array([0.01, 0.01, 0.98])), table)
    (each,) = compare(ours, theirs, ["log_loss"])
    assert each.difference.high < 0
    assert each.verdict == OPEN


class Second(Trivial):
    """Its value is the second column; the others it never looks at."""

    def predict(self, X: Floats) -> Outputs:
        return {"value": 3.0 * X[:, 1]}


def test_importance_is_what_shuffling_costs() -> None:
    X = np.random.default_rng(0).normal(size=(500, 3))
    X[:, 2] = 4.0
    y = 3.0 * X[:, 1]
    names = ["ignored", "used", "constant"]
    first, *rest = importances(Second((), np.zeros(1)), names, Table(X, y))
    assert first.feature == "used"
    # Two independent draws of 3 x are sqrt(2) * 3 apart, in root mean square.
    assert first.mean == pytest.approx(3 * np.sqrt(2) * X[:, 1].std(), rel=0.05)
    assert 0 < first.spread < 0.3
    assert {(each.feature, each.mean, each.spread) for each in rest} == {
        ("ignored", 0.0, 0.0),
        ("constant", 0.0, 0.0),
    }


def test_of_many_rows_the_importance_is_that_of_some_from_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of rows that come sorted, the first may know nothing of a feature."""
    monkeypatch.setattr(comparison, "ROWS", 100)
    x = np.maximum(np.arange(500.0) - 250.0, 0.0)
    X = np.column_stack([np.zeros(500), x])
    first, _ = importances(Second((), np.zeros(1)), ["a", "b"], Table(X, 3.0 * x))
    assert first.feature == "b"
    assert first.mean == pytest.approx(3 * np.sqrt(2) * x.std(), rel=0.2)
