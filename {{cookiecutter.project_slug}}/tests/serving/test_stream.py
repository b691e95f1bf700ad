"""A stream of predictions: one answer a message, and refused as a request is."""

import asyncio
import io
import json
import threading
from collections.abc import (
    Callable,
    Iterator,
)
from contextlib import (
    contextmanager,
)
from typing import (
    Any,
)
from unittest.mock import (
    Mock,
    create_autospec,
)

import pytest
import uvicorn
from asking import (
    V1,
    Asked,
    asking,
    scrape,
)
from processes import (
    Running,
    rows,
)
from starlette.testclient import (
    TestClient,
    WebSocketDenialResponse,
)
from uvicorn.server import (
    ServerState,
)
from websockets.exceptions import (
    ConnectionClosedError,
)
from websockets.sync.client import (
    connect,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.app import (
    create_api,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.errors import (
    StoreUnreachable,
)
from {{cookiecutter.__package_name}}.serving.edge import (
    Edge,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.serving.stream import (
    MESSAGE_BYTES,
    MOST_PARTS,
    PIECE_BYTES,
    Stream,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

STREAM = V1.replace(":predict", "/stream")


def test_the_stream_answers_every_message_in_order(ask: Asked) -> None:
    with ask.client.websocket_connect(STREAM) as socket:
        socket.send_json({"instances": [ask.row]})
        assert socket.receive_json() == ask.v1([ask.row]).json()
        socket.send_text("{")
        assert "body: expected JSON" in socket.receive_json()["error"]
        socket.send_bytes(json.dumps({"instances": [ask.row]}).encode())
        assert socket.receive_json() == ask.v1([ask.row]).json()


def test_each_message_of_a_stream_is_counted_and_logged(
    ask: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(ask.edge.telemetry, "_out", log)
    route, known = "/v1/models/{model}/stream", {"x-request-id": "a-stream"}
    before = scrape(ask)["predicted_rows_total", ()]
    with ask.client.websocket_connect(STREAM, headers=known) as socket:
        for text in (json.dumps({"instances": [ask.row] * 3}), "["):
            socket.send_text(text)
            socket.receive_text()
    after = scrape(ask)
    assert after["predicted_rows_total", ()] == before + 3
    version = ask.edge.service.version
    for code in ("200", "400"):
        assert after["http_requests_total", (code, route, version)] >= 1
    lines = [json.loads(each) for each in log.getvalue().splitlines()]
    told = [each for each in lines if each.get("request_id") == "a-stream"]
    assert [(each["status"], each["rows"]) for each in told] == [(200, 3), (400, 0)]


def test_the_stream_needs_a_key_where_keys_are_required(artifact: Artifact) -> None:
    with asking(artifact, Settings(api_keys="key")) as ask:
        assert denied(ask, STREAM).status_code == 401
        given = {"authorization": "Bearer key"}
        with ask.client.websocket_connect(STREAM, headers=given) as socket:
            socket.send_json({"instances": [ask.row]})
            assert "predictions" in socket.receive_json()


def test_the_stream_is_found_below_a_root(artifact: Artifact) -> None:
    with asking(artifact, Settings(root_path="/wine")) as ask:
        for path in (STREAM, f"/wine{STREAM}"):
            with ask.client.websocket_connect(path) as socket:
                socket.send_json({"instances": [ask.row]})
                assert "predictions" in socket.receive_json()


def test_a_stream_that_comes_before_the_model_is_told_to_come_back() -> None:
    waits = threading.Event()

    def load() -> Artifact:
        waits.wait(30)
        raise StoreUnreachable("s3://models", "the test is over")

    edge = Edge(Service(Settings(), load), create_api)
    with TestClient(edge) as client:
        answer = denied(Asked(edge, client, []), STREAM)
        waits.set()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"error": "not ready: starting; try again later"}


def denied(ask: Asked, path: str) -> WebSocketDenialResponse:
    with (
        pytest.raises(WebSocketDenialResponse) as refusal,
        ask.client.websocket_connect(path, headers={"x-request-id": "a-stream"}),
    ):
        pass
    assert refusal.value.headers["x-request-id"] == "a-stream"
    return refusal.value


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/v1/models/other/stream",
            f"model: expected '{MODEL_NAME}', received 'other'",
        ),
        ("/nowhere", "/nowhere: no such path; see /docs"),
    ],
)
def test_a_stream_from_nowhere_is_refused_as_a_request_is(
    ask: Asked, path: str, expected: str
) -> None:
    answer = denied(ask, path)
    assert (answer.status_code, answer.json()) == (404, {"error": expected})


def test_each_of_many_messages_at_once_is_answered_in_turn(
    shared: tuple[Running, Store],
) -> None:
    service, store = shared
    right, wrong = rows(store, 1), "{"
    texts = [right, wrong, right] * 500
    with connect(f"ws://127.0.0.1:{service.port}{STREAM}") as socket:
        sending = threading.Thread(target=lambda: [*map(socket.send, texts)])
        sending.start()
        received = [json.loads(socket.recv(timeout=20)) for _ in texts]
        sending.join()
    assert ["error" in each for each in received] == [each == wrong for each in texts]


def test_a_message_that_is_too_large_ends_its_stream(
    shared: tuple[Running, Store],
) -> None:
    """Nor may a small one be inflated into a large one."""
    service, _ = shared
    with connect(f"ws://127.0.0.1:{service.port}{STREAM}") as socket:
        assert socket.protocol.extensions == []
        socket.send(" " * MESSAGE_BYTES)
        assert "error" in json.loads(socket.recv(timeout=20))
        socket.send(" " * (MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosedError, match=r"1009 \(message too big\)"):
            socket.recv(timeout=20)


def frame(opcode: int, text: bytes) -> bytes:
    """As a client sends it: final, short, and with a mask, here of zeros."""
    return bytes([0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0]) + text


@contextmanager
def stream(
    messages: list[str], pause: Callable[[], Any] | None = None, **ping: float
) -> Iterator[tuple[Stream, Mock]]:
    """What the event loop would talk to, and behind it who only takes messages."""

    async def taking(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while "text" in (message := await receive()):
            messages.append(message["text"])
            if pause is not None:
                await pause()

    config = uvicorn.Config(taking, lifespan="off", log_config=None, ws=Stream, **ping)
    config.load()
    made = Stream(config, ServerState(), {})
    transport = create_autospec(asyncio.Transport, instance=True)
    transport.get_extra_info.return_value = None
    transport.is_closing.return_value = False
    made.connection_made(transport)
    lines = ["GET / HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + 22 * "A" + "=="]
    made.data_received("\r\n".join([*lines, "", ""]).encode())
    yield made, transport
    transport.is_closing.return_value = True
    made.connection_lost(None)


def test_of_many_messages_few_are_parsed_and_others_have_their_turn() -> None:
    messages: list[str] = []

    async def scenario() -> None:
        with stream(messages) as (made, transport):
            for _ in range(3):  # until the stream is accepted
                await asyncio.sleep(0)
            sent = b"".join(frame(1, b"%06d" % number) for number in range(9000))
            made.data_received(sent)
            most = PIECE_BYTES // 12 + 1
            transport.resume_reading.reset_mock()
            pieces = 0
            while made.held:
                assert len(messages) <= most * pieces
                assert made.queue.qsize() <= most
                assert transport.mock_calls[-1] == ("pause_reading",)
                pieces += 1
                made.resume_writing()  # which is no reason to parse more
                await asyncio.sleep(0)
            assert pieces >= len(sent) // PIECE_BYTES
            await asyncio.sleep(0)
            assert made.queue.empty()
            assert transport.mock_calls[-1] == ("resume_reading",)

    asyncio.run(scenario())
    assert messages == [f"{number:06d}" for number in range(9000)]


def test_who_does_not_read_gets_no_more_pongs() -> None:
    async def scenario() -> None:
        with stream([]) as (made, transport):
            for _ in range(3):
                await asyncio.sleep(0)
            made.pause_writing()  # the transport calls it when its buffer is full
            transport.write.reset_mock()
            made.data_received(frame(9, b"") * 2000)
            await asyncio.sleep(0)
            transport.write.assert_not_called()
            assert transport.mock_calls[-1] == ("pause_reading",)
            made.resume_writing()
            for pieces in range(1, 4):
                pongs = b"".join(call.args[0] for call in transport.write.mock_calls)
                assert len(pongs) // 2 == min(2000, pieces * PIECE_BYTES // 6)
                await asyncio.sleep(0)
            assert made.held == b""
            assert transport.mock_calls[-1] == ("resume_reading",)

    asyncio.run(scenario())


def test_a_client_that_waits_for_a_slow_model_is_not_taken_for_gone() -> None:
    """Its pong comes behind its messages, which are not read before their turn."""

    async def scenario() -> None:
        slow = asyncio.Event()
        ping = {"ws_ping_interval": 0.01, "ws_ping_timeout": 0.01}
        with stream([], slow.wait, **ping) as (made, transport):
            for _ in range(3):
                await asyncio.sleep(0)
            made.data_received(frame(1, b"first") + frame(1, b"second"))
            await asyncio.sleep(0.2)
            assert transport.write.call_count > 2, "it has been asked several times"
            transport.close.assert_not_called()
            slow.set()
            await asyncio.sleep(0.2)
            transport.close.assert_called_once_with()

    asyncio.run(scenario())


def test_a_message_in_endless_parts_ends_its_stream() -> None:
    async def scenario() -> None:
        with stream([]) as (made, transport):
            for _ in range(3):
                await asyncio.sleep(0)
            first, more = b"\x01\x80\0\0\0\0", b"\x00\x80\0\0\0\0"
            made.data_received(first + more * (MOST_PARTS - 1))
            while made.held:
                await asyncio.sleep(0)
            transport.close.assert_not_called()
            made.data_received(more)
            transport.close.assert_called_once_with()

    asyncio.run(scenario())
