"""The model that every peer serves: rows in, labels and class probabilities out.

BENCH_MODEL names the JSON file with `classes`, `weights` (k, d) and `bias` (k,);
standardisation is folded in. BENCH_ENGINE is `numba`, as in the product, or `numpy`,
which has nothing to compile or to load from a cache at start.
"""

import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

if os.environ.get("BENCH_ENGINE", "numba") == "numba":
    from numba import njit

    @njit(cache=True, nogil=True)
    def softmax(rows: Floats, weights: Floats, bias: Floats) -> Floats:
        n, d = rows.shape
        k = weights.shape[0]
        out = np.empty((n, k))
        for i in range(n):
            largest = -np.inf
            for c in range(k):
                score = bias[c]
                for j in range(d):
                    score += weights[c, j] * rows[i, j]
                out[i, c] = score
                largest = max(largest, score)
            total = 0.0
            for c in range(k):
                out[i, c] = np.exp(out[i, c] - largest)
                total += out[i, c]
            for c in range(k):
                out[i, c] /= total
        return out

else:

    def softmax(rows: Floats, weights: Floats, bias: Floats) -> Floats:
        scores = rows @ weights.T + bias
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


class Model:
    """Loaded and warm: the first request pays for no compilation."""

    def __init__(self) -> None:
        stored = json.loads(Path(os.environ["BENCH_MODEL"]).read_bytes())
        self.classes: list[str] = stored["classes"]
        self._weights = np.array(stored["weights"], dtype=np.float64)
        self._bias = np.array(stored["bias"], dtype=np.float64)
        self.predict(np.zeros((1, self._weights.shape[1])))

    def predict(self, rows: Floats) -> tuple[list[str], Floats]:
        probabilities = softmax(rows, self._weights, self._bias)
        best = probabilities.argmax(axis=1).tolist()
        return [self.classes[c] for c in best], probabilities

    def predictions(self, instances: list[list[float]]) -> list[dict[str, object]]:
        """The V1 answer: one label and its probabilities for each row."""
        labels, probabilities = self.predict(np.array(instances, dtype=np.float64))
        return [
            {"label": label, "probabilities": row}
            for label, row in zip(labels, probabilities.tolist(), strict=True)
        ]
