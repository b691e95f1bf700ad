"""A client that sends many requests at once takes neither room nor time from others."""

import asyncio
import threading
from unittest.mock import (
    create_autospec,
)

from asking import (
    V1,
    connection,
)
from known import (
    ROWS,
    known,
)
from processes import (
    Running,
    answers,
    post,
    rows,
)

from {{cookiecutter.__package_name}}.app import (
    create_api,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.serving.bodies import (
    SMALL,
)
from {{cookiecutter.__package_name}}.serving.edge import (
    Edge,
)
from {{cookiecutter.__package_name}}.serving.pieces import (
    PIECE_BYTES,
    Flow,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

GET = b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"
ROW = post(V1, f'{% raw %}{{"instances": {ROWS[:1].tolist()}}}{% endraw %}')


async def started() -> Edge:
    edge = Edge(Service(Settings(), known), create_api)
    await edge.service.start()
    edge.service.settle()
    edge.service.small = SMALL  # on a busy machine the warm-up may find less
    return edge


def test_of_many_requests_at_once_few_are_parsed_and_nothing_more_is_read() -> None:
    async def scenario() -> None:
        with connection(await started()) as (protocol, transport):
            protocol.data_received(GET * 9000)
            most = PIECE_BYTES // len(GET) + 1
            assert 1 < len(protocol.pipeline) <= most
            for _ in range(20):  # some are answered meanwhile
                await asyncio.sleep(0)
            assert len(protocol.pipeline) <= most
            assert len(protocol.held) >= len(GET) * (9000 - most)
            transport.pause_reading.assert_called_once_with()
            transport.resume_reading.assert_not_called()
        assert protocol.held == b"", "nothing is kept for a client that has left"

    asyncio.run(scenario())


def test_others_have_their_turn_after_a_piece_of_hot_requests() -> None:
    async def scenario() -> None:
        with connection(await started()) as (protocol, transport):
            sent = 9 * PIECE_BYTES // len(ROW)
            protocol.data_received(ROW * sent)
            for pieces in range(1, 9):
                assert protocol.answers == pieces * PIECE_BYTES // len(ROW)
                transport.resume_reading.assert_not_called()
                await asyncio.sleep(0)
            assert protocol.answers == sent
            transport.resume_reading.assert_called_once_with()

    asyncio.run(scenario())


def test_a_body_of_any_size_comes_in_one_turn() -> None:
    async def scenario() -> None:
        with connection(await started()) as (protocol, _):
            body = b" " * 20 * PIECE_BYTES
            head = b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            protocol.data_received(head % len(body) + body)
            assert protocol.held == b""
            assert len(protocol.cycle.body) == len(body)

    asyncio.run(scenario())


def test_reading_goes_on_when_nobody_wants_a_pause_any_more() -> None:
    transport = create_autospec(asyncio.Transport, instance=True)
    flow = Flow(transport)
    flow.pause_reading()
    flow.hold()
    flow.resume_reading()
    transport.resume_reading.assert_not_called()
    flow.release()
    transport.resume_reading.assert_called_once_with()
    flow.hold()
    flow.pause_reading()
    flow.release()
    transport.resume_reading.assert_called_once_with()
    flow.resume_reading()
    assert transport.resume_reading.call_count == transport.pause_reading.call_count


def test_each_of_many_requests_at_once_is_answered_in_turn(
    shared: tuple[Running, Store],
) -> None:
    """On the short way and the usual one, and wherever a piece ends."""
    service, store = shared
    small, large, wrong = rows(store, 1), rows(store, 3000), "{"
    bodies = [*[small, wrong, small] * 100, large] * 4
    sent = [
        post(V1, body, f"X-Request-Id: turn-{number}")
        for number, body in enumerate(bodies)
    ]
    with service.connected() as client:
        sending = threading.Thread(target=client.sendall, args=[b"".join(sent)])
        sending.start()
        received = [fields for fields, _ in answers(client, len(sent))]
        sending.join()
    names = [fields["x-request-id"] for fields in received]
    assert names == [f"turn-{number}" for number in range(len(bodies))]
    expected = ["400" if body == wrong else "200" for body in bodies]
    assert [fields["status"] for fields in received] == expected
