"""The image, run as each platform runs it: its port, its probes, its user, its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from containers import Container, running
from platforms import TARGETS, Contract

pytestmark = pytest.mark.thorough

PREDICT = "/v1/models/wine-classifier:predict"
WINE = "14.23 1.71 2.43 15.6 127 2.8 3.06 0.28 2.29 5.64 1.04 3.92 1065"
ROW = {"instances": [[float(each) for each in WINE.split()]]}
KEY = "k"


@contextmanager
def run_as_told(image: str, contract: Contract, keys: Path) -> Iterator[Container]:
    options = [
        "--network=none",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--memory={contract.memory_mib}m",
        *(f"--tmpfs={each}:mode=1777" for each in contract.writable),
    ]
    if contract.user:
        options.append(f"--user={contract.user}")
    if contract.read_only:
        options.append("--read-only")
    if contract.key_file:
        options.append(f"--volume={keys}:{contract.key_file}:ro")
    with running(image, *options, **contract.variables) as container:
        yield container


def wait_for(container: Container, contract: Contract, path: str) -> None:
    deadline = time.monotonic() + contract.start_s
    while True:
        assert container.inspect(".State.Running") == "true", container.logs()
        try:
            status, _ = container.ask("GET", path, port=contract.port)
        except AssertionError:  # nobody listens yet
            status = None
        if status == 200:
            return
        assert time.monotonic() < deadline, container.logs()
        time.sleep(0.2)


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_keeps_the_contract_of(target, image, finished, tmp_path):
    contract = finished[target].contract()
    keys = tmp_path / "api-keys"
    keys.write_text(f"{KEY}\n")
    with run_as_told(image, contract, keys) as container:
        wait_for(container, contract, contract.live)
        wait_for(container, contract, contract.ready)
        port = contract.port
        assert container.ask("POST", PREDICT, ROW, port=port)[0] == 401
        bearer = {"authorization": f"Bearer {KEY}"}
        status, answer = container.ask("POST", PREDICT, ROW, port=port, **bearer)
        assert (status, answer["predictions"][0]["label"]) == (200, "barolo")
        smoke = ["wine-classifier", "smoke", f"http://127.0.0.1:{port}"]
        asked = container.execute("env", f"SMOKE_API_KEY={KEY}", *smoke)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        assert container.stop(int(contract.grace_s)) == 0, container.logs()
