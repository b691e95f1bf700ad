"""A real process on a real socket: start, load, signals and the end."""

import logging
import os
import signal
import socket
import statistics
import sys
import time
from contextlib import (
    ExitStack,
)
from pathlib import (
    Path,
)

import pytest
from asking import (
    V1,
)
from processes import (
    PATIENCE_S,
    TOO_MANY,
    Running,
    answers,
    head,
    post,
    rows,
    running,
    serve_what_hangs,
    statuses,
    up_to,
    wait_until_closed,
)

from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.serving.server import (
    leave,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


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


def test_a_client_that_does_not_read_its_answers_is_cut_off(store: Store) -> None:
    def send_on(client: socket.socket) -> None:
        while True:
            client.sendall(post(V1, rows(store, 1)) * 100)

    with running(store, deadline_s=0.5) as service:
        service.wait_for("/v2/health/ready", 200)
        with service.connected() as client, pytest.raises(ConnectionError):
            send_on(client)
        assert service.ask("POST", V1, rows(store, 1))[0] == 200


@POSIX
def test_a_model_that_does_not_come_back_does_not_keep_it_from_ending(
    store: Store,
) -> None:
    asked = rows(store, TOO_MANY)
    most = len(asked)  # of a wide table it may be more than usual
    with running(
        store, serve_what_hangs, deadline_s=0.3, max_body_bytes=most
    ) as service:
        service.wait_for("/v2/health/ready", 200)
        assert service.ask("POST", V1, asked)[0] == 504
        service.process.terminate()
        assert service.end() == 0
        last = service.logged()[-1]["event"]
        assert last == "a model that does not come back is left behind"


def test_it_ends_though_nobody_reads_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(code: int) -> None:
        raise SystemExit(code)

    def broken() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(os, "_exit", ended)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    monkeypatch.setattr(sys.stdout, "flush", broken)
    with pytest.raises(SystemExit, match="0"):
        leave()


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
