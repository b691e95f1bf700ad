"""The model again, in slow and plain NumPy; it shares no line with the package.

Every compiled kernel is held against the function of the same name here.
"""

import numpy as np

FARTHEST = 1e6


def moments(X):
    """Count, mean and sum of squared deviations of the rows, the textbook way."""
    if len(X) == 0:
        return 0.0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    mean = X.mean(axis=0)
    return float(len(X)), mean, ((X - mean) ** 2).sum(axis=0)


def deviation(m2, count):
    s = np.sqrt(m2 / count) if count else np.zeros_like(m2)
    return np.where(s > 0, s, 1.0)


def standardise(X, mean, scale):
    with np.errstate(over="ignore"):
        return np.clip((X - mean) / scale, -FARTHEST, FARTHEST)


def softmax(scores):
    scores = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def predict(X, mean, scale, coef, intercept):
    return softmax(standardise(X, mean, scale) @ coef.T + intercept)


def sgd_epoch(Z, y, order, W, b, eta0, l2, step):
    """Returns new W and b, the step count and the mean loss; its arguments stay."""
    W, b = W.copy(), b.copy()
    losses = [0.0] if len(order) == 0 else []
    for i in order:
        p = softmax((W @ Z[i] + b)[None, :])[0]
        losses.append(-np.log(max(p[y[i]], 1e-300)))
        p[y[i]] -= 1.0
        eta = eta0 / (1.0 + eta0 * l2 * step)
        W = W - eta * (np.outer(p, Z[i]) + l2 * W)
        b = b - eta * p
        step += 1.0
    return W, b, step, np.mean(losses)


def online_pass(X, y, W, b, eta0, l2):
    """From nothing: before each step the moments of all rows up to and with it."""
    step = 0.0
    for i in range(len(X)):
        count, mean, m2 = moments(X[: i + 1])
        z = standardise(X[i], mean, deviation(m2, count))
        W, b, step, _ = sgd_epoch(z[None, :], y[i : i + 1], [0], W, b, eta0, l2, step)
    return W, b, step
