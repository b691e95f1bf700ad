"""Every p-value is SciPy's, and chance alone gives the alarms that it may."""

import numpy as np
import pytest
from scipy import (
    stats,
)

from {{cookiecutter.__package_name}}.artifacts.reference import (
    BINS,
    count,
    edges_of,
    histogram,
)
from {{cookiecutter.__package_name}}.monitoring.statistics import (
    adjusted,
    chi_square,
    chi_square_tail,
    kolmogorov_smirnov,
    stability_by_chance,
    stability_index,
)


@pytest.mark.parametrize("k", [1, 2, 3, 9, 10, 40])
def test_the_tail_of_chi_square_is_scipys(k: int) -> None:
    for x in (0.0, 0.1, 1.0, k, 3.0 * k, 200.0):
        assert chi_square_tail(x, k) == pytest.approx(stats.chi2.sf(x, k), rel=1e-9)


def test_chi_square_is_scipys() -> None:
    table = np.array([[10, 20, 30, 0], [20, 15, 10, 0]])
    expected = stats.chi2_contingency(table[:, :3], correction=False).pvalue
    assert chi_square(*table) == pytest.approx(expected, rel=1e-9)
    assert chi_square(np.array([5, 0]), np.array([9, 0])) == 1.0, "one class only"
    assert chi_square(np.array([5, 1]), np.array([0, 0])) == 1.0, "no rows"


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_kolmogorov_smirnov_is_scipys(shift: float) -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=600), random.normal(shift, size=400)
    expected = stats.ks_2samp(a, b, method="exact")
    distance, p = kolmogorov_smirnov(a, b)
    assert distance == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, rel=0.05, abs=1e-4)
    assert kolmogorov_smirnov(a, a) == (0.0, 1.0)
    assert kolmogorov_smirnov(a, a[:0]) == (0.0, 1.0)


def test_adjusted_is_holms() -> None:
    assert adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjusted([0.9, 0.8]) == [1.0, 1.0]
    assert adjusted([]) == []


def test_bins_hold_equal_shares_and_an_edge_belongs_below() -> None:
    assert histogram(np.arange(100.0)).counts == (10,) * BINS
    zeros_and_ones = np.array([0.0] * 7 + [1.0] * 3)
    assert histogram(zeros_and_ones) == histogram(zeros_and_ones[::-1])
    assert histogram(zeros_and_ones).edges == (0.0,)
    assert histogram(zeros_and_ones).counts == (7, 3)
    assert edges_of(np.ones(5)) == ()
    assert count(np.array([np.nan, -9.0, 1.0, 1.1]), (1.0,)).tolist() == [2, 1]


def test_the_index_is_zero_for_equal_shares_and_symmetric() -> None:
    a, b = np.array([100, 300]), np.array([300, 100])
    assert stability_index(a, a) == 0.0
    assert stability_index(a, b) == stability_index(b, a)
    assert stability_index(a, b) == pytest.approx(0.5 * np.log(9), rel=0.01)
    assert np.isfinite(stability_index(np.array([0, 9]), np.array([9, 0])))


@pytest.mark.parametrize(("before", "now"), [(133, 50), (133, 1000), (1000, 300)])
def test_chance_gives_the_alarms_it_may_and_no_more(before: int, now: int) -> None:
    """200 times two samples of one population, and the limit for 1 in 100."""
    random = np.random.default_rng(7)
    limit = stability_by_chance(before, now, BINS, 0.01)
    alarms = 0
    for _ in range(200):
        reference = random.normal(size=before)
        edges = edges_of(reference)
        live = count(random.normal(size=now), edges)
        alarms += stability_index(count(reference, edges), live) > limit
    assert alarms <= 6


def test_a_shift_of_one_deviation_is_beyond_chance() -> None:
    random = np.random.default_rng(8)
    reference = histogram(random.normal(size=133))
    live = count(random.normal(1.0, size=100), reference.edges)
    found = stability_index(np.array(reference.counts), live)
    assert found > stability_by_chance(133, 100, BINS, 0.001)
    assert stability_by_chance(133, 0, BINS, 0.001) == np.inf
