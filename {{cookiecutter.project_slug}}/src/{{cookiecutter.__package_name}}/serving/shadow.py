"""Rows and answers of the version in service in; how another version differs out.

A request leaves a copy in a bounded list and goes on. A thread asks the other version,
for at most the share BUDGET of its time; copies that don't fit in are dropped and
counted. An answer that can't be compared counts as a failure of the shadow.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from ..model.arrays import Floats
from ..model.predictor import Outputs, Predictor
from ..monitoring.live import Predict
from .service import Service

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

WAITING = 100  # maximum number of requests that wait to be compared
ROWS_KEPT = 256  # of one request, evenly spaced
BUDGET = 0.05  # of a core
TICK_S = 0.05
REPORT_S = 60.0
BUCKETS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)


class Shadow:
    """Compares one version with another, row by row, from `start` to `stop`."""

    def __init__(self, serving: Predictor, candidate: Service) -> None:
        assert candidate.predictor is not None  # noqa: S101  for mypy
        assert candidate.manifest is not None  # noqa: S101
        self.version = candidate.version
        self.classes = serving.classes
        self.compared = self.dropped = self.failed = 0
        self.rows = 0
        self.seconds = {"serving": 0.0, "shadow": 0.0}
        k = len(self.classes)
        self.answers = np.zeros((k, k), dtype=np.int64)  # [our label, their label]
        self.differences = np.zeros(len(BUCKETS) + 1, dtype=np.int64)
        self.difference = 0.0
        self._serving, self._candidate = serving, candidate.predictor
        self._output = "probabilities" if k else "value"
        # Differences of numbers are in units of the span of their middle 80 %.
        reference = candidate.manifest.reference
        edges = reference.answers.edges if reference else ()
        span = edges[-1] - edges[0] if edges else 0.0
        self._unit = 1.0 if k or span <= 0.0 else span
        self._waiting: deque[tuple[Floats, Floats]] = deque()
        self._may_take = 0.0  # seconds; negative until a slow answer is paid off
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def beside(self, predict: Predict) -> Predict:
        """The same `predict`, which also leaves a copy of its rows and answers."""
        output = self._output

        def both(X: Floats) -> Outputs:
            outputs = predict(X)
            self._offer(X, outputs[output])
            return outputs

        return both

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _offer(self, X: Floats, answer: Floats) -> None:
        if len(X) > ROWS_KEPT:
            some = slice(None, None, -(-len(X) // ROWS_KEPT))
            X, answer = X[some].copy(), answer[some].copy()
        with self._lock:  # large requests come from threads
            if len(self._waiting) < WAITING:
                self._waiting.append((X, answer))
            else:
                self.dropped += 1

    def _run(self) -> None:
        reported = time.monotonic()
        while not self._stopped.wait(TICK_S):
            self._tick()
            if time.monotonic() - reported >= REPORT_S:
                reported = time.monotonic()
                self._report()

    def _tick(self) -> None:
        """Compare what a tick has time for; a slow request uses up that of many ticks.

        So a burst of them is spread over minutes, and the report is still logged.
        """
        self._may_take = min(self._may_take, 0.0) + TICK_S * BUDGET
        while self._may_take > 0.0:
            began = time.perf_counter()
            if not self.compare():
                return
            self._may_take -= time.perf_counter() - began

    def compare(self) -> bool:
        """Ask the other version about the oldest copy; False when nothing waits."""
        with self._lock:
            if not self._waiting:
                return False
            X, ours = self._waiting.popleft()
        try:
            if np.isfinite(ours).all():  # otherwise the request failed
                self._count(ours, self._ask(X, ours))
        except Exception:
            if not self.failed:
                log.exception("the shadow, version %s, failed", self.version)
            self.failed += 1
        return True

    def _count(self, ours: Floats, theirs: Floats) -> None:
        """Count how the answers to one request differ."""
        self.compared += 1
        self.rows += len(ours)
        distance = np.abs(theirs - ours)
        if self.classes:
            distance = distance.max(axis=1)
            pair = (ours.argmax(axis=1), theirs.argmax(axis=1))
            np.add.at(self.answers, pair, 1)
        distance = distance / self._unit
        self.difference += float(distance.sum())
        places = np.searchsorted(BUCKETS, distance)
        self.differences += np.bincount(places, minlength=len(BUCKETS) + 1)

    def _ask(self, X: Floats, ours: Floats) -> Floats:
        """The other version's answer. Both are timed here, to be comparable.

        Fails: ValueError on an answer that isn't finite numbers in the shape of `ours`.
        """
        began = time.perf_counter()
        answer = self._candidate.predict(X)[self._output]
        between = time.perf_counter()
        if answer.shape != ours.shape or not np.isfinite(answer).all():
            raise ValueError(
                f"{self._output}: expected finite numbers of the shape {ours.shape}, "
                f"received {answer!r:.200} of the shape {answer.shape}"
            )
        self._serving.predict(X)
        self.seconds["shadow"] += between - began
        self.seconds["serving"] += time.perf_counter() - between
        return answer

    def _report(self) -> None:
        changed = self.answers.sum() - self.answers.trace()
        log.info(
            "shadow %s: %d requests compared, %d rows, %d with another label, mean "
            "difference %.4g, %d dropped, %d failed",
            self.version,
            self.compared,
            self.rows,
            changed,
            self.difference / max(self.rows, 1),
            self.dropped,
            self.failed,
        )

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "shadow_requests",
            "Answered requests, by what became of their copy.",
            labels=["version", "result"],
        )
        for result in ("compared", "dropped", "failed"):
            requests.add_metric([self.version, result], getattr(self, result))
        yield requests
        answers = CounterMetricFamily(
            "shadow_answers",
            "Rows by the label in service and by the shadow's.",
            labels=["version", "serving", "shadow"],
        )
        for i, ours in enumerate(self.classes):
            for j, theirs in enumerate(self.classes):
                answers.add_metric([self.version, ours, theirs], self.answers[i, j])
        yield answers
        difference = HistogramMetricFamily(
            "shadow_difference",
            "Rows by the largest difference of a probability, or of the number.",
            labels=["version"],
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        cumulative = list(
            zip(bounds, accumulate(self.differences.tolist()), strict=True)
        )
        difference.add_metric([self.version], cumulative, sum_value=self.difference)
        yield difference
        seconds = CounterMetricFamily(
            "shadow_predict_seconds",
            "Time of the compared requests in either model.",
            labels=["version", "role"],
        )
        for role, total in self.seconds.items():
            seconds.add_metric([self.version, role], total)
        yield seconds
