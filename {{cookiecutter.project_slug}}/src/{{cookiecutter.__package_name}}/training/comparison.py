"""Two models' answers to the same rows in, the differences of their metrics out.

Each comes with a bootstrap interval. Also here: the importance of each feature. All
random draws are seeded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..model.arrays import Floats
from .answers import Answering, Answers
from .dataset import Table
from .evaluate import HIGHER_IS_BETTER

DRAWS = 1000
CERTAINTY = 0.95
FEWEST = 30  # rows; with fewer, the verdict is never better or worse
REPEATS = 10
ROWS = 10_000  # maximum for importance; each feature takes REPEATS times as many
BETTER, WORSE, SAME, OPEN = "better", "worse", "the same", "undecided"


@dataclass(frozen=True)
class Interval:
    """A metric of the rows, and the interval that holds CERTAINTY of their draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """One metric of two models; `difference` is ours minus theirs on the same draws."""

    name: str
    ours: Interval
    theirs: Interval
    difference: Interval
    rows: int

    @property
    def verdict(self) -> str:
        """What can be said of ours by this metric alone, not by all of them at once."""
        sign = 1.0 if self.name in HIGHER_IS_BETTER else -1.0
        gains = sorted((sign * self.difference.low, sign * self.difference.high))
        if gains == [0.0, 0.0]:
            return SAME
        if self.rows < FEWEST or not np.isfinite(gains).all():
            return OPEN
        return BETTER if gains[0] > 0.0 else WORSE if gains[1] < 0.0 else OPEN


def compare(
    ours: Answers, theirs: Answers, names: Sequence[str], seed: int = 0
) -> list[Compared]:
    """The metrics in `names`, compared between two models' answers to the same rows.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13:
    rows are drawn with replacement, both are judged by the same draw, and the interval
    is that of the percentiles.
    """
    rows = len(ours.y)
    random = np.random.default_rng(seed)
    found = np.empty((2, len(names), 1 + DRAWS))
    weights = np.ones(rows, dtype=np.int64)
    for draw in range(1 + DRAWS):
        for side, answers in enumerate((ours, theirs)):
            found[side, :, draw] = [answers.metric(name, weights) for name in names]
        weights = np.bincount(random.integers(0, rows, rows), minlength=rows)
    return [
        Compared(name, interval(one), interval(other), interval(one - other), rows)
        for name, one, other in zip(names, *found, strict=True)
    ]


def interval(found: Floats) -> Interval:
    """found: (1 + DRAWS,) the value on the rows themselves, then on each draw."""
    tail = (1.0 - CERTAINTY) / 2.0
    low, high = np.quantile(found[1:], [tail, 1.0 - tail])
    return Interval(float(found[0]), float(low), float(high))


@dataclass(frozen=True)
class Importance:
    """By how much the loss rises when a feature's values are shuffled among the rows.

    mean and spread (standard deviation): over REPEATS shuffles, in the metric's unit.
    """

    feature: str
    mean: float
    spread: float


def importances(
    predictor: Answering, features: Sequence[str], test: Table, seed: int = 0
) -> list[Importance]:
    """The most important feature first. A feature that does not matter has 0.

    Source: Breiman 2001, Machine Learning 45, section 10; generalised to any model by
    Fisher, Rudin and Dominici 2019, Journal of Machine Learning Research 20(177).
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(test.y))[:ROWS]
    X, y = test.X[chosen], test.y[chosen]
    loss = loss_of(predictor)
    weights = np.ones(len(y), dtype=np.int64)
    before = Answers(predictor, Table(X, y)).metric(loss, weights)
    found = []
    for j, name in enumerate(features):
        shuffled = X.copy()
        rises = np.empty(REPEATS)
        for i in range(REPEATS):
            shuffled[:, j] = random.permutation(X[:, j])
            after = Answers(predictor, Table(shuffled, y)).metric(loss, weights)
            rises[i] = after - before
        found.append(Importance(name, float(rises.mean()), float(rises.std(ddof=1))))
    return sorted(found, key=lambda each: -each.mean)


def loss_of(predictor: Answering) -> str:
    """The metric that importance is measured in."""
    return "log_loss" if predictor.classes else "rmse"
