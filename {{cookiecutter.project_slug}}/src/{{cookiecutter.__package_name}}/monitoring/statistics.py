"""Two samples in, their distance and how often chance alone would reach it out.

Standard library and NumPy only, so that the runtime image has it too; the tests compare
each p-value with SciPy's.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from ..artifacts.reference import Counts
from ..model.arrays import Floats

SMOOTHING = 0.5  # rows added to each bin, so that an empty one has a logarithm
TERMS = 100


def stability_index(reference: Counts, current: Counts) -> float:
    """Population stability index, no unit: 0 for equal shares, 0.25 for a clear shift.

    reference, current: (k,) rows by bin. It is the symmetric form of the
    Kullback-Leibler divergence. Source: Siddiqi 2006, Credit Risk Scorecards, ch. 9.
    """
    p = (reference + SMOOTHING) / (reference + SMOOTHING).sum()
    q = (current + SMOOTHING) / (current + SMOOTHING).sum()
    return float(((q - p) * np.log(q / p)).sum())


def stability_by_chance(
    reference_rows: int, current_rows: int, bins: int, alpha: float
) -> float:
    """The index that two samples of one population exceed with probability `alpha`.

    Source: Yurdakul & Naranjo 2020, Journal of Risk Model Validation 14(4), pp. 89-100;
    the quantile by Wilson & Hilferty 1931, PNAS 17(12), pp. 684-688.
    """
    if bins < 2 or not current_rows or not reference_rows:
        return math.inf
    k = bins - 1
    z = NormalDist().inv_cdf(1.0 - alpha)
    quantile = k * (1.0 - 2.0 / (9.0 * k) + z * math.sqrt(2.0 / (9.0 * k))) ** 3
    return (1.0 / reference_rows + 1.0 / current_rows) * quantile


def chi_square(reference: Counts, current: Counts) -> float:
    """p-value of "both samples have the same shares" for (k,) and (k,) counts.

    Source: Pearson 1900, Philosophical Magazine 50(302), pp. 157-175.
    """
    table = np.array([reference, current], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return chi_square_tail(statistic, table.shape[1] - 1)


def chi_square_tail(x: float, k: int) -> float:
    """P(X > x) for chi-square with k degrees of freedom, by its finite sum.

    Source: Abramowitz & Stegun 1964, eq. 26.4.4 and 26.4.5.
    """
    half = x / 2.0
    if half <= 0.0:
        return 1.0
    tail = 0.0 if k % 2 == 0 else math.erfc(math.sqrt(half))
    power = 0.0 if k % 2 == 0 else 0.5
    while power < k / 2.0 - 0.25:
        tail += math.exp(power * math.log(half) - half - math.lgamma(power + 1.0))
        power += 1.0
    return min(tail, 1.0)


def kolmogorov_smirnov(reference: Floats, current: Floats) -> tuple[float, float]:
    """Largest distance between the distribution functions of (n,) and (m,); p-value.

    Exact only for large samples without ties; otherwise the p-value is too large,
    which can miss an alarm but never invents one.
    Source: Stephens 1970, Journal of the Royal Statistical Society B 32, pp. 115-122.
    """
    a, b = np.sort(reference), np.sort(current)
    if not len(a) or not len(b):
        return 0.0, 1.0
    both = np.concatenate([a, b])
    share_a = np.searchsorted(a, both, side="right") / len(a)
    share_b = np.searchsorted(b, both, side="right") / len(b)
    distance = float(np.abs(share_a - share_b).max())
    root = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:
        return distance, 1.0  # the series would need many terms to reach that
    terms = ((-1) ** (j - 1) * math.exp(-2.0 * (j * x) ** 2) for j in range(1, TERMS))
    return distance, min(max(2.0 * sum(terms), 0.0), 1.0)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for a family of tests, so for the chance of any false alarm.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), pp. 65-70.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    found, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, p_values[place] * (len(p_values) - rank))
        found[place] = min(largest, 1.0)
    return found
