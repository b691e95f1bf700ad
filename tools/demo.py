"""Renders the default project into build/ and takes it from set-up to a prediction."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parents[1]
BUILD = TEMPLATE / "build"
LOG = BUILD / "service.log"
READY_WITHIN_S = 60
STOPPED_WITHIN_S = 30
UV = os.environ.get("UV", "uv")  # `uv run` sets it to its own path
OURS = {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
ENVIRONMENT = {name: each for name, each in os.environ.items() if name not in OURS}


def main() -> None:
    project = render()
    for step in ("setup", "train", "evaluate"):
        show(f"make {step}")
        done = subprocess.run(["make", step], cwd=project, env=ENVIRONMENT, check=False)
        if done.returncode != 0:
            sys.exit(f"make {step} ended with {done.returncode}, as is said above.")
    port = free_port()
    show(f"PORT={port} make serve")
    with served(project, port) as address:
        ask(f"{address}/v1/models/{project.name}:predict", first_wine(project))
    print(f"""
The service was stopped; the project stays in build/{project.name}. Go on with:

    cd build/{project.name}
    make serve    # the same service, on port 8080
    make check    # its style, types and tests

For one of your own, from here: {UV} run cookiecutter . --output-dir ..
""")


def render() -> Path:
    show("cookiecutter . --no-input --output-dir build")
    # Without the user's configuration, so that the result is the same everywhere.
    own = {"replay_dir": str(BUILD / ".replay")}
    options = {"no_input": True, "overwrite_if_exists": True, "accept_hooks": False}
    return Path(
        cookiecutter(
            str(TEMPLATE), output_dir=str(BUILD), default_config=own, **options
        )
    )


@contextmanager
def served(project: Path, port: int) -> Iterator[str]:
    # Not through make, which does not pass signals on to what it runs.
    command = [project / ".venv" / "bin" / project.name, "serve"]
    environment = ENVIRONMENT | {"PORT": str(port)}
    with LOG.open("w", encoding="utf-8") as log:
        service = subprocess.Popen(
            command, cwd=project, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address, service)
        yield address
    finally:
        service.terminate()
        code = service.wait(STOPPED_WITHIN_S)
    if code != 0:
        sys.exit(f"The service ended with {code} after SIGTERM; expected 0. See {LOG}")


def wait_until_ready(address: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if service.poll() is not None:
            sys.exit(
                f"The service ended with {service.returncode} before it was ready. "
                f"See {LOG}"
            )
        try:
            urllib.request.urlopen(f"{address}/v2/health/ready", timeout=1).close()
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    sys.exit(f"The service was not ready within {READY_WITHIN_S} s. See {LOG}")


def ask(url: str, instance: dict[str, float]) -> None:
    body = json.dumps({"instances": [instance]})
    show(f"curl {url} --json '{body}'")
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body.encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        print(reply.read().decode())


def first_wine(project: Path) -> dict[str, float]:
    with (project / "data" / "sample.csv").open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    row.pop("cultivar")
    return {name: float(each) for name, each in row.items()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def show(command: str) -> None:
    print(f"\n$ {command}", flush=True)


if __name__ == "__main__":
    main()
