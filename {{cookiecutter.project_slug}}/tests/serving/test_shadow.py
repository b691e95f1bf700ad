"""What a shadow finds, what it drops, and what becomes of one that fails."""

import logging
from types import (
    SimpleNamespace,
)

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.artifacts.reference import (
    Histogram,
    Reference,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
)
from {{cookiecutter.__package_name}}.serving import (
    shadow,
)
from {{cookiecutter.__package_name}}.serving.shadow import (
    Shadow,
)


class Sure:
    """Of two classes it names the one that the only feature says, by `surely`."""

    classes = ("no", "yes")

    def __init__(self, surely: float, flipped_above: float = np.inf) -> None:
        self.surely, self.flipped_above = surely, flipped_above

    def predict(self, X: Floats) -> Outputs:
        yes = np.where(X[:, 0] > 0, self.surely, 1 - self.surely)
        yes = np.where(X[:, 0] > self.flipped_above, 1 - yes, yes)
        return {"probabilities": np.column_stack([1 - yes, yes])}


class Line:
    classes = ()

    def __init__(self, offset: float) -> None:
        self.offset = offset

    def predict(self, X: Floats) -> Outputs:
        return {"value": X[:, 0] + self.offset}


def candidate(predictor: object, edges: tuple[float, ...] = ()) -> SimpleNamespace:
    reference = Reference((), Histogram(edges, (1,) * (len(edges) + 1)))
    manifest = SimpleNamespace(reference=reference)
    return SimpleNamespace(version="v2", manifest=manifest, predictor=predictor)


def column(*values: float) -> Floats:
    return np.array(values)[:, None]


def test_changed_labels_and_distances_are_counted_by_row() -> None:
    found = Shadow(Sure(0.9), candidate(Sure(0.9, flipped_above=5)))
    predict = found.beside(found._serving.predict)
    assert predict(column(-1, 1, 9))["probabilities"][2].argmax() == 1, "ours"
    found.compare()
    assert found.answers.tolist() == [[1, 0], [1, 1]]
    assert found.rows == 3
    assert found.difference == pytest.approx(0.8)
    assert found.differences.tolist() == [2, 0, 0, 0, 0, 0, 1, 0]
    assert found.seconds["serving"] > 0


def test_numbers_differ_in_units_of_their_span() -> None:
    found = Shadow(Line(0), candidate(Line(5), edges=(10.0, 20.0, 60.0)))
    found.beside(Line(0).predict)(column(1, 2))
    found.compare()
    assert found.difference == pytest.approx(2 * 0.1)
    assert found.answers.size == 0


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    found = Shadow(Sure(0.9), candidate(Sure(0.9)))
    predict = found.beside(found._serving.predict)
    for _ in range(shadow.WAITING + 7):
        predict(column(1))
    assert found.dropped == 7
    found.compare()
    assert found.compared == shadow.WAITING
    predict(column(1))
    assert found.dropped == 7


def test_of_a_large_request_some_rows_are_compared() -> None:
    found = Shadow(Sure(0.9), candidate(Sure(0.9)))
    assert len(found.beside(Sure(0.9).predict)(np.ones((9999, 1)))["probabilities"])
    kept, answers = found._waiting[0]
    assert len(kept) == len(answers) <= shadow.ROWS_KEPT
    assert kept.base is None


def test_a_shadow_that_fails_is_logged_once_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = Shadow(Sure(0.9), candidate(SimpleNamespace(predict=None)))
    for _ in range(3):
        found.beside(Sure(0.9).predict)(column(1))
    found.compare()
    assert (found.failed, found.compared) == (3, 0)
    assert len(caplog.records) == 1


def test_now_and_then_the_log_says_what_was_found(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "REPORT_S", 0.0)
    caplog.set_level(logging.INFO)
    found = Shadow(Sure(0.9), candidate(Sure(0.9, flipped_above=5)))
    found.beside(Sure(0.9).predict)(column(1, 9))
    found.start()
    deadline = 200
    while "1 requests compared" not in caplog.text and deadline:
        deadline -= 1
        found._stopped.wait(0.05)
    found.stop()
    found._thread.join(10)
    assert "shadow v2: 1 requests compared, 2 rows, 1 with another" in caplog.text
