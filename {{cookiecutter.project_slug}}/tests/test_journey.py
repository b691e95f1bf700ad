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
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def started(
    project: Path, settings: dict[str, str], *words: str
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
        stdout=subprocess.PIPE,
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


def wait_until_ready(service: subprocess.Popen[str]) -> None:
    """Read the log until it says so; it ends early when the service does."""
    log = []
    for line in service.stdout:
        log.append(json.loads(line)["event"])
        if log[-1].startswith("ready with version "):
            return
    raise AssertionError(f"never ready: {log} {service.stderr.read()}")


def ask(url: str, body: object) -> tuple[int, dict]:
    request = urllib.request.Request(url, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


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
    assert err == f"learned from 133 rows\nversion {version} is promoted\n"

    artifact = store.get()
    assert artifact.manifest.version == version
    expected = artifact.predictor().predict(table.X)

    with started(project, settings, "serve") as service:
        wait_until_ready(service)
        url = f"http://127.0.0.1:{port}/v1/models/{MODEL_NAME}:predict"
        status, reply = ask(url, {"instances": table.X.tolist()})
        assert status == 200
        answers = reply["predictions"]
        assert [each["label"] for each in answers] == expected["label"].tolist()
        assert [each["probabilities"] for each in answers] == [
            pytest.approx(row) for row in expected["probabilities"].tolist()
        ]

        status, reply = ask(url, {"instances": [[1.0] * 12]})
        assert (status, list(reply)) == (400, ["error"])
        assert "13" in reply["error"]
        assert "12" in reply["error"]

        service.send_signal(signal.SIGTERM)
        log, err = service.communicate()
    assert service.returncode == 0
    assert err == ""
    requests = [json.loads(line) for line in log.splitlines() if '"request"' in line]
    assert [request["status"] for request in requests] == [200, 400]
