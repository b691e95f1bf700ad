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


class Clock:
    """Time that passes only while somebody waits or computes."""

    def __init__(self, minutes: float) -> None:
        self.now, self.end = 0.0, minutes * 60

    def read(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self.end


class Slow(Sure):
    """A fifth of a second for each request, by its clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(0.9)
        self.clock = clock
        self.asked: list[float] = []

    def predict(self, X: Floats) -> Outputs:
        self.asked.append(self.clock.now)
        self.clock.now += 0.2
        return super().predict(X)


def compare_all(found: Shadow) -> None:
    while found.compare():
        pass


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
    compare_all(found)
    assert found.answers.tolist() == [[1, 0], [1, 1]]
    assert found.rows == 3
    assert found.difference == pytest.approx(0.8)
    assert found.differences.tolist() == [2, 0, 0, 0, 0, 0, 1, 0]
    assert found.seconds["serving"] > 0


def test_numbers_differ_in_units_of_their_span() -> None:
    found = Shadow(Line(0), candidate(Line(5), edges=(10.0, 20.0, 60.0)))
    found.beside(Line(0).predict)(column(1, 2))
    compare_all(found)
    assert found.difference == pytest.approx(2 * 0.1)
    assert found.answers.size == 0


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    found = Shadow(Sure(0.9), candidate(Sure(0.9)))
    predict = found.beside(found._serving.predict)
    for _ in range(shadow.WAITING + 7):
        predict(column(1))
    assert found.dropped == 7
    compare_all(found)
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
    compare_all(found)
    assert (found.failed, found.compared) == (3, 0)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("answer", "received"),
    [
        (np.array([[0.1, 0.2, 0.7]]), "of the shape (1, 3)"),
        (np.array([[np.nan, 0.5]]), "array([[nan, 0.5]]) of the shape (1, 2)"),
    ],
)
def test_an_answer_that_cannot_be_compared_is_a_failure_of_the_shadow(
    caplog: pytest.LogCaptureFixture, answer: Floats, received: str
) -> None:
    other = SimpleNamespace(predict=lambda _: {"probabilities": answer})
    found = Shadow(Sure(0.9), candidate(other))
    for _ in range(2):
        found.beside(Sure(0.9).predict)(column(1))
    compare_all(found)
    assert (found.failed, found.compared, found.rows) == (2, 0, 0)
    assert (found.difference, found.answers.sum()) == (0.0, 0)
    assert found.seconds == {"serving": 0.0, "shadow": 0.0}
    assert len(caplog.records) == 1
    assert "expected finite numbers of the shape (1, 2), received " in caplog.text
    assert received in caplog.text


def test_a_request_that_the_version_in_service_could_not_answer_is_not_compared() -> (
    None
):
    found = Shadow(Sure(0.9), candidate(Sure(0.9)))
    found.beside(Sure(np.nan).predict)(column(1))
    compare_all(found)
    assert (found.failed, found.compared, found.difference) == (0, 0, 0.0)


def test_a_slow_shadow_takes_its_share_one_request_at_a_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock(minutes=6)
    slow = Slow(clock)
    timer = SimpleNamespace(perf_counter=clock.read, monotonic=clock.read)
    monkeypatch.setattr(shadow, "time", timer)
    found = Shadow(Sure(0.9), candidate(slow))
    for _ in range(shadow.WAITING):
        found.beside(Sure(0.9).predict)(column(1))
    found._stopped = clock  # type: ignore[assignment]
    found._run()
    share = len(slow.asked) * 0.2 / clock.now
    assert share == pytest.approx(shadow.BUDGET, rel=0.1)
    assert np.diff(slow.asked).min() > 3.9
    assert caplog.text.count("requests compared") == 5


def test_of_quick_requests_a_tick_compares_many() -> None:
    found = Shadow(Sure(0.9), candidate(Sure(0.9)))
    for _ in range(5):
        found.beside(Sure(0.9).predict)(column(1))
    found._may_take = 0.0
    with pytest.MonkeyPatch.context() as patched:
        timer = SimpleNamespace(perf_counter=lambda: 0.0)
        patched.setattr(shadow, "time", timer)
        found._tick()
    assert found.compared == 5


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
