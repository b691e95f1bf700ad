"""Answers to labelled rows in, any metric of any bootstrap draw of those rows out."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..model.arrays import Floats
from ..model.predictor import Outputs
from .dataset import Table
from .evaluate import BINS

Weights = NDArray[np.int64]


class Answering(Protocol):
    """What judging needs of a Predictor."""

    classes: tuple[str, ...]

    def predict(self, X: Floats) -> Outputs: ...


class Trivial:
    """The baseline as a predictor: one answer for all rows, see `evaluate_baseline`."""

    def __init__(self, classes: tuple[str, ...], prior: Floats) -> None:
        self.classes = classes
        self.prior = prior

    def predict(self, X: Floats) -> Outputs:
        if not self.classes:
            return {"value": np.full(len(X), self.prior[0])}
        return {"probabilities": np.tile(self.prior, (len(X), 1))}


class Answers:
    """What one predictor answers to the rows of `test`, and metrics of weighted rows.

    A classifier has P (n, k), probabilities, and truth (n,), the column of the true
    class; a regression has value (n,). Both have y (n,).
    """

    def __init__(self, predictor: Answering, test: Table) -> None:
        outputs = predictor.predict(test.X)
        self.y = test.y
        self.k = len(predictor.classes)
        if not self.k:
            self.value: Floats = outputs["value"].astype(np.float64)
            return
        column = {name: c for c, name in enumerate(predictor.classes)}
        self.P: Floats = outputs["probabilities"].astype(np.float64)
        self.truth = np.array([column[label] for label in test.y], dtype=np.int64)
        self.best = self.P.argmax(axis=1)
        given = self.P[np.arange(len(self.P)), self.truth]
        self.surprise = -np.log(np.maximum(given, np.finfo(np.float64).tiny))
        self.confidence = self.P.max(axis=1)
        self.correct = (self.best == self.truth).astype(np.float64)
        self.bin = np.minimum((self.confidence * BINS).astype(int), BINS - 1)

    def metric(self, name: str, weights: Weights) -> float:
        """As in `evaluate`, with row i counted weights[i] times; nan when unknown."""
        measure: Any = getattr(self, f"_{name}", None)
        return float(measure(weights)) if measure else float("nan")

    def _accuracy(self, w: Weights) -> float:
        return float(w @ self.correct / w.sum())

    def _log_loss(self, w: Weights) -> float:
        return float(w @ self.surprise / w.sum())

    def _calibration_error(self, w: Weights) -> float:
        apart = np.bincount(self.bin, w * (self.confidence - self.correct), BINS)
        return float(np.abs(apart).sum() / w.sum())

    def _balanced_accuracy(self, w: Weights) -> float:
        hits, support, _ = self._counts(w)
        seen = support > 0
        return float((hits[seen] / support[seen]).mean())

    def _macro_f1(self, w: Weights) -> float:
        hits, support, said = self._counts(w)
        return float((2 * hits / np.maximum(support + said, 1)).mean())

    def _counts(self, w: Weights) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """For each class (k,): rows answered right, rows of it, rows answered as it."""
        hits = np.bincount(self.truth, w * self.correct, self.k)
        support = np.bincount(self.truth, w, self.k)
        return hits, support, np.bincount(self.best, w, self.k)

    def _mae(self, w: Weights) -> float:
        return float(w @ np.abs(self.value - self.y) / w.sum())

    def _rmse(self, w: Weights) -> float:
        return float(np.sqrt(w @ (self.value - self.y) ** 2 / w.sum()))

    def _r2(self, w: Weights) -> float:
        if len(self.y) < 2:
            return 0.0
        spread = w @ (self.y - w @ self.y / w.sum()) ** 2
        left = w @ (self.value - self.y) ** 2
        # When all of y is equal: 1 if every answer is exact, else 0, as scikit-learn.
        return float(1 - left / spread) if spread > 0 else float(left == 0)
