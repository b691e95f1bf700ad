"""A real process on a real socket: start, signals, and requests that hurt."""

import http.client
import json
import os
import signal
import socket
import statistics
import threading
import time
import zlib
from collections.abc import (
    Callable,
    Iterator,
)
from concurrent.futures import (
    ThreadPoolExecutor,
)
from contextlib import (
    ExitStack,
    contextmanager,
    suppress,
)
from dataclasses import (
    dataclass,
)
from multiprocessing.process import (
    BaseProcess,
)
from pathlib import (
    Path,
)

import pytest
from asking import (
    V1,
)
from processes import (
    PROCESSES,
    serve,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)

PATIENCE_S = 40
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@dataclass
class Running:
    process: BaseProcess
    port: int
    log: Path

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            headers = {"content-type": "application/json"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def wait_for(self, path: str, status: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with suppress(OSError, http.client.HTTPException):
                if self.ask("GET", path)[0] == status:
                    return
            assert self.process.is_alive(), self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def logged(self) -> list[dict[str, object]]:
        """The lines of its log that are whole; a batch can be caught half-written."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def end(self) -> int | None:
        """Its exit code, once it has ended by itself."""
        self.process.join(PATIENCE_S)
        return self.process.exitcode


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_closed(port: int) -> None:
    """Until nobody listens there any more."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 20).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # caught in the moment of closing
            pass
        time.sleep(0.02)
    raise AssertionError(f"port {port} is still open")


@contextmanager
def running(store: Store, **settings: object) -> Iterator[Running]:
    port = free_port()
    log = store.root.parent / f"log-{port}.jsonl"
    environment = {
        **os.environ,
        "ML_MODEL_URI": str(store.root),
        "PORT": str(port),
        "ML_DRAIN_S": "0",
        **{f"ML_{name.upper()}": str(each) for name, each in settings.items()},
    }
    log.touch()
    process = PROCESSES.Process(target=serve, args=(environment, log))
    process.start()
    try:
        yield Running(process, port, log)
    finally:
        process.kill()
        process.join()


def rows(store: Store, n: int) -> str:
    signature = store.get().manifest.signature
    row = [feature.median for feature in signature.features]
    return json.dumps({"instances": [row] * n})


def up_to(store: Store, n: int, most_bytes: int) -> str:
    """n rows, or as many as fit where they are wide."""
    return rows(store, min(n, most_bytes // len(rows(store, 1))))


def head(length: int) -> bytes:
    """The beginning of a request whose body will have that many bytes."""
    return f"POST {V1} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def post(path: str, body: str, *headers: str) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers]
    if not any(each.startswith("Transfer-Encoding") for each in headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def answers(client: socket.socket, n: int) -> list[tuple[dict[str, str], str]]:
    """The head of each of n answers, by name, and its body."""
    found = []
    with client.makefile("rb") as stream:
        for _ in range(n):
            fields = {"status": stream.readline().decode().split()[1]}
            while (line := stream.readline().decode().strip()) != "":
                name, _, value = line.partition(": ")
                fields[name] = value
            found.append((fields, stream.read(int(fields["content-length"])).decode()))
    return found


@pytest.fixture(scope="module")
def shared(
    artifact: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, Store]]:
    """One service, ready, for the tests that leave it as it was."""
    store = Store(tmp_path_factory.mktemp("shared") / "models", MODEL_NAME)
    store.promote(store.put(artifact))
    limits = {"max_in_flight": 1, "max_queue": 1, "max_body_bytes": 4_000_000}
    with running(store, **limits) as service:
        service.wait_for("/v2/health/ready", 200)
        yield service, store


def test_under_load_health_answers_and_the_rest_is_told_to_come_back(
    shared: tuple[Running, Store],
) -> None:
    service, store = shared

    def health() -> None:
        assert service.ask("GET", "/v2/health/live")[0] == 200

    answered = statuses(service, 8, up_to(store, 30_000, 3_500_000), meanwhile=health)
    assert set(answered) == {200, 503}
    assert answered.count(200) >= 2
    assert service.ask("POST", V1, rows(store, 1))[0] == 200


def test_health_answers_at_once_while_the_largest_requests_run(store: Store) -> None:
    took: list[float] = []
    with running(store) as service:
        service.wait_for("/v2/health/ready", 200)

        def health() -> None:
            began = time.perf_counter()
            assert service.ask("GET", "/v2/health/ready")[0] == 200
            took.append(time.perf_counter() - began)

        large = up_to(store, 100_000, 12_000_000)
        assert statuses(service, 4, large, meanwhile=health) == [200] * 4
    # The half of them, since what else the machine does is no fault of the service.
    assert statistics.median(took) < 0.05


def statuses(
    service: Running, n: int, body: str, meanwhile: Callable[[], None]
) -> list[int]:
    """Of n equal requests at once; `meanwhile` is called until all are answered."""
    with ThreadPoolExecutor(n) as pool:
        asking = [pool.submit(service.ask, "POST", V1, body) for _ in range(n)]
        while not all(each.done() for each in asking):
            meanwhile()
    return [each.result()[0] for each in asking]


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
    sent = [(V1, 5000), (V1, 1), (V1, 2), ("/other", 1), (V1, 3), (V1, 5000), (V1, 4)]
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


def test_a_port_that_is_taken_stops_the_start(shared: tuple[Running, Store]) -> None:
    service, store = shared
    with running(store, port=service.port) as second:
        assert second.end() == 1
        assert second.log.read_text() == (
            "error: ML_HOST and ML_PORT: expected an address that is free, "
            f"received '127.0.0.1:{service.port}'\n"
        )


def test_an_address_of_another_machine_stops_the_start(store: Store) -> None:
    with running(store, host="192.0.2.1") as service:
        assert service.end() == 1
        said = service.log.read_text()
    assert said.startswith("error: ML_HOST and ML_PORT: expected an address to listen ")
    assert "received '192.0.2.1:" in said


@POSIX
def test_it_drains_answers_what_is_in_flight_and_exits_with_0(store: Store) -> None:
    with running(store, drain_s=1) as service:
        service.wait_for("/v2/health/live", 200)
        service.wait_for("/v2/health/ready", 200)
        body = rows(store, 1)
        assert service.ask("POST", V1, body)[0] == 200
        with service.connected() as client:
            client.sendall(head(len(body)) + body[:50].encode())
            service.process.terminate()
            service.wait_for("/v2/health/ready", 503)
            assert service.ask("POST", V1, body)[0] == 200, "it answers while it drains"
            wait_until_closed(service.port)
            client.sendall(body[50:].encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert service.end() == 0
        assert service.log.read_text().endswith("\n")
        assert service.logged()[-1]["event"]


@POSIX
def test_slow_clients_hold_nobody_up_and_a_second_signal_ends_the_drain(
    store: Store,
) -> None:
    with running(store, deadline_s=0.5, drain_s=600) as service:
        service.wait_for("/v2/health/ready", 200)
        with service.connected() as half, service.connected() as silent:
            half.sendall(head(99) + b'{"instances": [[')
            assert service.ask("POST", V1, rows(store, 1))[0] == 200
            answer = b""
            while piece := half.recv(4096):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"body: expected all of it by now, got less in 0." in answer
            assert silent.recv(4096) == b"", "closed without a word"
        service.process.terminate()
        service.wait_for("/v2/health/ready", 503)
        os.kill(service.process.pid, signal.SIGINT)
        assert service.end() == 0


def test_idle_connections_are_closed_and_those_in_use_are_kept(store: Store) -> None:
    """By the short way (POST) and the usual one (GET)."""
    asked = [
        post(V1, rows(store, 1)),
        b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    ]

    def ask(clients: list[socket.socket]) -> None:
        for client, request in zip(clients, asked, strict=True):
            client.sendall(request)
            assert answers(client, 1)[0][0]["status"] == "200"

    with running(store, keep_alive_s=1) as service, ExitStack() as stack:
        service.wait_for("/v2/health/ready", 200)
        idle, used = (
            [stack.enter_context(service.connected()) for _ in asked] for _ in range(2)
        )
        ask(idle)
        for _ in range(5):
            time.sleep(0.3)
            ask(used)
        assert [client.recv(4096) for client in idle] == [b"", b""]


@POSIX
def test_a_body_that_stalls_does_not_hold_up_the_end(store: Store) -> None:
    with running(store, deadline_s=600) as service:
        service.wait_for("/v2/health/ready", 200)
        with service.connected() as stalled:
            stalled.sendall(head(99) + b'{"instances": [[')
            service.wait_for("/v2/health/ready", 200)  # the half has been read by now
            service.process.terminate()
            assert service.end() == 0
            assert stalled.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_missing_model_leaves_it_live_with_the_reason_in_the_log(
    store: Store, tmp_path: Path
) -> None:
    nothing = Store(tmp_path / "nothing", store.name)
    nothing.root.mkdir()
    with running(nothing) as service:
        service.wait_for("/v2/health/live", 200)
        service.wait_for("/v2/health/ready", 503)
        deadline = time.monotonic() + PATIENCE_S
        while (
            "a promoted version not found; run `train`" not in service.log.read_text()
        ):
            assert time.monotonic() < deadline, service.log.read_text()
            time.sleep(0.02)
        assert service.process.is_alive()


def test_a_bad_setting_stops_the_start_with_one_line(store: Store) -> None:
    with running(store, prot=8080) as service:
        assert service.end() == 1
        line = service.log.read_text()
    assert line.startswith("error: ML_PROT: expected one of ML_MODEL_URI, ")
    assert line.count("\n") == 1
