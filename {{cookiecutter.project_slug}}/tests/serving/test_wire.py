"""What may come over a socket, rightly or wrongly, and the one answer to it."""

import asyncio
import json
import re
import threading
import time
import zlib
from functools import (
    partial,
)

import pytest
from asking import (
    V1,
    connection,
)
from known import (
    known,
)
from processes import (
    PATIENCE_S,
    Running,
    answers,
    head,
    post,
    rows,
    running,
    up_to,
)

from {{cookiecutter.__package_name}}.app import (
    create_api,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.serving.edge import (
    Edge,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

HOST = b"Host: x\r\n"
GET = b"GET /v2 HTTP/1.1\r\n" + HOST + b"\r\n"


def last_words(service: Running, sent: bytes) -> bytes:
    """All that comes until the service closes the connection."""
    with service.connected() as client:
        client.sendall(sent)
        return b"".join(iter(partial(client.recv, 65_536), b""))


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"NONE / HTTP/1.1\r\n\r\n", b"GET /\xff"]
)
def test_what_is_no_http_is_refused_in_the_one_form(
    shared: tuple[Running, Store], sent: bytes
) -> None:
    service, _ = shared
    with service.connected() as client:
        client.sendall(sent)
        ((fields, body),) = answers(client, 1)
    assert fields["status"] == "400"
    assert json.loads(body)["error"].startswith("request: expected HTTP/1.1")


@pytest.mark.parametrize("wish", ["h2c", "websocket"])
@pytest.mark.parametrize("cut", [1, 60, 250, 5000])
def test_a_wish_for_another_protocol_is_ignored(
    shared: tuple[Running, Store], wish: str, cut: int
) -> None:
    """Java's client has one in every request; in whichever pieces it comes."""
    service, store = shared
    wishes = "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {wish}"
    small, large = rows(store, 1), rows(store, 3000)
    whole = post(V1, small, *wishes) + post(V1, large, *wishes) + post(V1, small)
    many = post(V1, small, *wishes) * 500
    with service.connected() as client:
        sending = threading.Thread(target=client.sendall, args=[many])
        sending.start()
        received = answers(client, 500)
        sending.join()
    assert {fields["status"] for fields, _ in received} == {"200"}
    with service.connected() as client:
        client.sendall(whole[:cut])
        time.sleep(0.05)
        client.sendall(whole[cut:])
        received = answers(client, 3)
    assert [fields["status"] for fields, _ in received] == ["200"] * 3
    assert received[0][1] == received[2][1]


@pytest.mark.parametrize("body", ["{rows}", "{", '{"instances": [[1]]}', ""])
def test_the_short_and_the_usual_way_answer_the_same(
    shared: tuple[Running, Store], body: str
) -> None:
    """A chunked body can't take the short way; nor can another version of HTTP."""
    service, store = shared
    body = body.format(rows=rows(store, 2)) if body == "{rows}" else body
    chunks = f"{len(body):x}\r\n{body}\r\n" if body else ""
    name = f"both-{zlib.crc32(body.encode())}"
    told = (f"X-Request-Id: {name}", "Content-Type: application/json")
    with service.connected() as client:
        client.sendall(post(V1, body, *told))
        client.sendall(
            post(V1, chunks + "0\r\n\r\n", *told, "Transfer-Encoding: chunked")
        )
        short, usual = answers(client, 2)
    assert short[0].pop("date")
    assert usual[0].pop("date")
    assert short == usual
    logged: list[dict[str, object]] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(logged) != 2:  # lines are written a few times a second
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.02)
        logged = [line for line in service.logged() if line.get("request_id") == name]
    for line in logged:
        del line["time"], line["ms"]
    assert logged[0] == logged[1]


@pytest.mark.parametrize("header", ["X-Other: 1", "Connection: keep-alive"])
def test_an_old_client_is_answered_and_its_connection_closed(
    shared: tuple[Running, Store], header: str
) -> None:
    service, store = shared
    request = post(V1, rows(store, 1), header).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with service.connected() as client:
        client.sendall(request)
        ((fields, _),) = answers(client, 1)
        assert fields["status"] == "200"
        assert fields["connection"] == "close"
        assert client.recv(4096) == b""


@pytest.mark.parametrize("part", [10, 200], ids=["head", "body"])
def test_requests_in_one_go_are_answered_in_order(
    shared: tuple[Running, Store], part: int
) -> None:
    """Large, small, unknown, and one whose end comes late: whichever way each takes."""
    service, store = shared
    sent = [(V1, 5000), (V1, 1), (V1, 2), ("/other", 1), (V1, 3), (V1, 5000), (V1, 40)]
    *requests, last = (
        post(path, rows(store, n), f"X-Request-Id: {i}")
        for i, (path, n) in enumerate(sent)
    )
    at_once = b"".join(requests) + last[:part]
    with service.connected() as client:
        sending = threading.Thread(target=client.sendall, args=[at_once])
        sending.start()
        received = answers(client, len(requests))
        sending.join()
        client.sendall(last[part:])
        received += answers(client, 1)
    assert [fields["x-request-id"] for fields, _ in received] == list("0123456")
    for (path, n), (fields, body) in zip(sent, received, strict=True):
        assert fields["status"] == ("200" if path == V1 else "404")
        if path == V1:
            assert len(json.loads(body)["predictions"]) == n


def test_a_refusal_reaches_a_client_that_is_still_sending(
    shared: tuple[Running, Store],
) -> None:
    service, _ = shared
    status, text = service.ask("POST", V1, " " * 9_000_000)
    assert status == 413
    assert "body: expected at most 4000000 bytes, got 9000000" in text


