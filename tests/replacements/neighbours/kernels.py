"""Nearest neighbours: distances to all known rows, votes of the k nearest.

Symbols: X (n, d) features as measured, Z standardised, known (m, d) the standardised
rows that were learned, label (m,) their class numbers.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from .arrays import Codes, Floats

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """Compile once, keep on disk, release the GIL; mypy goes on seeing the function."""
    return cast(Kernel, numba.njit(cache=True, nogil=True)(function))


@kernel
def vote(
    z: Floats, known: Floats, label: Codes, neighbours: int, power: float, p: Floats
) -> None:
    """Shares of the classes among the nearest rows, nearer ones counting for more.

    Source: Dudani 1976, The Distance-Weighted k-Nearest-Neighbor Rule, IEEE
    Transactions on Systems, Man and Cybernetics 6(4), pp. 325-327.
    """
    nearest = np.full(neighbours, np.inf)
    place = np.zeros(neighbours, dtype=np.int64)
    for r in range(known.shape[0]):
        far = 0.0
        for j in range(z.shape[0]):
            far += abs(z[j] - known[r, j]) ** power
        worst = nearest.argmax()
        if far < nearest[worst]:
            nearest[worst], place[worst] = far, r
    p[:] = 0.0
    for each in range(neighbours):
        if nearest[each] < np.inf:
            p[label[place[each]]] += 1.0 / (1e-9 + nearest[each] ** (1.0 / power))
    p /= p.sum()


@kernel
def votes(
    X: Floats,
    mean: Floats,
    scale: Floats,
    known: Floats,
    label: Codes,
    neighbours: int,
    power: float,
    classes: int,
) -> Floats:
    """X (n, d) to shares of votes (n, classes)."""
    P = np.empty((X.shape[0], classes))
    for i in range(X.shape[0]):
        vote((X[i] - mean) / scale, known, label, neighbours, power, P[i])
    return P


POWERS = {"manhattan": 1.0, "euclidean": 2.0}


def predict(
    X: Floats,
    mean: Floats,
    scale: Floats,
    known: Floats,
    label: Codes,
    settings: dict[str, Any],
) -> Floats:
    """Not compiled itself: it may take what a kernel can't, and calls one."""
    return votes(
        X,
        mean,
        scale,
        known,
        label,
        settings["neighbours"],
        POWERS[settings["metric"]],
        settings["classes"],
    )
