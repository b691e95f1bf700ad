"""What two versions did in; whether the second is better, and how surely, out.

Every difference is B minus A of something that should be small, so less is better.
When the interval decides nothing, the verdict is "undecided".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..model.arrays import Floats

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2.0)
DRAWS = 2000
MANY = 10_000  # with more rows, the normal distribution gives what a bootstrap would
FEWEST = 30
SIGNIFICANT = 1.0 - CONFIDENCE

BETTER, NO_WORSE, WORSE, OPEN = "better", "no worse", "worse", "undecided"


@dataclass(frozen=True)
class Measured:
    """One quantity of both versions, and the interval of its difference.

    margin: by how much B may exceed A and still be no worse.
    """

    name: str
    a: float
    b: float
    low: float
    high: float
    rows: int
    margin: float
    p_value: float | None = None

    @property
    def difference(self) -> float:
        return self.b - self.a

    @property
    def verdict(self) -> str:
        certain = self.p_value is None or self.p_value < SIGNIFICANT
        if self.rows < FEWEST:
            return OPEN
        if self.low > 0.0 and certain:
            return WORSE
        if self.high < 0.0 and certain:
            return BETTER
        return NO_WORSE if self.high <= self.margin else OPEN

    @property
    def rows_needed(self) -> int:
        """Roughly how many would decide a difference of this size, or of the margin."""
        width = (self.high - self.low) / 2.0
        smallest = max(abs(self.difference), self.margin)
        times = (width / smallest) ** 2 if smallest else math.inf
        return math.ceil(max(self.rows * times, FEWEST)) if times < 1e9 else 0


def overall(measured: Sequence[Measured]) -> str:
    """Worse if any is worse; better if any is better and none is undecided."""
    verdicts = {each.verdict for each in measured}
    if WORSE in verdicts:
        return WORSE
    if OPEN in verdicts or not verdicts:
        return OPEN
    return BETTER if BETTER in verdicts else NO_WORSE


def wrong_answers(wrong_a: Floats, wrong_b: Floats, margin: float) -> Measured:
    """Share of rows answered wrongly; wrong_a, wrong_b: (n,) of 0 and 1, same rows.

    Source: McNemar 1947, Psychometrika 12(2), pp. 153-157, exact; the interval by
    Agresti & Min 2005, Statistics in Medicine 24(5), pp. 729-740.
    """
    n = len(wrong_a)
    only_a = int(((wrong_a == 1) & (wrong_b == 0)).sum())
    only_b = int(((wrong_a == 0) & (wrong_b == 1)).sum())
    middle = (only_b - only_a) / (n + 2.0)
    spread = only_a + only_b + 1.0 - (only_b - only_a) ** 2 / (n + 2.0)
    half = Z * math.sqrt(spread) / (n + 2.0)
    return Measured(
        "wrong answers",
        float(wrong_a.mean()),
        float(wrong_b.mean()),
        middle - half,
        middle + half,
        n,
        margin,
        mcnemar(only_a, only_b),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """p-value of "when only one is wrong, it is A or B with equal chance"."""
    n, k = only_a + only_b, min(only_a, only_b)
    every = math.lgamma(n + 1.0) - n * math.log(2.0)
    shares = (
        math.exp(every - math.lgamma(i + 1.0) - math.lgamma(n - i + 1.0))
        for i in range(k + 1)
    )
    return min(1.0, 2.0 * math.fsum(shares))


def paired(
    name: str, losses_a: Floats, losses_b: Floats, margin: float, seed: int = 0
) -> Measured:
    """Mean loss over the same rows (n,), the interval by a paired bootstrap.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13.
    """
    difference = losses_b - losses_a
    n = len(difference)
    if n > MANY:
        half = Z * difference.std() / math.sqrt(n)
        low, high = difference.mean() - half, difference.mean() + half
    else:
        random = np.random.default_rng(seed)
        means = [difference[random.integers(n, size=n)].mean() for _ in range(DRAWS)]
        tail = (1.0 - CONFIDENCE) / 2.0
        low, high = np.quantile(means, [tail, 1.0 - tail])
    a, b = float(losses_a.mean()), float(losses_b.mean())
    return Measured(name, a, b, float(low), float(high), n, margin)


def shares(
    name: str, k_a: float, n_a: float, k_b: float, n_b: float, margin: float
) -> Measured:
    """Two shares of different requests, k of n each.

    Source: Newcombe 1998, Statistics in Medicine 17(8), pp. 873-890, method 10.
    """
    a, b = k_a / max(n_a, 1), k_b / max(n_b, 1)
    low_a, high_a = wilson(k_a, n_a)
    low_b, high_b = wilson(k_b, n_b)
    low = b - a - math.hypot(b - low_b, high_a - a)
    high = b - a + math.hypot(high_b - b, a - low_a)
    return Measured(name, a, b, low, high, int(min(n_a, n_b)), margin)


def wilson(k: float, n: float) -> tuple[float, float]:
    """The interval of a share, k of n.

    Source: Wilson 1927, Journal of the American Statistical Association 22, 209-212.
    """
    if not n:
        return 0.0, 1.0
    p, z = k / n, Z
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)
