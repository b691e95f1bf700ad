"""Once, as a user does: train, keep, serve, ask, be refused, stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

import {{cookiecutter.__package_name}} as package
from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)

DEADLINE_S = 60
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def started(
    project: Path,
    settings: dict[str, str],
    *words: str,
    out: IO[str] | int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """A command of ours as its own process, killed when it outlives the deadline."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PORT" and not name.startswith("ML_")
    }
    command = [sys.executable, "-m", package.__name__, *words]
    with subprocess.Popen(
        command,
        cwd=project,
        env=environment | settings,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        guard = threading.Timer(DEADLINE_S, process.kill)
        guard.start()
        try:
            yield process
        finally:
            process.kill()
            guard.cancel()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url: str, body: object = None) -> tuple[int, dict]:
    request = urllib.request.Request(url, body and json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    try:
        with DIRECT.open(request, timeout=DEADLINE_S) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def wait_until_ready(service: subprocess.Popen[str], address: str) -> None:
    """Ask until it says so; `started` ends the service when that takes too long."""
    status = 0
    while status != 200:
        with suppress(urllib.error.URLError):  # not listening yet
            status, _ = ask(f"{address}/v2/health/ready")
        with suppress(subprocess.TimeoutExpired):
            service.wait(0.02)
            raise AssertionError(f"never ready: {service.stderr.read()}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_from_a_data_file_to_an_answer_over_http_and_a_clean_end(
    project: Path, table: Table, tmp_path: Path
) -> None:
    store = Store(tmp_path / "models", MODEL_NAME)
    port = str(free_port())
    settings = {"ML_MODEL_URI": str(store.root), "PORT": port, "ML_DRAIN_S": "0.1"}

    with started(project, settings, "train", "--json") as training:
        out, err = training.communicate()
    assert training.returncode == 0, err
    version = json.loads(out)["version"]
    artifact = store.get()
    made = artifact.manifest.provenance
    judged = artifact.manifest.evaluation.rows + made.split["repeated_rows_left_out"]
    assert made.train_rows + judged == len(table.y)
    assert f"learned from {made.train_rows} rows\n" in err
    assert err.endswith(f"version {version} is promoted\n")
    assert artifact.manifest.version == version
    expected = artifact.predictor().predict(table.X)

    # To a file: a pipe that nobody reads would stop the service once it is full.
    log = tmp_path / "service.log"
    with (
        log.open("w") as out,
        started(project, settings, "serve", out=out) as service,
    ):
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(service, address)
        n, d = table.X.shape
        tensor = {"name": "features", "shape": [n, d], "datatype": "FP64"}
        tensor["data"] = table.X.tolist()
        url = f"{address}/v2/models/{MODEL_NAME}/infer"
        status, reply = ask(url, {"inputs": [tensor]})
        assert status == 200
        answers = {each["name"]: each["data"] for each in reply["outputs"]}
        assert answers.keys() == expected.keys()
        for name, answer in expected.items():
            assert answers[name] == pytest.approx(answer.ravel().tolist())

        url = f"{address}/v1/models/{MODEL_NAME}:predict"
        status, reply = ask(url, {"instances": table.X.tolist()})
        assert (status, len(reply["predictions"])) == (200, n)
        status, reply = ask(url, {"instances": [[1.0] * (d + 1)]})
        assert (status, reply) == (
            400,
            {"error": f"instances[0]: expected {d} numbers, received {d + 1}"},
        )

        service.send_signal(signal.SIGTERM)
        _, err = service.communicate()
    assert (service.returncode, err) == (0, "")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    asked = [line for line in lines if "rows" in line and "model" in line["route"]]
    told = [(line["status"], line["rows"]) for line in asked]
    assert told == [(200, n), (200, n), (400, 0)]
