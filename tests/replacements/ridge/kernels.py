"""Ridge regression as sums that grow row by row. Arrays in, arrays out; nothing raises.

Symbols: X (n, d) features as measured, x (d + 1,) one row after a leading 1, y (n,) the
target in its unit, A (d + 1, d + 1) the sum of x x', v (d + 1,) the sum of y x.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from .arrays import Floats

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """Compile once, keep on disk, release the GIL; mypy goes on seeing the function."""
    return cast(Kernel, numba.njit(cache=True, nogil=True)(function))


@kernel
def add_rows(X: Floats, y: Floats, A: Floats, v: Floats) -> None:
    """Fold the rows into A and v, in place: two halves add up to what the whole does.

    Source: Hoerl and Kennard 1970, Technometrics 12(1), pp. 55-67, eq. 2.1.
    """
    x = np.ones(A.shape[0])
    for i in range(X.shape[0]):
        x[1:] = X[i]
        for j in range(x.shape[0]):
            v[j] += y[i] * x[j]
            for k in range(x.shape[0]):
                A[j, k] += x[j] * x[k]


@kernel
def predict(X: Floats, coef: Floats, intercept: float) -> Floats:
    """X (n, d) to values (n,) in the target's unit."""
    values = np.full(X.shape[0], intercept)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            values[i] += X[i, j] * coef[j]
    return values