def test_a_head_without_end_is_cut_off(shared: tuple[Running, Store]) -> None:
    service, _ = shared
    with service.connected() as endless:
        endless.sendall(b"GET /v2 HTTP/1.1\r\n" + b"a: b\r\n" * 15_000)
        assert endless.recv(4096).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "fields", [b"a: %b\r\n" % (b"b" * 66_000), b"a: b\r\n" * 12_000]
)
def test_a_large_head_is_refused_though_it_comes_whole(
    shared: tuple[Running, Store], fields: bytes
) -> None:
    service, _ = shared
    with service.connected() as client:
        client.sendall(b"GET /v2 HTTP/1.1\r\n" + fields + b"\r\n")
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"headers: expected at most 65536 bytes, got more" in answer


def test_an_answer_that_is_owed_comes_before_the_refusal_of_what_follows(
    shared: tuple[Running, Store],
) -> None:
    service, store = shared
    body = up_to(store, 20_000, 3_000_000).encode()
    large = head(len(body)) + body
    for request, wanted in ((GET, b'"extensions"'), (large, b'"predictions"')):
        said = last_words(service, request + b"\0garbage\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 200 OK\r\n"), said[:200]
        assert wanted in said
        assert b"\r\nconnection: close\r\n" in said


CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("second", "status"),
    [
        (CHUNKED % V1.encode() + b"ZZ\r\n", 400),
        (head(50) + b"{", 408),
    ],
)
def test_what_is_wrong_with_the_second_is_told_after_the_first(
    store: Store, second: bytes, status: int
) -> None:
    with running(store, deadline_s=1) as service:
        service.wait_for("/v2/health/ready", 200)
        body = rows(store, 20_000).encode()
        said = last_words(service, head(len(body)) + body + second)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n"), said[:200]
    assert said.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 %d " % status in said


def test_nothing_follows_an_early_answer(shared: tuple[Running, Store]) -> None:
    service, _ = shared
    with service.connected() as client:
        client.sendall(CHUNKED % b"/v2/models/other/infer")
        said = client.recv(65_536)
        client.sendall(b"ZZ\r\n")
        said += b"".join(iter(partial(client.recv, 65_536), b""))
    assert said.startswith(b"HTTP/1.1 404 ")
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        (b"GET /v2 HTTP/1.1", b"", 400),
        (b"GET /v2 HTTP/1.1", HOST + HOST, 400),
        (b"GET /v2 HTTP/1.0", HOST + HOST, 400),
        (b"GET /v2 HTTP/1.0", b"", 200),
        (b"GET /v2 HTTP/2.0", HOST, 505),
        (b"POST " + V1.encode() + b" HTTP/1.1", b"content-length: 2\r\n", 400),
        (
            b"POST " + V1.encode() + b" HTTP/1.1",
            HOST + b"transfer-encoding: gzip, chunked\r\n",
            501,
        ),
    ],
)
def test_a_head_against_the_rules_is_refused(
    shared: tuple[Running, Store], line: bytes, fields: bytes, status: int
) -> None:
    service, _ = shared
    said = last_words(service, line + b"\r\n" + fields + b"\r\n")
    assert said.startswith(b"HTTP/1.1 %d " % status), said
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_trailer_is_no_header(store: Store) -> None:
    with running(store, api_keys="key") as service:
        service.wait_for("/v2/health/ready", 200)
        body = rows(store, 1).encode()
        said = last_words(
            service,
            b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n"
            b"Authorization: Bearer key\r\n\r\n" % (V1.encode(), len(body), body),
        )
    assert said.startswith(b"HTTP/1.1 401 ")


def test_what_the_server_refuses_by_itself_has_an_id_and_a_line_in_the_log(
    shared: tuple[Running, Store],
) -> None:
    service, _ = shared
    said = last_words(service, b"\0\r\n\r\n")
    found = re.search(rb"\r\nx-request-id: (\S+)\r\n", said)
    assert found, said
    assert b"\r\ndate: " in said
    deadline, told = time.monotonic() + PATIENCE_S, []
    while not told and time.monotonic() < deadline:
        lines = service.logged()
        told = [each for each in lines if each.get("request_id") == found[1].decode()]
    assert [(each["status"], each["route"]) for each in told] == [(400, "other")]


def test_an_early_answer_is_the_only_one(store: Store) -> None:
    """The body that was announced never comes, and its time runs out."""
    with running(store, deadline_s=0.3) as service:
        service.wait_for("/v2/health/ready", 200)
        said = last_words(
            service,
            b"POST /v2/models/other/infer HTTP/1.1\r\nHost: x\r\n"
            b"content-length: 900\r\n\r\n",
        )
    assert said.startswith(b"HTTP/1.1 404 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_no_stream_begins_while_an_answer_is_owed(
    shared: tuple[Running, Store],
) -> None:
    service, _ = shared
    stream = V1.replace(":predict", "/stream").encode()
    wish = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    with service.connected() as client:
        client.sendall(GET + b"GET " + stream + b" HTTP/1.1\r\n" + HOST + wish + key)
        statuses = [fields["status"] for fields, _ in answers(client, 2)]
    assert statuses == ["200", "404"]


def test_nothing_is_written_for_any_request_of_a_client_that_has_left() -> None:
    """It would fail, and be taken for a fault of our own."""

    async def scenario() -> list[bool]:
        edge = Edge(Service(Settings(), known), create_api)
        with connection(edge) as (protocol, _):
            protocol.data_received(3 * GET)
            waiting = protocol.owed
        return [each.disconnected for each in waiting]

    assert asyncio.run(scenario()) == [True] * 3
