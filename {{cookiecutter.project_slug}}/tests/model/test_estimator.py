"""What the shipped model promises beyond the pattern. Goes when its model goes."""

from collections.abc import Sequence

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.model.estimator import (
    Estimator,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)

LEARNED = ("coef_", "intercept_", "mean_", "m2_", "count_", "steps_")


def assert_same(one: Estimator, other: Estimator) -> None:
    for name in LEARNED:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("ends", [[89], [1], [60, 120], range(1, 21)])
def test_updates_in_order_leave_exactly_what_one_pass_leaves(
    table: Table, ends: Sequence[int]
) -> None:
    shuffled = np.random.default_rng(1).permutation(len(table.y))
    classes = np.unique(table.y)
    whole = Estimator()
    whole.update(table.X[shuffled], table.y[shuffled], classes=classes)
    pieces = Estimator()
    for rows in np.split(shuffled, ends):
        pieces.update(table.X[rows], table.y[rows], classes=classes)
    assert_same(pieces, whole)


def test_update_goes_on_from_fit(table: Table) -> None:
    estimator = Estimator().fit(table.X, table.y)
    before = estimator.coef_.copy()
    estimator.update(table.X[:10], table.y[:10])
    assert estimator.count_ == len(table.y) + 10
    assert not np.array_equal(estimator.coef_, before)


def test_arrays_brought_back_are_copies(table: Table) -> None:
    first = Estimator().fit(table.X, table.y)
    arrays = first.to_arrays()
    kept = {name: array.copy() for name, array in arrays.items()}
    second = Estimator().from_arrays(arrays, list(first.classes_))
    second.update(table.X, table.y)
    for name, array in kept.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_the_first_update_needs_all_classes(table: Table) -> None:
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        Estimator().update(table.X, table.y)


def test_update_refuses_a_label_that_was_not_announced(table: Table) -> None:
    estimator = Estimator().fit(table.X, table.y)
    with pytest.raises(ValueError, match=r"received .*merlot"):
        estimator.update(table.X[:1], np.array(["merlot"]))


def test_update_refuses_other_classes_than_the_first_time(table: Table) -> None:
    estimator = Estimator().fit(table.X, table.y)
    with pytest.raises(ValueError, match="expected those of the first call"):
        estimator.update(table.X, table.y, classes=["barolo", "merlot"])


def test_one_class_is_nothing_to_learn(table: Table) -> None:
    with pytest.raises(ValueError, match="received one class only: 'barolo'"):
        Estimator().fit(table.X[:2], np.array(["barolo", "barolo"]))


def test_a_long_fit_says_how_far_it_is(
    table: Table, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 1000, 2))
    monkeypatch.setattr("time.monotonic", lambda: next(ticks))
    Estimator(epochs=3).fit(table.X, table.y)
    assert "epoch 2 of 3: log loss 0." in caplog.text
