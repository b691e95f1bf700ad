"""The default project, served as a real process and asked over HTTP."""

from __future__ import annotations

import csv
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import Rendered, bare_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")

READY_WITHIN_S = 60
STOPPED_WITHIN_S = 30
CULTIVARS = {"barolo", "grignolino", "barbera"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(
    project: Rendered, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    with (project.path / "service.log").open("w", encoding="utf-8") as log:
        service = subprocess.Popen(
            [project.path / ".venv" / "bin" / "wine-classifier", "serve"],
            cwd=project.path,
            env=bare_environment() | {"PORT": str(port)} | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}", service
    finally:
        service.kill()
        service.wait()


def get(url: str, body: object = None) -> tuple[int, dict[str, object]]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(url, data, headers)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.loads(reply.read() or b"{}")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"{}")


def wait_until_ready(address: str, service: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    status = None
    while status != 200:
        assert service.poll() is None, "the service ended before it was ready"
        assert time.monotonic() < deadline, f"not ready within {READY_WITHIN_S} s"
        try:
            status, _ = get(f"{address}/v2/health/ready")
        except OSError:
            time.sleep(0.05)


@pytest.fixture(scope="module")
def address(project: Rendered) -> Iterator[str]:
    with running(project) as (address, service):
        wait_until_ready(address, service)
        yield address


@pytest.fixture(scope="module")
def wines(project: Rendered) -> list[tuple[list[float], str]]:
    """Every tenth row of the sample: its thirteen measurements, and what it is."""
    rows = list(csv.reader(project.text("data/sample.csv").splitlines()))[1::10]
    return [([float(each) for each in row[:-1]], row[-1]) for row in rows]


def test_it_is_live_and_ready(address):
    assert get(f"{address}/v2/health/live")[0] == 200
    assert get(f"{address}/v2/health/ready")[0] == 200


def test_v1_names_the_cultivar_of_each_wine(address, wines):
    url = f"{address}/v1/models/wine-classifier:predict"
    status, reply = get(url, {"instances": [features for features, _ in wines]})
    assert status == 200
    assert_knows_its_wines([each["label"] for each in reply["predictions"]], wines)
    for each in reply["predictions"]:
        assert len(each["probabilities"]) == 3
        assert sum(each["probabilities"]) == pytest.approx(1)


def test_v2_gives_the_same_answers_as_v1(address, wines):
    rows = [features for features, _ in wines]
    flat = [each for row in rows for each in row]
    sent = {
        "name": "features",
        "shape": [len(rows), 13],
        "datatype": "FP64",
        "data": flat,
    }
    url = f"{address}/v2/models/wine-classifier/infer"
    status, reply = get(url, {"id": "seven", "inputs": [sent]})
    assert status == 200
    assert reply["model_name"] == "wine-classifier"
    assert reply["id"] == "seven"
    outputs = {each["name"]: each for each in reply["outputs"]}
    assert outputs["label"]["shape"] == [len(rows)]
    assert outputs["probabilities"]["shape"] == [len(rows), 3]
    assert_knows_its_wines(outputs["label"]["data"], wines)
    _, v1 = get(f"{address}/v1/models/wine-classifier:predict", {"instances": rows})
    assert outputs["label"]["data"] == [each["label"] for each in v1["predictions"]]
    assert outputs["probabilities"]["data"] == [
        p for each in v1["predictions"] for p in each["probabilities"]
    ]


def assert_knows_its_wines(labels: list[str], wines) -> None:
    assert len(labels) == len(wines)
    assert set(labels) == CULTIVARS
    right = sum(
        label == cultivar for label, (_, cultivar) in zip(labels, wines, strict=True)
    )
    assert right / len(wines) > 0.9


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/models/wine-classifier:predict", {"instances": [[1.0, 2.0]]}, 400),
        ("/v1/models/wine-classifier:predict", {"rows": []}, 400),
        ("/v1/models/beer-classifier:predict", {"instances": [[0.0] * 13]}, 404),
        ("/v2/models/wine-classifier/infer", {"inputs": []}, 400),
        ("/nowhere", None, 404),
    ],
)
def test_a_refusal_says_why_in_the_one_form(address, path, body, status):
    code, reply = get(address + path, body)
    assert code == status
    assert list(reply) == ["error"]
    assert len(reply["error"]) > 10


def test_sigterm_ends_it_with_exit_code_0(project):
    with running(project) as (address, service):
        wait_until_ready(address, service)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=STOPPED_WITHIN_S) == 0
