"""Bodies off the wire: bounded in size and in number."""

import asyncio
import gzip
import zlib

import pytest

from {{cookiecutter.__package_name}}.errors import (
    BodyTooLarge,
    Malformed,
    MediaUnsupported,
    Overloaded,
)
from {{cookiecutter.__package_name}}.serving.bodies import (
    AT_ONCE,
    Bodies,
    Disconnected,
    inflate,
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


def anything() -> None:
    """There is room for every request."""


def read(*each: dict[str, object], limit: int = 10) -> bytes:
    return asyncio.run(Bodies(limit, anything).read({}, messages(*each)))


def test_a_body_is_put_together() -> None:
    assert read(part(b"ab", True), part(b"", True), part(b"cd", False)) == b"abcd"


def test_a_body_over_the_limit_is_refused_before_it_ends() -> None:
    with pytest.raises(BodyTooLarge, match="at most 10 bytes, got 12 or more"):
        read(part(b"123456", True), part(b"123456", True))


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    for declared in (b"11", b"9" * 30):
        reading = Bodies(10, anything).read({b"content-length": declared}, messages())
        with pytest.raises(BodyTooLarge):
            asyncio.run(reading)


@pytest.mark.parametrize("before", [[], [part(b"1", True)]])
def test_a_client_that_left_is_not_answered(before: list[dict[str, object]]) -> None:
    with pytest.raises(Disconnected):
        read(*before, {"type": "http.disconnect"})


def test_only_so_many_large_bodies_may_arrive_at_once() -> None:
    async def scenario() -> None:
        bodies = Bodies(1_000_000, anything)
        large = {b"content-length": b"1000000"}
        reading = [
            asyncio.create_task(bodies.read(large, messages(part(b"1", True))))
            for _ in range(AT_ONCE - 1)
        ]
        unknown = {b"transfer-encoding": b"chunked"}
        reading.append(asyncio.create_task(bodies.read(unknown, messages())))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="8000000 bytes are arriving"):
            await bodies.read(large, messages())
        small = {b"content-length": b"100"}
        assert await bodies.read(small, messages(part(b"1", False))) == b"1"
        for each in reading:
            each.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        assert await bodies.read(large, messages(part(b"1", False))) == b"1"

    asyncio.run(scenario())


def test_no_large_body_is_taken_while_clients_leave_too_many_answers_unread() -> None:
    bodies = Bodies(1_000_000, anything)
    bodies.unread = AT_ONCE * 1_000_000 + 1
    large, small = {b"content-length": b"1000000"}, {b"content-length": b"100"}
    with pytest.raises(Overloaded, match="8000001 bytes of answers are not read yet"):
        asyncio.run(bodies.read(large, messages(part(b"1", False))))
    assert asyncio.run(bodies.read(small, messages(part(b"1", False)))) == b"1"


def test_a_large_body_is_refused_unread_where_there_is_no_room_for_it() -> None:
    def full() -> None:
        raise Overloaded("all slots")

    bodies = Bodies(1_000_000, full)
    with pytest.raises(Overloaded):
        asyncio.run(bodies.read({b"content-length": b"100000"}, messages()))
    small = bodies.read({b"content-length": b"1"}, messages(part(b"1", False)))
    assert asyncio.run(small) == b"1"


@pytest.mark.parametrize("name", [b"gzip", b"x-gzip"])
def test_a_gzip_body_is_inflated(name: bytes) -> None:
    assert inflate(gzip.compress(b"some text"), name, 100) == b"some text"


def test_a_deflated_body_is_inflated() -> None:
    assert inflate(zlib.compress(b"some text"), b"deflate", 100) == b"some text"


def test_a_bomb_is_refused_by_its_inflated_size() -> None:
    with pytest.raises(BodyTooLarge, match="expected at most 1000 bytes when inflated"):
        inflate(gzip.compress(bytes(10_000_000)), b"gzip", 1000)


WHOLE = gzip.compress(b"x", mtime=0)


@pytest.mark.parametrize(
    "body",
    [b"", b"plain", WHOLE[:-3], WHOLE * 2],
    ids=["empty", "plain", "cut off", "two of them"],
)
def test_what_is_no_whole_gzip_stream_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        inflate(body, b"gzip", 100)


def test_other_encodings_are_refused_by_name() -> None:
    with pytest.raises(MediaUnsupported, match="deflate or none, received 'br'"):
        inflate(b"", b"br", 100)
