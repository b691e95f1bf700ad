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
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# nnan and ninf are left out on purpose: with them np.isnan would always be False.
FAST_MATH = {"contract", "arcp", "reassoc", "nsz"}

# A reading this many standard deviations away is as good as infinite; the cut keeps
# every sum finite whatever finite number a client sends.
FARTHEST = 1e6
TINY = 1e-300  # a probability below it counts as this, so that its logarithm is finite


def kernel(function: Kernel) -> Kernel:
    """Compile once, keep on disk, release the GIL; mypy goes on seeing the function."""
    options: dict[str, Any] = {"nogil": True, "fastmath": FAST_MATH}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder can be written to: compiled at every start
        compiled = numba.njit(**options)(function)
    return cast(Kernel, compiled)


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
def predict(
    X: Floats, mean: Floats, scale: Floats, coef: Floats, intercept: Floats
) -> Floats:
    """What the service runs: X (n, d) to probabilities (n, k).

    The predictor passes X and then the stored arrays that carry the names of the
    other arguments, so a model of yours keeps `predict(X, ...)` and names its own.
    """
    P = np.empty((X.shape[0], coef.shape[0]))
    z = np.empty(X.shape[1])
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            z[j] = standardised(X[i, j], mean[j], scale[j])
        softmax(z, coef, intercept, P[i])
    return P
