"""Slots, the queue and the deadline, with real threads."""

import asyncio
import threading

import pytest

from {{cookiecutter.__package_name}}.errors import (
    BodyTooLarge,
    BodyTooSlow,
    DeadlineExceeded,
    Overloaded,
)
from {{cookiecutter.__package_name}}.serving.limits import (
    Bodies,
    Disconnected,
    Workers,
)


def messages(*each: dict[str, object]):
    waiting = list(each)

    async def receive() -> dict[str, object]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def part(content: bytes, more: bool) -> dict[str, object]:
    return {"type": "http.request", "body": content, "more_body": more}


def read(*each: dict[str, object], limit: int = 10, deadline_s: float = 5.0) -> bytes:
    async def scenario() -> bytes:
        bodies = Bodies(limit, deadline_s)
        reading = asyncio.create_task(bodies.read({}, messages(*each)))
        while not reading.done():
            await asyncio.sleep(0.01)
            bodies.sweep()
        return await reading

    return asyncio.run(scenario())


def test_a_body_is_put_together() -> None:
    assert read(part(b"ab", True), part(b"", True), part(b"cd", False)) == b"abcd"


def test_a_body_over_the_limit_is_refused_before_it_ends() -> None:
    with pytest.raises(BodyTooLarge, match="at most 10 bytes, got 12 or more"):
        read(part(b"123456", True), part(b"123456", True))


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    for declared in (b"11", b"9" * 30):
        reading = Bodies(10, 5.0).read({b"content-length": declared}, messages())
        with pytest.raises(BodyTooLarge):
            asyncio.run(reading)


def test_a_half_sent_body_is_given_up_at_the_deadline() -> None:
    with pytest.raises(BodyTooSlow, match=r"all of it within 0\.05 s"):
        read(part(b"1", True), deadline_s=0.05)
    with pytest.raises(BodyTooSlow):
        read(deadline_s=0.05)


def test_a_read_that_is_cancelled_from_outside_is_cancelled() -> None:
    async def scenario() -> None:
        reading = asyncio.create_task(Bodies(10, 5.0).read({}, messages()))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(scenario())


@pytest.mark.parametrize("before", [[], [part(b"1", True)]])
def test_a_client_that_left_is_not_answered(before: list[dict[str, object]]) -> None:
    with pytest.raises(Disconnected):
        read(*before, {"type": "http.disconnect"})


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


def test_a_failure_in_the_thread_reaches_the_caller() -> None:
    async def scenario() -> None:
        workers = Workers(threads=1, queue=0, deadline_s=20)
        with pytest.raises(ZeroDivisionError):
            await workers.run(divmod, 1, 0)
        workers.close()

    asyncio.run(scenario())
