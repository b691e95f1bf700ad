"""`serve` as a real process, forked from one that has imported all that it needs.

A start then costs milliseconds; Windows has no fork and imports it all each time.
"""

import http.client
import json
import multiprocessing
import os
import socket
import sys
import threading
import time
from collections.abc import (
    Callable,
    Iterator,
)
from concurrent.futures import (
    ThreadPoolExecutor,
)
from contextlib import (
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

from asking import (
    V1,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
    app,
    cli,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
    predictor,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
)
from {{cookiecutter.__package_name}}.serving import (
    routes,
    server,
)

PATIENCE_S = 40
TOO_MANY = 10_001  # more than a warm-up asks for, and no power of two
PROCESSES = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")


def imported() -> list[str]:
    """What a service imports, and the engine's parts that this process has needed."""
    own = [module.__name__ for module in (app, cli, predictor, routes, server)]
    return own + [
        name for name in sys.modules if name.partition(".")[0] in engine.IMPORTS
    ]


def serve(environment: dict[str, str], log: Path) -> None:
    """The command `serve`, with that environment, all it says in that file."""
    binary = getattr(os, "O_BINARY", 0)  # else Windows ends lines twice
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | binary)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [MODEL_NAME, "serve"]
    cli.main()


def serve_what_hangs(environment: dict[str, str], log: Path) -> None:
    """The same, with a model that never comes back from so many rows."""
    predict = predictor.Predictor.predict

    def hang(self: predictor.Predictor, X: Floats) -> Outputs:
        if len(X) == TOO_MANY:
            threading.Event().wait()
        return predict(self, X)

    predictor.Predictor.predict = hang  # type: ignore[method-assign]
    serve(environment, log)


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
def running(
    store: Store,
    target: Callable[[dict[str, str], Path], None] = serve,
    **settings: object,
) -> Iterator[Running]:
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
    if os.name == "posix":
        PROCESSES.set_forkserver_preload(imported())  # heard by the first one only
    process = PROCESSES.Process(target=target, args=(environment, log))
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


def statuses(
    service: Running, n: int, body: str, meanwhile: Callable[[], None]
) -> list[int]:
    """Of n equal requests at once; `meanwhile` is called until all are answered."""
    with ThreadPoolExecutor(n) as pool:
        asking = [pool.submit(service.ask, "POST", V1, body) for _ in range(n)]
        while not all(each.done() for each in asking):
            meanwhile()
    return [each.result()[0] for each in asking]
