"""A forest's trees as flat arrays, and the loop that walks them. Nothing here raises.

Symbols: X (n, d) features as measured; per node of all trees in a row: feature, the
column that is compared; threshold; left and right, where to go; share (k,), what is
answered at a leaf. A leaf has left -1. roots (t,): the node at which each tree begins.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from .arrays import Codes, Floats

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
LEAF = -1


def kernel(function: Kernel) -> Kernel:
    """Compile once, keep on disk, release the GIL; mypy goes on seeing the function."""
    return cast(Kernel, numba.njit(cache=True, nogil=True)(function))


@kernel
def predict(
    X: Floats,
    roots: Codes,
    feature: Codes,
    threshold: Floats,
    left: Codes,
    right: Codes,
    share: Floats,
) -> Floats:
    """X (n, d) to probabilities (n, k): the mean of what the trees answer.

    Source: Breiman 2001, Random Forests, Machine Learning 45, pp. 5-32.
    """
    P = np.zeros((X.shape[0], share.shape[1]))
    for i in range(X.shape[0]):
        for root in roots:
            node = root
            while left[node] != LEAF:
                # scikit-learn rounds to float32 before it compares; so do we.
                if np.float32(X[i, feature[node]]) <= threshold[node]:
                    node = left[node]
                else:
                    node = right[node]
            P[i] += share[node]
        P[i] /= roots.shape[0]
    return P
