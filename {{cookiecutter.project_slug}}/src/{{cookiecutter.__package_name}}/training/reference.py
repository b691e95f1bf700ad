"""Rows in, batch by batch; a histogram of each feature out, in bounded memory."""

import numpy as np

from ..artifacts.reference import Histogram, count, edges_of
from ..model.arrays import Floats

EDGES_FROM = 10_000  # rows that the bins are made from; later rows are only counted


class Histograms:
    """Counts rows into histograms; memory holds at most EDGES_FROM rows and a batch."""

    def __init__(self) -> None:
        self._waiting: list[Floats] = []
        self._edges: list[tuple[float, ...]] = []
        self._counts: list[np.ndarray] = []

    def add(self, X: Floats) -> None:
        """X: (n, d); n may be 0."""
        if self._edges:
            self._count(X)
        elif len(X):
            self._waiting.append(X)
            if sum(map(len, self._waiting)) >= EDGES_FROM:
                self._decide()

    def found(self) -> tuple[Histogram, ...]:
        if not self._edges:
            self._decide()
        return tuple(
            Histogram(edges, tuple(counts.tolist()))
            for edges, counts in zip(self._edges, self._counts, strict=True)
        )

    def _decide(self) -> None:
        X = np.concatenate(self._waiting)
        self._waiting = []
        self._edges = [edges_of(x) for x in X.T]
        self._counts = [np.zeros(len(edges) + 1, np.int64) for edges in self._edges]
        self._count(X)

    def _count(self, X: Floats) -> None:
        for counts, edges, x in zip(self._counts, self._edges, X.T, strict=True):
            counts += count(x, edges)
