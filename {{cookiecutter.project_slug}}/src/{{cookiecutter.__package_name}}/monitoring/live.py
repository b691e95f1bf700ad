"""What a running service is asked and answers, counted against the reference.

A request only leaves two arrays in bounded lists; ten times a second, their rows are
counted into bins. Under heavy traffic only the first requests of each tenth find room,
so the counts are of a sample; its size is counted too.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.artifact import Manifest
from ..artifacts.reference import Counts, Histogram, count
from ..model.arrays import Floats
from ..model.predictor import Outputs
from .statistics import stability_by_chance, stability_index

if TYPE_CHECKING:
    from prometheus_client import Metric

# At most so many requests wait to be counted. More would spill the CPU's caches, and
# counting them would keep other requests waiting for a millisecond or longer.
ROOM, LEAST_ROOM = 32, 16
ROOM_BYTES = 8_000_000
FLOAT_BYTES = 8
ROWS_KEPT = 64  # of one request, evenly spaced
# The index covers the last one to two windows. A window is an hour, or longer, until
# WINDOW_ROWS rows have come.
WINDOW_S = 3600.0
WINDOW_ROWS = 1000
FALSE_ALARMS = 0.001  # per independent window, over all features together

Predict = Callable[[Floats], Outputs]


class Window:
    """Rows by bin, of a feature or the answers: in all, this window, and the last."""

    def __init__(self, reference: Histogram | None, bins: int) -> None:
        self.reference = np.array(reference.counts) if reference else None
        self.total = np.zeros(bins, dtype=np.int64)
        self.current = np.zeros(bins, dtype=np.int64)
        self.previous = np.zeros(bins, dtype=np.int64)

    def add(self, counts: Counts) -> None:
        self.total += counts
        self.current += counts

    def rotate(self) -> None:
        self.previous, self.current = self.current, np.zeros_like(self.current)

    def stability(self, alpha: float) -> tuple[float, float] | None:
        """The index, and what chance alone would reach; None without a reference.

        None also with a single bin: every value falls into it.
        """
        lately = self.previous + self.current
        if self.reference is None or not lately.any() or not self.reference.any():
            return None
        if len(lately) < 2:
            return None
        before, now = int(self.reference.sum()), int(lately.sum())
        chance = stability_by_chance(before, now, len(lately), alpha)
        return stability_index(self.reference, lately), chance


class Live:
    """Counts for one version. Without a reference in its manifest there is no index."""

    def __init__(
        self, manifest: Manifest, clock: Callable[[], float] = time.monotonic
    ) -> None:
        signature, reference = manifest.signature, manifest.reference or None
        self.names = [feature.name for feature in signature.features]
        self.classes = signature.classes
        self._lowest = np.array([feature.minimum for feature in signature.features])
        self._highest = np.array([feature.maximum for feature in signature.features])
        self._output = "probabilities" if signature.classes else "value"
        d = len(self.names)
        known = reference.features if reference else (None,) * d
        self._edges = [each.edges if each else () for each in known]
        self.features = [
            Window(each, len(edges) + 1)
            for each, edges in zip(known, self._edges, strict=True)
        ]
        answers = reference.answers if reference else None
        self._answer_edges = answers.edges if answers else ()
        bins = len(self.classes) or len(self._answer_edges) + 1
        self.answers = Window(answers, bins)
        self.rows = 0
        self.missing = np.zeros(d, dtype=np.int64)
        self.out_of_range = np.zeros(d, dtype=np.int64)
        fits = ROOM_BYTES // (FLOAT_BYTES * d * ROWS_KEPT)
        self._room = max(min(ROOM, fits), LEAST_ROOM)
        self._asked: deque[Floats] = deque(maxlen=self._room)
        self._answered: deque[Floats] = deque(maxlen=self._room)
        self._clock = clock
        self._since, self._window_rows = clock(), 0

    def watched(self, predict: Predict) -> Predict:
        """The same `predict`, which also leaves its input and output here."""
        asked, answered, room = self._asked, self._answered, self._room
        output = self._output

        def watched(X: Floats) -> Outputs:
            outputs = predict(X)
            if len(asked) >= room:
                return outputs
            if len(X) <= ROWS_KEPT:
                asked.append(X)
                answered.append(outputs[output])
            else:
                some = slice(None, None, -(-len(X) // ROWS_KEPT))
                asked.append(X[some].copy())
                answered.append(outputs[output][some].copy())
            return outputs

        return watched

    def lacks(self, feature: str | int) -> None:
        """Count a row without a value for this feature; it was refused or filled in."""
        if isinstance(feature, str):
            feature = self.names.index(feature)
        self.missing[feature % len(self.names)] += 1

    def fold(self) -> None:
        """Count the rows that have come since the last call."""
        if self._clock() - self._since >= WINDOW_S and self._window_rows >= WINDOW_ROWS:
            self._since, self._window_rows = self._clock(), 0
            for window in (*self.features, self.answers):
                window.rotate()
        asked = [self._asked.popleft() for _ in range(len(self._asked))]
        answered = [self._answered.popleft() for _ in range(len(self._answered))]
        if asked:
            table = np.concatenate(asked)
            self.rows += len(table)
            self._window_rows += len(table)
            self.missing += np.isnan(table).sum(axis=0)
            outside = (table < self._lowest) | (table > self._highest)
            self.out_of_range += outside.sum(axis=0)
            columns = np.ascontiguousarray(table.T)
            for window, edges, x in zip(
                self.features, self._edges, columns, strict=True
            ):
                window.add(count(x, edges))
        if answered:
            answers = np.concatenate(answered)
            if self.classes:
                k = len(self.classes)
                self.answers.add(np.bincount(answers.argmax(axis=1), minlength=k))
            else:
                self.answers.add(count(answers, self._answer_edges))

    def collect(self) -> Iterator["Metric"]:
        """The metrics for Prometheus, called on each scrape."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        self.fold()
        rows = CounterMetricFamily("watched_rows", "Rows that were counted for drift.")
        rows.add_metric([], self.rows)
        yield rows
        missing = CounterMetricFamily(
            "feature_missing", "Rows without a value.", labels=["feature"]
        )
        outside = CounterMetricFamily(
            "feature_out_of_range",
            "Watched values that training has not seen the like of.",
            labels=["feature"],
        )
        for j, name in enumerate(self.names):
            missing.add_metric([name], int(self.missing[j]))
            outside.add_metric([name], int(self.out_of_range[j]))
        yield missing
        yield outside
        answers = CounterMetricFamily(
            "predictions", "Watched rows by what was answered.", labels=["answer"]
        )
        for name, total in zip(self._answer_names(), self.answers.total, strict=True):
            answers.add_metric([name], int(total))
        yield answers
        labels = ["kind", "name"]
        index = GaugeMetricFamily(
            "drift_psi", "Population stability index against training.", labels=labels
        )
        chance = GaugeMetricFamily(
            "drift_psi_by_chance", "What chance alone may reach.", labels=labels
        )
        for kind, name, window in self._windows():
            found = window.stability(FALSE_ALARMS / (len(self.names) + 1))
            if found is not None:
                index.add_metric([kind, name], found[0])
                chance.add_metric([kind, name], found[1])
        yield index
        yield chance

    def _windows(self) -> Iterator[tuple[str, str, Window]]:
        for name, window in zip(self.names, self.features, strict=True):
            yield "feature", name, window
        yield "answer", "", self.answers

    def _answer_names(self) -> list[str]:
        """The classes, or the bins of a number."""
        if self.classes:
            return list(self.classes)
        ends = ["", *(f"{edge:.6g}" for edge in self._answer_edges), ""]
        return [f"{low}..{high}" for low, high in pairwise(ends)]
