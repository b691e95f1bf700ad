"""Metrics against values worked out by hand, and every line of the gate."""

import math
from pathlib import Path

import numpy as np
import pytest
from known import (
    ROWS,
    known,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Evaluation,
)
from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
    TrainingImpossible,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
    Predictor,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    METRICS,
    Thresholds,
    calibrate,
    calibration_error,
    evaluate,
    evaluate_baseline,
    gate,
    judge_classes,
    judge_values,
    read_thresholds,
)

# Four answers about reed and sedge; the second is wrong: it is sedge, 0.6 sure of reed.
P = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
TRUE = np.array(["reed", "sedge", "sedge", "sedge"])
JUDGED = judge_classes(["reed", "sedge"], P, TRUE)


def test_the_metrics_are_those_worked_out_by_hand() -> None:
    assert JUDGED.rows == 4
    assert JUDGED.metrics == pytest.approx(
        {
            "accuracy": 3 / 4,
            "balanced_accuracy": (1 + 2 / 3) / 2,
            "macro_f1": (2 / 3 + 4 / 5) / 2,
            "log_loss": -math.log(0.9 * 0.4 * 0.8 * 0.7) / 4,
            "calibration_error": (0.1 + 0.6 + 0.2 + 0.3) / 4,
        }
    )


def test_precision_and_recall_are_told_for_each_class() -> None:
    reed, sedge = JUDGED.per_class["reed"], JUDGED.per_class["sedge"]
    assert reed == pytest.approx(
        {"precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "rows": 1}
    )
    assert sedge == pytest.approx(
        {"precision": 1.0, "recall": 2 / 3, "f1": 4 / 5, "rows": 3}
    )


def test_the_confusion_has_a_row_for_what_is_and_a_column_for_what_was_said() -> None:
    assert JUDGED.confusion == [[1, 0], [1, 2]]


def test_a_class_that_never_came_costs_no_balanced_accuracy() -> None:
    judged = judge_classes(["reed", "sedge"], P[:1], TRUE[:1])
    assert judged.metrics["balanced_accuracy"] == 1.0
    assert judged.per_class["sedge"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "rows": 0.0,
    }


def test_certainty_about_what_is_wrong_costs_much_but_not_infinity() -> None:
    judged = judge_classes(["reed", "sedge"], np.array([[1.0, 0.0]]), TRUE[1:2])
    assert judged.metrics["log_loss"] == pytest.approx(708.396, abs=1e-3)


def test_calibration_compares_confidence_with_accuracy_in_each_bin() -> None:
    confidence = np.array([0.95, 0.85, 0.65, 0.61, 1.0])
    correct = np.array([True, True, True, False, True])
    bins = calibrate(confidence, correct)
    assert [list(each.values()) for each in bins] == [
        pytest.approx([0.6, 0.7, 2, 0.63, 0.5]),
        pytest.approx([0.8, 0.9, 1, 0.85, 1.0]),
        pytest.approx([0.9, 1.0, 2, 0.975, 1.0]),
    ]
    assert list(bins[0]) == ["from", "to", "rows", "confidence", "accuracy"]
    error = (2 * 0.13 + 1 * 0.15 + 2 * 0.025) / 5
    assert calibration_error(bins, 5) == pytest.approx(error)


def test_numbers_are_judged_by_distance() -> None:
    judged = judge_values(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    assert (judged.rows, judged.confusion, judged.per_class) == (3, [], {})
    assert judged.metrics == pytest.approx(
        {"mae": 1 / 3, "rmse": math.sqrt(1 / 3), "r2": 0.5}
    )


def test_one_number_alone_explains_no_variance() -> None:
    judged = judge_values(np.array([1.0]), np.array([2.0]))
    assert judged.metrics == {"mae": 1.0, "rmse": 1.0, "r2": 0.0}


def test_the_baseline_knows_the_shares_of_the_classes() -> None:
    table = Table(np.zeros((3, 1)), np.array(["reed", "reed", "sedge"]))
    judged = evaluate_baseline(("reed", "sedge"), np.array([0.6, 0.4]), table)
    assert judged.metrics["accuracy"] == pytest.approx(2 / 3)
    assert judged.metrics["log_loss"] == pytest.approx(-math.log(0.6 * 0.6 * 0.4) / 3)


def test_the_baseline_of_numbers_knows_their_mean() -> None:
    table = Table(np.zeros((2, 1)), np.array([1.0, 5.0]))
    judged = evaluate_baseline((), np.array([3.0]), table)
    assert judged.metrics == {"mae": 2.0, "rmse": 2.0, "r2": 0.0}


def test_what_is_judged_is_what_the_service_would_answer() -> None:
    predictor = known().predictor()
    said = predictor.predict(ROWS)["label"].astype(str)
    y = np.where(np.arange(60) < 50, said, np.roll(said, 1))
    judged = evaluate(predictor, Table(ROWS, y))
    assert judged.rows == 60
    assert judged.metrics["accuracy"] == pytest.approx(np.mean(said == y))
    assert sum(map(sum, judged.confusion)) == 60


class Saying(Predictor):
    """One answer to whatever it is asked."""

    def __init__(self, classes: tuple[str, ...], answer: list) -> None:
        self.classes = classes
        self.answer = np.array(answer)

    def predict(self, X: np.ndarray) -> Outputs:
        return {"probabilities" if self.classes else "value": self.answer}


@pytest.mark.parametrize(
    ("classes", "answer", "message"),
    [
        (("reed", "sedge"), [[0.5, 0.5], [math.nan, 0.5]], "probabilities: expected f"),
        ((), [1.0, math.inf], "value: expected finite numbers, received others; if le"),
        (
            ("reed", "sedge"),
            [[0.5, 0.5], [2.0, 1.0]],
            "probabilities: expected none below 0 and a sum of 1 in each row, received "
            "[2.0, 1.0] for one; divide each row by its sum in predict of "
            + engine.WRITTEN_IN,
        ),
        (("reed", "sedge"), [[-0.5, 1.5], [0.5, 0.5]], "probabilities: expected none"),
    ],
)
def test_answers_that_are_none_are_refused(
    classes: tuple[str, ...], answer: list, message: str
) -> None:
    table = Table(np.zeros((2, 1)), np.array(["reed", "sedge"] if classes else [1, 2]))
    with pytest.raises(TrainingImpossible) as refusal:
        evaluate(Saying(classes, answer), table)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_metrics_of_a_task_are_those_that_are_measured(task: str) -> None:
    table = Table(np.zeros((2, 1)), np.array(["reed", "sedge"]))
    judged = evaluate_baseline(("reed", "sedge"), np.array([0.5, 0.5]), table)
    if task == "regression":
        judged = judge_values(np.zeros(2), np.ones(2))
    assert tuple(judged.metrics) == METRICS[task]


class Doubling(Predictor):
    """A regression whose answer is known."""

    def __init__(self) -> None:
        self.classes = ()

    def predict(self, X: np.ndarray) -> Outputs:
        return {"value": 2.0 * X[:, 0]}


def test_a_regression_is_judged_by_its_values() -> None:
    judged = evaluate(Doubling(), Table(np.array([[1.0], [2.0]]), np.array([2.0, 5.0])))
    assert judged.metrics == pytest.approx(
        {"mae": 0.5, "rmse": math.sqrt(0.5), "r2": 1 - 1 / 4.5}
    )


MODEL = Evaluation(rows=100, metrics={"accuracy": 0.9, "log_loss": 0.3, "rmse": 2.0})
TRIVIAL = Evaluation(rows=100, metrics={"accuracy": 0.4, "log_loss": 1.1, "rmse": 2.5})


@pytest.mark.parametrize(
    ("thresholds", "failures"),
    [
        (Thresholds(), []),
        (Thresholds(at_least={"accuracy": 0.9}), []),
        (
            Thresholds(at_least={"accuracy": 0.901}),
            ["accuracy is 0.9, at least 0.901 is needed"],
        ),
        (Thresholds(at_most={"log_loss": 0.3}), []),
        (
            Thresholds(at_most={"log_loss": 0.29, "rmse": 1}),
            [
                "log_loss is 0.3, at most 0.29 is allowed",
                "rmse is 2, at most 1 is allowed",
            ],
        ),
        (Thresholds(better_than_baseline=("accuracy", "log_loss", "rmse")), []),
    ],
)
def test_the_gate_tells_each_threshold_that_is_missed(
    thresholds: Thresholds, failures: list[str]
) -> None:
    assert gate(MODEL, TRIVIAL, thresholds) == failures


def test_as_good_as_the_baseline_is_not_good_enough() -> None:
    better = Thresholds(better_than_baseline=("accuracy", "log_loss"))
    assert gate(TRIVIAL, TRIVIAL, better) == [
        "accuracy is 0.4, no better than the baseline's 0.4",
        "log_loss is 1.1, no better than the baseline's 1.1",
    ]
    assert gate(TRIVIAL, MODEL, better) == [
        "accuracy is 0.4, no better than the baseline's 0.9",
        "log_loss is 1.1, no better than the baseline's 0.3",
    ]


def test_nothing_is_as_good_as_minus_zero() -> None:
    """Which is what the mean of the target has for r2."""
    nothing = Evaluation(rows=9, metrics={"r2": -0.0})
    assert gate(nothing, nothing, Thresholds(better_than_baseline=("r2",))) == [
        "r2 is 0, no better than the baseline's 0"
    ]


def test_a_metric_that_is_not_a_number_passes_no_line() -> None:
    broken = Evaluation(rows=100, metrics={"accuracy": math.nan, "log_loss": math.nan})
    every_line = Thresholds(
        at_least={"accuracy": 0.0},
        at_most={"log_loss": 9.0},
        better_than_baseline=("accuracy", "log_loss"),
    )
    assert gate(broken, TRIVIAL, every_line) == [
        "accuracy is nan, at least 0 is needed",
        "log_loss is nan, at most 9 is allowed",
        "accuracy is nan, no better than the baseline's 0.4",
        "log_loss is nan, no better than the baseline's 1.1",
    ]


@pytest.mark.parametrize(
    "thresholds",
    [
        Thresholds(at_least={"acuracy": 0.9}),
        Thresholds(at_most={"acuracy": 0.9}),
        Thresholds(better_than_baseline=("acuracy",)),
    ],
)
def test_a_threshold_for_an_unknown_metric_is_refused(thresholds: Thresholds) -> None:
    with pytest.raises(DataInvalid) as refusal:
        gate(MODEL, TRIVIAL, thresholds)
    assert str(refusal.value) == (
        "thresholds: expected accuracy, log_loss, rmse, received 'acuracy'"
    )


def test_thresholds_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.toml"
    path.write_text('better_than_baseline = ["rmse"]\nat_least = { r2 = 0.5 }\n')
    assert read_thresholds(path) == Thresholds({"r2": 0.5}, {}, ("rmse",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("at_least = ", "Invalid value (at end of document)"),
        ("minimum = 1", "Object contains unknown field `minimum`"),
        ("[at_least]\naccuracy = true", "Expected `float`, got `bool`"),
        ("[at_least]\naccuracy = nan", "accuracy: expected a limit, not nan"),
        ("max_latency_ms = nan", "max_latency_ms: expected a limit, not nan"),
    ],
)
def test_a_thresholds_file_that_breaks_a_rule_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "thresholds.toml"
    path.write_text(text)
    with pytest.raises(DataInvalid) as refusal:
        read_thresholds(path)
    assert str(refusal.value).startswith(f"{path}: {message}")


def test_a_thresholds_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.toml"
    path.write_bytes(b"# \xff")
    with pytest.raises(DataInvalid, match="'utf-8' codec"):
        read_thresholds(path)


def test_a_missing_thresholds_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.toml"
    with pytest.raises(DataInvalid) as refusal:
        read_thresholds(path)
    assert str(refusal.value) == f"{path}: expected thresholds, received no file"
