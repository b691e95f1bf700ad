"""Health benchmark: how soon it answers while clients send 100,000 rows at a time.

    python bench/health.py PROJECT [--clients 4] [--seconds 6]

PROJECT is a rendered project, set up and trained (`make setup train`). For each form
that rows can have, clients send them one request after another, and another process
asks for health all the while, on a connection of its own each time; in turn with it, it
asks a server that has nothing else to do: what that takes is the machine's.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from starts import free_port

ROWS = 100_000
EVERY_S = 0.01
START_S = 60
HEALTH = "/v2/health/ready"
IDLE = (
    "import http.server as s, sys\n"
    "class Idle(s.BaseHTTPRequestHandler):\n"
    "    protocol_version, log_message = 'HTTP/1.1', lambda *_: None\n"
    "    def do_GET(self):\n"
    "        self.send_response_only(200)\n"
    "        self.send_header('Content-Length', '0')\n"
    "        self.end_headers()\n"
    "s.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Idle).serve_forever()"
)


class Request(NamedTuple):
    path: str
    body: bytes
    headers: dict[str, str]
    status: int = 200


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", type=Path)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--ask", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, options.seconds)
        return
    slug = next((options.project / "models").iterdir()).name
    print(f"{options.clients} clients, {ROWS:,} rows in each request\n")
    print("| form | MB | requests/s | health p50 ms | p99 | longest | idle p99 |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for form, request in requests(options.project, slug).items():
        row = measured(options.project.resolve(), slug, request, options)
        size = f"{len(request.body) / 1e6:.1f}"
        print(f"| {form} | {size} | {' | '.join(row)} |", flush=True)


def requests(project: Path, slug: str) -> dict[str, Request]:
    """The rows of the sample again and again, in every form."""
    with (project / "data" / "sample.csv").open(newline="", encoding="utf-8") as file:
        names, *sample = csv.reader(file)
    names = names[:-1]
    rows = [[float(each) for each in row[:-1]] for row in sample]
    rows = (rows * (ROWS // len(rows) + 1))[:ROWS]
    flat = [each for row in rows for each in row]
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    wrong = [*rows[:-1], [None, *rows[-1][1:]]]
    tensor = {"name": "features", "shape": [ROWS, len(names)], "datatype": "FP64"}
    binary = tensor | {"parameters": {"binary_data_size": 8 * len(flat)}}
    wish = {"inputs": [binary], "parameters": {"binary_data_output": True}}
    head = json.dumps(wish).encode()
    v1, v2 = f"/v1/models/{slug}:predict", f"/v2/models/{slug}/infer"
    usual = {"content-type": "application/json"}
    length = {"inference-header-content-length": str(len(head))}
    return {
        "V1, lists": Request(v1, packed({"instances": rows}), usual),
        "V1, objects": Request(v1, packed({"instances": objects}), usual),
        "V1, a null at the end": Request(v1, packed({"instances": wrong}), usual, 400),
        "V2, JSON": Request(v2, packed({"inputs": [tensor | {"data": flat}]}), usual),
        "V2, binary": Request(
            v2, head + struct.pack(f"<{len(flat)}d", *flat), usual | length
        ),
    }


def packed(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def measured(
    project: Path, slug: str, request: Request, options: argparse.Namespace
) -> list[str]:
    ports = free_port(), free_port()
    program = project / ".venv" / "bin"
    # Objects of that many rows are more than the service takes unless it is told to.
    settings = {"PORT": str(ports[0]), "ML_MAX_BODY_BYTES": "50000000"}
    settings |= {"ML_DRAIN_S": "0"}
    serve = [str(program / slug), "serve"]
    idle = [sys.executable, "-c", IDLE, str(ports[1])]
    with running(serve, project, settings), running(idle, project, {}):
        for port in ports:
            wait_for(port)
        command = [sys.executable, __file__, str(project), "--ask", *map(str, ports)]
        command += ["--seconds", str(options.seconds)]
        codes: Counter[int] = Counter()
        until = time.monotonic() + options.seconds + 1
        clients = [
            threading.Thread(target=send, args=[ports[0], request, until, codes])
            for _ in range(options.clients)
        ]
        for client in clients:
            client.start()
        time.sleep(1)
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        for client in clients:
            client.join()
    if set(codes) != {request.status}:
        raise SystemExit(f"expected only {request.status}, received {dict(codes)}")
    return [f"{codes.total() / (options.seconds + 1):.1f}", *json.loads(answer.stdout)]


def ask(ports: list[int], seconds: float) -> None:
    """Both in turn; prints p50, p99 and the longest of the first, p99 of the second."""
    took: tuple[list[float], list[float]] = ([], [])
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for port, times in zip(ports, took, strict=True):
            began = time.perf_counter()
            status = get(port)
            times.append(1000 * (time.perf_counter() - began))
            if status != 200:
                raise SystemExit(f"health: expected 200, received {status}")
            time.sleep(EVERY_S)
    service, idle = (
        statistics.quantiles(each, n=100, method="inclusive") for each in took
    )
    shown = (service[49], service[98], max(took[0]), idle[98])
    print(json.dumps([f"{each:.1f}" for each in shown]))


def send(port: int, request: Request, until: float, codes: Counter[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while time.monotonic() < until:
        connection.request("POST", request.path, request.body, request.headers)
        answer = connection.getresponse()
        answer.read()
        codes[answer.status] += 1
    connection.close()


def get(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", HEALTH)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@contextmanager
def running(command: list[str], folder: Path, variables: dict[str, str]):
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            if get(port) == 200:
                return
        except OSError:
            pass
        if time.monotonic() > until:
            raise SystemExit(f"port {port} did not answer 200 in {START_S} s")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
