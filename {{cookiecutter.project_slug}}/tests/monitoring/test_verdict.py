"""A verdict is right about as often as it says, and open when it can't be known."""

import numpy as np
import pytest
from scipy import (
    stats,
)

from {{cookiecutter.__package_name}}.monitoring import (
    verdict,
)
from {{cookiecutter.__package_name}}.monitoring.verdict import (
    BETTER,
    NO_WORSE,
    OPEN,
    WORSE,
    Measured,
    mcnemar,
    overall,
    paired,
    shares,
    wilson,
    wrong_answers,
)


def measured(
    low: float, high: float, rows: int = 100, p: float | None = None
) -> Measured:
    return Measured("x", 0.1, 0.1 + (low + high) / 2, low, high, rows, 0.01, p)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (measured(-0.2, -0.1), BETTER),
        (measured(0.1, 0.2), WORSE),
        (measured(-0.2, 0.005), NO_WORSE),
        (measured(-0.2, 0.1), OPEN),
        (measured(-0.2, -0.1, rows=29), OPEN),
        (measured(-0.2, -0.1, p=0.2), NO_WORSE),
        (measured(0.001, 0.2, p=0.2), OPEN),
    ],
)
def test_the_interval_decides(one: Measured, expected: str) -> None:
    assert one.verdict == expected


def test_worse_in_one_is_worse_and_open_in_one_is_open() -> None:
    better, worse = measured(-0.2, -0.1), measured(0.1, 0.2)
    no_worse, unknown = measured(-0.1, 0.0), measured(-0.1, 0.1)
    assert overall([better, no_worse]) == BETTER
    assert overall([no_worse]) == NO_WORSE
    assert overall([better, unknown]) == OPEN
    assert overall([better, unknown, worse]) == WORSE
    assert overall([]) == OPEN


def test_rows_needed_grow_with_the_square_of_the_width() -> None:
    assert measured(-0.1, 0.1).rows_needed == 10_000
    assert measured(-0.3, -0.2, rows=40).rows_needed == 30
    assert Measured("x", 0, 0, -1, 1, 50, 0.0).rows_needed == 0, "never"


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 0), (5, 5), (1, 9), (12, 3), (50_000, 50_900)]
)
def test_mcnemar_is_scipys(only_a: int, only_b: int) -> None:
    expected = 1.0
    if only_a + only_b:
        expected = stats.binomtest(only_a, only_a + only_b).pvalue
    assert mcnemar(only_a, only_b) == pytest.approx(expected)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 40), (40, 40)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert wilson(0, 0) == (0.0, 1.0)


def test_newcombes_own_example() -> None:
    """56 of 70 and 48 of 80: 0.2, from 0.0524 to 0.3339 (his table II)."""
    found = shares("x", 48, 80, 56, 70, 0.0)
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.rows == 70, "the fewer decide whether there are enough"


def test_wrong_answers_have_the_interval_of_agresti_and_min() -> None:
    """2 and 12 of 98 rows wrong in one alone: (12 - 2) / 100 +- 1.96 sqrt(14) / 100."""
    wrong = np.zeros((2, 98))
    wrong[0, :2] = wrong[1, 2:14] = 1.0
    found = wrong_answers(*wrong, margin=0.0)
    assert (found.low, found.high) == pytest.approx((0.0266652, 0.1733348), abs=1e-6)
    assert found.p_value == pytest.approx(212 / 2**14), "2 heads in 14 tosses"


def test_equal_versions_are_hardly_ever_told_apart() -> None:
    """300 times two versions that err on a tenth of 200 rows, each for itself."""
    random = np.random.default_rng(21)
    verdicts = [
        wrong_answers(
            *(random.random((2, 200)) < 0.1).astype(float), margin=0.0
        ).verdict
        for _ in range(300)
    ]
    assert verdicts.count(BETTER) + verdicts.count(WORSE) <= 22


def test_a_version_that_errs_half_as_often_is_better() -> None:
    random = np.random.default_rng(22)
    wrong_a, wrong_b = random.random((2, 600)) < [[0.2], [0.1]]
    found = wrong_answers(wrong_a.astype(float), wrong_b.astype(float), 0.01)
    assert found.verdict == BETTER
    back = wrong_answers(wrong_b.astype(float), wrong_a.astype(float), 0.01)
    assert back.verdict == WORSE


def test_two_that_never_differed_may_yet_differ() -> None:
    """Of 45 rows nothing is known about one in a hundred; of 1,000 it is."""
    assert wrong_answers(np.zeros(45), np.zeros(45), 0.01).verdict == OPEN
    assert wrong_answers(np.zeros(1000), np.zeros(1000), 0.01).verdict == NO_WORSE


def test_paired_losses_see_what_is_common_to_both() -> None:
    random = np.random.default_rng(23)
    hard = random.exponential(10.0, size=200)
    losses = hard + random.normal(0.0, 0.1, size=(2, 200))
    found = paired("loss", losses[0], losses[1] - 0.1, 0.0)
    assert found.verdict == BETTER
    assert (found.low, found.high) == pytest.approx((-0.12, -0.08), abs=0.03)


def test_with_many_rows_the_interval_is_that_of_the_normal_law(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = np.random.default_rng(24).exponential(size=(2, 2000))
    drawn = paired("loss", a, b, 0.0)
    monkeypatch.setattr(verdict, "MANY", 1000)
    computed = paired("loss", a, b, 0.0)
    assert (computed.low, computed.high) == pytest.approx(
        (drawn.low, drawn.high), abs=0.01
    )
