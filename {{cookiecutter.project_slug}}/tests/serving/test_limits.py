"""Slots, the queue and the deadline, with real threads."""

import asyncio
import threading

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.errors import (
    DeadlineExceeded,
    Overloaded,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.serving.limits import (
    Workers,
    brief_body,
)


@pytest.mark.parametrize(
    ("row_s", "small"), [(0.00001, 1000), (0.0001, 8 * 5 * 4), (0.0011, 0)]
)
def test_a_brief_body_holds_what_is_predicted_in_a_millisecond(
    row_s: float, small: int
) -> None:
    now, asked = 0.0, 0

    def predict(X: Floats) -> None:
        nonlocal now, asked
        assert X.shape == (len(X), 5)
        now += row_s * len(X)
        asked += len(X)

    assert brief_body(predict, np.zeros((1, 5)), 1000, clock=lambda: now) == small
    assert now < 0.01, "a slow model is not asked for much"


def test_what_else_the_machine_does_makes_no_model_slow() -> None:
    steps = iter(np.tile([0.0, 5.0, 0.0, 0.0, 0.0, 0.0], 50).cumsum())
    row = np.zeros((1, 5))
    assert brief_body(len, row, 1000, clock=lambda: next(steps)) == 1000


def test_what_is_over_the_queue_is_refused_at_once() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=1, deadline_s=20)
        go_on = threading.Event()
        jobs = [asyncio.create_task(workers.run(go_on.wait, 20)) for _ in range(2)]
        await asyncio.sleep(0)
        assert (workers.in_flight, workers.queued) == (1, 1)
        with pytest.raises(Overloaded, match="1 requests in flight and 1 waiting"):
            await workers.run(int)
        assert workers.shed == 1
        go_on.set()
        assert await asyncio.gather(*jobs) == [True, True]
        workers.close()

    asyncio.run(scenario())


def test_a_slot_is_given_back_only_when_its_thread_ends() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=0, deadline_s=0.05)
        go_on = threading.Event()
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.05 s"):
            await workers.run(go_on.wait, 20)
        assert workers.taken == 1, "the thread still runs"
        with pytest.raises(Overloaded):
            await workers.run(int)
        go_on.set()
        async with asyncio.timeout(20):
            while workers.taken:
                await asyncio.sleep(0.001)
        assert await workers.run(int) == 0
        workers.close()

    asyncio.run(scenario())


def test_a_waiting_request_that_is_given_up_never_runs() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=1, deadline_s=0.05)
        go_on, ran = threading.Event(), threading.Event()
        first = asyncio.create_task(workers.run(go_on.wait, 20))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await workers.run(ran.set)
        go_on.set()
        with pytest.raises(DeadlineExceeded):
            await first
        async with asyncio.timeout(20):
            while workers.taken:
                await asyncio.sleep(0.001)
        assert not ran.is_set()
        workers.close()

    asyncio.run(scenario())


def test_what_still_waits_at_the_end_is_cancelled() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=1, deadline_s=20)
        go_on = threading.Event()
        first = asyncio.create_task(workers.run(go_on.wait, 20))
        waiting = asyncio.create_task(workers.run(int))
        await asyncio.sleep(0)
        workers.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()
        assert await first

    asyncio.run(scenario())


def test_others_come_between_two_turns() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=9, deadline_s=20)
        seen: list[str] = []

        async def round_by_round() -> None:
            while seen.count("turn") < 4:
                seen.append("round")
                await asyncio.sleep(0)

        others = asyncio.create_task(round_by_round())
        turns = [
            asyncio.create_task(workers.in_turn(seen.append, "turn")) for _ in range(4)
        ]
        await asyncio.sleep(0)
        assert (workers.in_flight, workers.queued) == (1, 2), "the first has been"
        turns.pop().cancel()  # the client has gone
        await asyncio.sleep(0)
        turns.append(asyncio.create_task(workers.in_turn(seen.append, "turn")))
        await asyncio.gather(*turns, others)
        assert workers.taken == 0
        assert seen.count("turn") == 4
        assert "turn turn" not in " ".join(seen)
        assert await workers.in_turn(int) == 0, "without a wait, and with nobody before"
        workers.close()

    asyncio.run(scenario())


def test_turns_have_the_same_queue_and_deadline() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=1, deadline_s=0)
        at_once, *waited, refused = await asyncio.gather(
            *(workers.in_turn(int) for _ in range(4)), return_exceptions=True
        )
        assert at_once == 0
        assert [type(each) for each in waited] == [DeadlineExceeded] * 2
        assert isinstance(refused, Overloaded)
        with pytest.raises(ZeroDivisionError):
            await workers.in_turn(divmod, 1, 0)
        assert workers.taken == 0
        workers.close()

    asyncio.run(scenario())


def test_a_failure_in_the_thread_reaches_the_caller() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=0, deadline_s=20)
        with pytest.raises(ZeroDivisionError):
            await workers.run(divmod, 1, 0)
        workers.close()

    asyncio.run(scenario())


def test_a_thread_that_cannot_be_started_takes_no_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        workers = Workers(threads=1, queue=0, deadline_s=20)
        with monkeypatch.context() as exhausted:
            exhausted.setattr(threading.Thread, "start", fail)
            with pytest.raises(RuntimeError):
                await workers.run(int)
        assert await workers.run(int) == 0
        workers.close()

    asyncio.run(scenario())
