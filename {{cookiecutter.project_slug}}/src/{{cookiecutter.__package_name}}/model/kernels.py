"""All compiled loops of the model: arrays in, arrays out; nothing here raises.

Guards run in Python before these are called. They stand in one file because Numba's
cache does not notice an edit to a kernel that lives in another file. Symbols: X (n, d)
features as measured, Z (n, d) standardised, W (k, d) coefficients, b (k,) intercepts,
y (n,) class numbers 0 to k-1, p (k,) probabilities.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from .arrays import Codes, Floats

config: Any = numba.config  # its settings are not declared
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# What is given up: the order of sums and products (reassoc), exact division (arcp), the
# sign of zero (nsz), and two roundings where one will do (contract): last digits differ
# between machines. nnan and ninf are left out on purpose: with them np.isnan would
# always be False, and a NaN could become any answer.
FAST_MATH = {"contract", "arcp", "reassoc", "nsz"}

# Serial: a service answers several requests at once, each in a thread of its own, and
# that fills the cores. True spreads the rows of each call over all cores instead, which
# pays for large tables that are asked for one by one.
PARALLEL = False
BLOCK = 256  # rows that one core takes at a time

# Needs libgomp (Debian: libgomp1). Without a name Numba may take workqueue, which ends
# the process when two threads call at once.
THREADING_LAYER = "omp"
config.THREADING_LAYER = THREADING_LAYER

# Numba's cache does not tell code that checks its indices from code that doesn't, so
# with NUMBA_BOUNDSCHECK=1 it is left alone.
CACHE = not config.BOUNDSCHECK

# A reading this many standard deviations away is as good as infinite; the cut keeps
# every sum finite whatever finite number a client sends.
FARTHEST = 1e6
TINY = 1e-300  # a probability below it counts as this, so that its logarithm is finite


def kernel(function: Kernel, *, parallel: bool = False) -> Kernel:
    """Compile once, keep on disk, release the GIL; mypy goes on seeing the function."""
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": FAST_MATH,
        "parallel": parallel,
    }
    try:
        compiled = numba.njit(cache=CACHE, **options)(function)
    except RuntimeError:  # no folder can be written to: compiled at every start
        compiled = numba.njit(**options)(function)
    return cast(Kernel, compiled)


def parallel_kernel(function: Kernel) -> Kernel:
    """As `kernel`, with the iterations of each `prange` spread over all cores."""
    return kernel(function, parallel=True)


@kernel
def standardised(x: float, mean: float, scale: float) -> float:
    """One reading in standard deviations from the mean, cut at FARTHEST."""
    return min(max((x - mean) / scale, -FARTHEST), FARTHEST)


@kernel
def standardise(X: Floats, mean: Floats, scale: Floats) -> Floats:
    """Z for every row of X."""
    Z = np.empty_like(X)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            Z[i, j] = standardised(X[i, j], mean[j], scale[j])
    return Z


@kernel
def moments_step(x: Floats, count: float, mean: Floats, m2: Floats) -> None:
    """Fold one row into the running mean and sum of squared deviations, in place.

    `count` already includes the row.
    Source: Welford 1962, Technometrics 4(3), pp. 419-420.
    """
    for j in range(x.shape[0]):
        delta = x[j] - mean[j]
        mean[j] += delta / count
        m2[j] += delta * (x[j] - mean[j])


@kernel
def moments(X: Floats, count: float, mean: Floats, m2: Floats) -> float:
    """Fold the rows of X into `mean` and `m2`, in order. Returns the new count."""
    for i in range(X.shape[0]):
        count += 1.0
        moments_step(X[i], count, mean, m2)
    return count


@kernel
def deviation(m2: float, count: float) -> float:
    """The standard deviation, or 1 where a feature has not varied."""
    s = np.sqrt(m2 / count) if count > 0.0 else 0.0
    return s if s > 0.0 else 1.0


@kernel
def softmax(z: Floats, W: Floats, b: Floats, p: Floats) -> None:
    """Probabilities of one standardised row, written to `p`.

    The largest score is subtracted first, so that no exponential overflows.
    """
    top = -np.inf
    for c in range(W.shape[0]):
        score = b[c]
        for j in range(W.shape[1]):
            score += W[c, j] * z[j]
        p[c] = score
        top = max(top, score)
    total = 0.0
    for c in range(p.shape[0]):
        p[c] = np.exp(p[c] - top)
        total += p[c]
    for c in range(p.shape[0]):
        p[c] /= total


@kernel
def sgd_step(
    z: Floats, label: int, W: Floats, b: Floats, eta: float, l2: float, p: Floats
) -> None:
    """One step down the gradient of log loss + l2/2 |W|^2 for one row, in place.

    Source: Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.109.
    """
    softmax(z, W, b, p)
    shrink = 1.0 - eta * l2
    for c in range(W.shape[0]):
        g = eta * (p[c] - 1.0) if c == label else eta * p[c]
        for j in range(W.shape[1]):
            W[c, j] = shrink * W[c, j] - g * z[j]
        b[c] -= g


@kernel
def step_size(eta0: float, l2: float, step: float) -> float:
    """The learning rate of step number `step`.

    Source: Bottou 2012, Stochastic Gradient Descent Tricks, section 5.2.
    """
    return eta0 / (1.0 + eta0 * l2 * step)


@kernel
def sgd_epoch(
    Z: Floats,
    y: Codes,
    order: Codes,
    W: Floats,
    b: Floats,
    eta0: float,
    l2: float,
    step: float,
) -> tuple[float, float]:
    """One pass over the rows of Z in the given order.

    Returns the new step count, and the mean log loss (nats) of each row just before
    its own step.
    """
    p = np.empty(W.shape[0])
    loss = 0.0
    for i in order:
        sgd_step(Z[i], y[i], W, b, step_size(eta0, l2, step), l2, p)
        loss -= np.log(max(p[y[i]], TINY))
        step += 1.0
    return step, loss / max(order.shape[0], 1)


@kernel
def online_pass(
    X: Floats,
    y: Codes,
    count: float,
    mean: Floats,
    m2: Floats,
    W: Floats,
    b: Floats,
    eta0: float,
    l2: float,
    step: float,
) -> float:
    """Learn from each row once, in order: first its moments, then one step.

    Row by row, so that two batches leave exactly the state that one pass over both
    leaves. Returns the new step count; the count of rows grows by len(X).
    """
    z = np.empty(X.shape[1])
    p = np.empty(W.shape[0])
    for i in range(X.shape[0]):
        count += 1.0
        moments_step(X[i], count, mean, m2)
        for j in range(X.shape[1]):
            z[j] = standardised(X[i, j], mean[j], deviation(m2[j], count))
        sgd_step(z, y[i], W, b, step_size(eta0, l2, step), l2, p)
        step += 1.0
    return step


@kernel
def predict_rows(
    X: Floats,
    first: int,
    last: int,
    mean: Floats,
    scale: Floats,
    coef: Floats,
    intercept: Floats,
    P: Floats,
) -> None:
    """Probabilities of the rows from `first` up to `last`, written to those of P."""
    z = np.empty(X.shape[1])
    for i in range(first, last):
        for j in range(X.shape[1]):
            z[j] = standardised(X[i, j], mean[j], scale[j])
        softmax(z, coef, intercept, P[i])


@kernel
def predict_serial(
    X: Floats, mean: Floats, scale: Floats, coef: Floats, intercept: Floats
) -> Floats:
    """X (n, d) to probabilities (n, k) on one core."""
    P = np.empty((X.shape[0], coef.shape[0]))
    predict_rows(X, 0, X.shape[0], mean, scale, coef, intercept, P)
    return P


@parallel_kernel
def predict_parallel(
    X: Floats, mean: Floats, scale: Floats, coef: Floats, intercept: Floats
) -> Floats:
    """The same answers, a block of rows at a time on each core."""
    n = X.shape[0]
    P = np.empty((n, coef.shape[0]))
    for block in numba.prange((n + BLOCK - 1) // BLOCK):
        first = block * BLOCK
        last = min(first + BLOCK, n)
        predict_rows(X, first, last, mean, scale, coef, intercept, P)
    return P


# What the service runs. It is given X and then, of what `to_arrays` returned, what is
# named like the other arguments: a model of yours keeps `predict(X, ...)` and names its
# own.
predict = predict_parallel if PARALLEL else predict_serial
