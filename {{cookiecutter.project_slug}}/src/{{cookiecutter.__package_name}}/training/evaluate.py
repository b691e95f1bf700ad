"""A predictor and rows that it has not seen in, metrics and a verdict out."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from ..artifacts.artifact import Evaluation
from ..errors import DataInvalid, TrainingImpossible
from ..model import engine
from ..model.arrays import Floats
from ..model.predictor import Outputs, Predictor
from .dataset import Table

BINS = 10
SUM_TOLERANCE = 1e-4  # for the sum of probabilities in float32
METRICS = {
    "classification": (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "log_loss",
        "calibration_error",
    ),
    "regression": ("mae", "rmse", "r2"),
}
HIGHER_IS_BETTER = {"accuracy", "balanced_accuracy", "macro_f1", "r2"}


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a version must reach before it may serve; read from thresholds.toml.

    not_worse_than_production: by how much each metric may be worse than the version in
    service has it.
    """

    at_least: dict[str, float] = {}
    at_most: dict[str, float] = {}
    better_than_baseline: tuple[str, ...] = ()
    not_worse_than_production: dict[str, float] = {}
    max_latency_ms: float | None = None
    max_size_mb: float | None = None


def read_thresholds(path: Path) -> Thresholds:
    """Fails: DataInvalid when it is missing, not TOML, or holds an invalid limit."""
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=Thresholds)
    except FileNotFoundError:
        raise DataInvalid(path, ["expected thresholds, received no file"]) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataInvalid(path, [str(error)]) from None
    single = {"max_latency_ms": found.max_latency_ms, "max_size_mb": found.max_size_mb}
    several = (found.at_least, found.at_most, found.not_worse_than_production, single)
    nans = [name for limits in several for name, x in limits.items() if x != x]
    if nans:  # some comparisons with nan refuse everything, others nothing
        raise DataInvalid(path, [f"{each}: expected a limit, not nan" for each in nans])
    return found


def evaluate(predictor: Predictor, test: Table) -> Evaluation:
    """Judge what the service would answer, not what the estimator would.

    Fails: TrainingImpossible when the answers can't be judged, see `check_answers`.
    """
    outputs = predictor.predict(test.X)
    check_answers(outputs)
    if predictor.classes:
        classes = list(predictor.classes)
        return judge_classes(classes, outputs["probabilities"], test.y)
    return judge_values(outputs["value"], test.y)


def check_answers(outputs: Outputs) -> None:
    """Fails: TrainingImpossible on non-finite values or invalid probabilities."""
    name = "probabilities" if "probabilities" in outputs else "value"
    answers = outputs[name]
    if not np.isfinite(answers).all():
        raise TrainingImpossible(
            f"{name}: expected finite numbers, received others; if learning diverged, "
            "lower the learning rate"
        )
    if name == "probabilities":
        off = np.abs(answers.sum(axis=1) - 1.0) > SUM_TOLERANCE
        wrong = answers[off | (answers < 0.0).any(axis=1)]
        if len(wrong):
            raise TrainingImpossible(
                "probabilities: expected none below 0 and a sum of 1 in each row, "
                f"received {wrong[0].tolist()} for one; divide each row by its "
                f"sum in predict of {engine.WRITTEN_IN}"
            )


def evaluate_baseline(
    classes: tuple[str, ...], prior: Floats, test: Table
) -> Evaluation:
    """The least that any model must beat: it knows the target's average, no more.

    prior: (k,) share of each class in the training rows, used as the probabilities of
    every row; for a regression (1,), the mean of the target.
    """
    rows = len(test.y)
    if not classes:
        return judge_values(np.full(rows, prior[0]), test.y)
    return judge_classes(list(classes), np.tile(prior, (rows, 1)), test.y)


