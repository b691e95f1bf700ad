"""Docker's health check: what it asks, and the exit code that it gives."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import (
    Iterator,
)

import pytest

from {{cookiecutter.__package_name}}.serving import (
    probe,
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def answered(listener: socket.socket, answer: bytes) -> tuple[int, bytes]:
    """The probe's exit code, and what it sent."""
    heard = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(1024))
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    port = str(listener.getsockname()[1])
    done = subprocess.run(
        [sys.executable, "-IS", probe.__file__],
        env={**os.environ, "PORT": port, "ML_PORT": ""},
        timeout=20,
    )
    thread.join()
    return done.returncode, heard[0]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        (b"", 1),
    ],
)
def test_the_exit_code_says_whether_the_service_is_ready(
    listener: socket.socket, answer: bytes, code: int
) -> None:
    got, request = answered(listener, answer)
    assert got == code
    assert request.startswith(b"GET /v2/health/ready HTTP/1.1\r\n")


def test_nobody_listening_is_not_ready(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    assert not probe.is_ready(port)


def test_a_service_that_says_nothing_is_not_waited_for(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.05)
    assert not probe.is_ready(listener.getsockname()[1])
