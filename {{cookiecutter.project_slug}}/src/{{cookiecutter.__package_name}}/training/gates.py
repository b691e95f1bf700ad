"""A predictor, what it costs and what serves now in; reasons against promotion out."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.arrays import Floats
from ..model.predictor import Predictor
from .dataset import Table
from .evaluate import BINS, HIGHER_IS_BETTER, Thresholds

ROUNDS = 500
CERTAINTY = 0.95
CALLS = 100
Weights = NDArray[np.int64]
Counts = NDArray[Any]


def cost_failures(
    predictor: Predictor, files: Mapping[str, bytes], row: Floats, limits: Thresholds
) -> list[str]:
    """What answering one row (1, d) takes, and the bytes of the version's files."""
    failures = []
    if limits.max_latency_ms is not None:
        latency_ms = measure_latency_ms(predictor, row)
        if latency_ms > limits.max_latency_ms:
            failures.append(
                f"one row takes {latency_ms:.3g} ms, at most "
                f"{limits.max_latency_ms:g} ms is allowed"
            )
    if limits.max_size_mb is not None:
        size_mb = sum(map(len, files.values())) / 1e6
        if size_mb > limits.max_size_mb:
            failures.append(
                f"the version is {size_mb:.3g} MB large, at most "
                f"{limits.max_size_mb:g} MB is allowed"
            )
    return failures


def measure_latency_ms(predictor: Predictor, row: Floats) -> float:
    """p50 of CALLS predictions of one row, warm; the best of three rounds of them.

    Other work on the machine only ever makes a round slower.
    """
    predictor.warm_up()
    rounds = []
    for _ in range(3):
        taken = np.empty(CALLS)
        for i in range(CALLS):
            began = time.perf_counter_ns()
            predictor.predict(row)
            taken[i] = time.perf_counter_ns() - began
        rounds.append(float(np.median(taken)) / 1e6)
    return min(rounds)


def production_failures(
    candidate: Predictor, current: Predictor, test: Table, margins: dict[str, float]
) -> list[str]:
    """Metrics that are worse by more than their margin, and not by chance alone.

    Both answer the same rows. The rows are drawn again ROUNDS times; only when
    CERTAINTY of the differences are beyond the margin does it count.
    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    ours, theirs = Answers(candidate, test), Answers(current, test)
    failures = []
    for name, margin in margins.items():
        sign = -1.0 if name in HIGHER_IS_BETTER else 1.0
        worse = sign * differences(name, ours, theirs)
        surely = float(np.quantile(worse[1:], 1 - CERTAINTY))
        if surely > margin:
            failures.append(
                f"{name} is {worse[0]:.3g} worse than that of the version in service, "
                f"surely by {surely:.3g}; at most {margin:g} is allowed"
            )
    return failures


def differences(name: str, ours: "Answers", theirs: "Answers") -> Floats:
    """(1 + ROUNDS,) ours minus theirs: of the rows themselves, then of each draw."""
    rows = len(ours.y)
    random = np.random.default_rng(0)
    found = np.empty(1 + ROUNDS)
    weights = np.ones(rows, dtype=np.int64)
    for i in range(1 + ROUNDS):
        found[i] = ours.metric(name, weights) - theirs.metric(name, weights)
        weights = np.bincount(random.integers(0, rows, rows), minlength=rows)
    return found


class Answers:
    """What one predictor says; any metric of it, each row counted so many times."""

    def __init__(self, predictor: Predictor, test: Table) -> None:
        outputs = predictor.predict(test.X)
        self.y = test.y
        self.k = len(predictor.classes)
        if not self.k:
            self.value = outputs["value"]
            return
        column = {name: c for c, name in enumerate(predictor.classes)}
        P = outputs["probabilities"]
        self.truth = np.array([column[label] for label in test.y])
        self.best = P.argmax(axis=1)
        given = P[np.arange(len(P)), self.truth]
        self.surprise = -np.log(np.maximum(given, np.finfo(np.float64).tiny))
        self.confidence = P.max(axis=1)
        self.correct = (self.best == self.truth).astype(np.float64)
        self.bin = np.minimum((self.confidence * BINS).astype(int), BINS - 1)

    def metric(self, name: str, weights: Weights) -> float:
        """As `evaluate` has it, row i counted weights[i] times."""
        return float(getattr(self, f"_{name}")(weights))

    def _accuracy(self, w: Weights) -> float:
        return float(w @ self.correct / w.sum())

    def _log_loss(self, w: Weights) -> float:
        return float(w @ self.surprise / w.sum())

    def _calibration_error(self, w: Weights) -> float:
        apart = np.bincount(self.bin, w * (self.confidence - self.correct), BINS)
        return float(np.abs(apart).sum() / w.sum())

    def _balanced_accuracy(self, w: Weights) -> float:
        hits, support, _ = self._counts(w)
        return float((hits[support > 0] / support[support > 0]).mean())

    def _macro_f1(self, w: Weights) -> float:
        hits, support, named = self._counts(w)
        return float((2 * hits / np.maximum(support + named, 1)).mean())

    def _counts(self, w: Weights) -> tuple[Counts, Counts, Counts]:
        """(k,) right answers, rows and answers of each class."""
        hits = np.bincount(self.truth, w * self.correct, self.k)
        support = np.bincount(self.truth, w.astype(np.float64), self.k)
        return hits, support, np.bincount(self.best, w.astype(np.float64), self.k)

    def _mae(self, w: Weights) -> float:
        return float(w @ np.abs(self.value - self.y) / w.sum())

    def _rmse(self, w: Weights) -> float:
        return float(np.sqrt(w @ (self.value - self.y) ** 2 / w.sum()))

    def _r2(self, w: Weights) -> float:
        spread = w @ (self.y - w @ self.y / w.sum()) ** 2
        left = w @ (self.value - self.y) ** 2
        return float(1 - left / spread) if spread > 0 else 0.0