def judge_classes(classes: list[str], P: Floats, y: NDArray[Any]) -> Evaluation:
    """P: (n, k) probabilities in the order of `classes`.  y: (n,) true labels."""
    labels = np.array(classes)
    best = labels[P.argmax(axis=1)]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, best, labels=classes, zero_division=0.0
    )
    calibration = calibrate(P.max(axis=1), best == y)
    return Evaluation(
        rows=len(y),
        metrics={
            "accuracy": float(metrics.accuracy_score(y, best)),
            "balanced_accuracy": float(recall[support > 0].mean()),
            "macro_f1": float(f1.mean()),
            "log_loss": float(log_loss(classes, P, y)),
            "calibration_error": calibration_error(calibration, len(y)),
        },
        per_class={
            name: {
                "precision": float(precision[c]),
                "recall": float(recall[c]),
                "f1": float(f1[c]),
                "rows": float(support[c]),
            }
            for c, name in enumerate(classes)
        },
        confusion=metrics.confusion_matrix(y, best, labels=classes).tolist(),
        calibration=calibration,
    )


def judge_values(predicted: Floats, y: Floats) -> Evaluation:
    """predicted, y: (n,) in the target's unit."""
    return Evaluation(
        rows=len(y),
        metrics={
            "mae": float(metrics.mean_absolute_error(y, predicted)),
            "rmse": float(metrics.root_mean_squared_error(y, predicted)),
            "r2": float(metrics.r2_score(y, predicted)) if len(y) > 1 else 0.0,
        },
    )


def log_loss(classes: list[str], P: Floats, y: NDArray[Any]) -> float:
    """Mean log loss in nats; probabilities below the smallest float count as that."""
    column = {name: c for c, name in enumerate(classes)}
    rows = np.arange(len(y))
    given = P[rows, [column[label] for label in y]]
    return float(-np.log(np.maximum(given, np.finfo(np.float64).tiny)).mean())


def calibrate(confidence: Floats, correct: NDArray[np.bool_]) -> list[dict[str, float]]:
    """How often answers were right, by confidence, in BINS bins of equal width.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 2.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table = []
    for b in range(BINS):
        inside = bins == b
        if inside.any():
            table.append(
                {
                    "from": b / BINS,
                    "to": (b + 1) / BINS,
                    "rows": float(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(correct[inside].mean()),
                }
            )
    return table


def calibration_error(table: list[dict[str, float]], rows: int) -> float:
    """Mean distance between confidence and accuracy, weighted by rows; 0 is perfect."""
    return sum(
        bin["rows"] / rows * abs(bin["confidence"] - bin["accuracy"]) for bin in table
    )


def check_thresholds(thresholds: Thresholds, metrics: tuple[str, ...]) -> None:
    """Fails: DataInvalid when a threshold names a metric that is not measured."""
    named = {
        *thresholds.at_least,
        *thresholds.at_most,
        *thresholds.better_than_baseline,
        *thresholds.not_worse_than_production,
    }
    if unknown := sorted(named - set(metrics)):
        raise DataInvalid(
            "thresholds",
            [f"expected {', '.join(metrics)}, received {name!r}" for name in unknown],
        )


def gate(
    evaluation: Evaluation, baseline: Evaluation, thresholds: Thresholds
) -> list[str]:
    """Every reason against promotion, as a sentence each; an empty list passes.

    Fails: DataInvalid when a threshold names a metric that was not measured.
    """
    measured = evaluation.metrics
    check_thresholds(thresholds, tuple(measured))
    failures = [
        f"{name} is {measured[name]:.4g}, at least {floor:g} is needed"
        for name, floor in thresholds.at_least.items()
        if not measured[name] >= floor
    ]
    failures += [
        f"{name} is {measured[name]:.4g}, at most {ceiling:g} is allowed"
        for name, ceiling in thresholds.at_most.items()
        if not measured[name] <= ceiling
    ]
    for name in thresholds.better_than_baseline:
        ours, trivial = measured[name], baseline.metrics[name]
        better = ours > trivial if name in HIGHER_IS_BETTER else ours < trivial
        if not better:
            failures.append(
                f"{name} is {ours:z.4g}, no better than the baseline's {trivial:z.4g}"
            )
    return failures
