"""Rows apart: seeded, in proportion, none lost and none twice."""

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.errors import (
    TrainingImpossible,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Column,
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.split import (
    Summary,
    at_most,
    draw,
    joined,
    row_hashes,
    split,
)

CONTRACT = Contract("kind", (Column("row"),), ("often", "rarely", "sometimes"))
NUMBERS = Contract("yield", (Column("row"),))


def numbered(**counts: int) -> Table:
    """As many rows of each class; the only feature is the number of the row."""
    y = np.repeat(list(counts), list(counts.values()))
    return Table(np.arange(len(y), dtype=np.float64)[:, None], y)


TABLE = numbered(often=60, rarely=10, sometimes=30)


def test_every_class_is_in_both_parts_in_proportion() -> None:
    train, test = split(TABLE, CONTRACT, 0.2, seed=0)
    names, counts = np.unique(test.y, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "often": 12,
        "rarely": 2,
        "sometimes": 6,
    }
    assert (len(train.y), len(test.y)) == (80, 20)


def test_each_row_is_in_one_part_with_its_own_label() -> None:
    parts = split(TABLE, CONTRACT, 0.25, seed=0)
    rows = np.concatenate([part.X[:, 0] for part in parts]).astype(int)
    labels = np.concatenate([part.y for part in parts])
    assert sorted(rows) == list(range(100))
    np.testing.assert_array_equal(labels, TABLE.y[rows])


def test_the_seed_decides_which_rows() -> None:
    one, same, other = (
        split(TABLE, CONTRACT, 0.25, seed)[1].X.tolist() for seed in (7, 7, 8)
    )
    assert one == same
    assert one != other


def test_a_class_too_rare_to_be_in_both_parts_is_refused() -> None:
    with pytest.raises(TrainingImpossible) as refusal:
        split(numbered(often=9, rarely=1), CONTRACT, 0.25, seed=0)
    message = str(refusal.value)
    assert message.startswith("10 rows can't be split, 0.25 of them to judge by: ")
    assert "rarely" in message


def test_a_share_that_leaves_a_class_unjudged_is_refused() -> None:
    with pytest.raises(TrainingImpossible, match=r"10 rows can't be split, 0\.1 of"):
        split(numbered(often=5, rarely=5), CONTRACT, 0.1, seed=0)


def test_numbers_are_split_without_classes() -> None:
    table = Table(TABLE.X, np.linspace(0.0, 1.0, 100))
    train, test = split(table, NUMBERS, 0.25, seed=0)
    assert (len(train.y), len(test.y)) == (75, 25)


def test_drawing_batch_by_batch_draws_what_drawing_the_whole_draws() -> None:
    whole = draw(TABLE, CONTRACT, 0.25, 3)
    batches = [Table(TABLE.X[a : a + 30], TABLE.y[a : a + 30]) for a in (0, 30, 60, 90)]
    drawn = [draw(batch, CONTRACT, 0.25, 3) for batch in batches]
    for part in (0, 1):
        together = joined([batch[part] for batch in drawn])
        np.testing.assert_array_equal(together.X, whole[part].X)
        np.testing.assert_array_equal(together.y, whole[part].y)
    assert len(whole[0].y) + len(whole[1].y) == 100
    assert draw(TABLE, CONTRACT, 0.25, 4)[1].X.tolist() != whole[1].X.tolist()


def test_the_share_that_is_drawn_is_the_share_that_was_asked_for() -> None:
    rows = Table(np.random.default_rng(0).normal(size=(20_000, 3)), np.zeros(20_000))
    for share in (0.05, 0.25, 0.9):
        drawn = len(draw(rows, NUMBERS, share, 0)[1].y) / 20_000
        assert drawn == pytest.approx(share, abs=0.02)


def test_equal_rows_have_equal_hashes_and_others_have_not() -> None:
    X = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [0.0, 1.0 + 1e-15]])
    one, same, *others = row_hashes(X).tolist()
    assert one == same
    assert len({one, *others}) == 3
    assert row_hashes(X, 1)[0] != one


GROUPS = Contract("yield", (Column("row"),), group="field")
TIMES = Contract("yield", (Column("row"),), time="day")


def keyed(key: list[object]) -> Table:
    numbers = np.arange(len(key), dtype=np.float64)
    return Table(numbers[:, None], numbers, np.array(key))


def test_a_group_is_on_one_side_as_a_whole() -> None:
    table = keyed([f"field {n % 40}" for n in range(400)])
    train, test = split(table, GROUPS, 0.25, seed=0)
    assert len(train.y) + len(test.y) == 400
    assert not {*train.key} & {*test.key}
    assert 0.1 < len({*test.key}) / 40 < 0.4
    other = split(table, GROUPS, 0.25, seed=1)[1]
    assert {*other.key} != {*test.key}


def test_the_latest_rows_are_judged_and_one_day_is_not_cut() -> None:
    table = keyed([5.0, 1.0, 4.0, 4.0, 2.0, 3.0, 1.0, 2.0])
    train, test = split(table, TIMES, 0.25, seed=0)
    assert sorted(test.key.tolist()) == [4.0, 4.0, 5.0]
    assert max(train.key) < min(test.key)


@pytest.mark.parametrize(("contract", "key"), [(GROUPS, ["a"] * 9), (TIMES, [1.0] * 9)])
def test_a_split_that_leaves_a_part_empty_is_refused(contract, key) -> None:
    with pytest.raises(TrainingImpossible) as refusal:
        split(keyed(key), contract, 0.25, seed=0)
    assert str(refusal.value) == (
        f"9 rows can't be split by '{contract.key}': expected some for either part; "
        "give more rows or another share"
    )


def test_no_row_to_judge_by_is_refused() -> None:
    nothing = Table(np.empty((0, 1)), np.empty(0))
    with pytest.raises(TrainingImpossible) as refusal:
        joined([nothing, nothing])
    assert str(refusal.value) == "no rows were held out to judge by; give more rows"


def test_a_sample_of_rows_is_the_same_in_whichever_order_they_came() -> None:
    turned = np.roll(np.arange(100), 37)
    sample, other = at_most(TABLE, 10), at_most(TABLE[turned], 10)
    assert len(sample.y) == 10
    assert sorted(sample.X.tolist()) == sorted(other.X.tolist())
    assert sample.X[-1, 0] > 20, "not the first"
    np.testing.assert_array_equal(sample.y, TABLE.y[sample.X[:, 0].astype(int)])
    assert at_most(TABLE, 100) is TABLE


def test_a_summary_of_batches_holds_ranges_and_shares() -> None:
    summary = Summary(CONTRACT)
    summary.add(Table(np.array([[3.0], [5.0]]), np.array(["often", "rarely"])))
    summary.add(Table(np.array([[-1.0], [4.0]]), np.array(["often", "often"])))
    summary.add(Table(np.empty((0, 1)), np.empty(0, dtype=str)))
    assert summary.rows == 4
    assert (summary.minimum.tolist(), summary.maximum.tolist()) == ([-1.0], [5.0])
    assert summary.prior(CONTRACT.classes).tolist() == [0.75, 0.25, 0.0]


def test_a_summary_of_numbers_holds_their_mean_and_range() -> None:
    summary = Summary(NUMBERS)
    summary.add(Table(np.array([[0.0], [0.0]]), np.array([1.0, 2.0])))
    summary.add(Table(np.array([[0.0]]), np.array([6.0])))
    summary.add(Table(np.empty((0, 1)), np.empty(0)))
    assert summary.prior(()).tolist() == [3.0]
    assert (summary.lowest, summary.highest) == (1.0, 6.0)
