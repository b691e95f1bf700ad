"""Images of rendered projects, built and run by a real Docker engine."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from conftest import Rendered, bare_environment

HEALTHY_WITHIN_S = 120
# As the strictest platforms run it. --network is added: nothing needs any.
HARDENED = [
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
]

ASK = """
import http.client, json, sys
port, method, path, body, headers = json.loads(sys.argv[1])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
connection.request(method, path, body, headers)
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""


def run_docker(*words: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *words],
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def docker(*words: str, timeout: float = 600) -> str:
    """What the command prints on stdout; all that it says when it fails."""
    done = run_docker(*words, timeout=timeout)
    shown = f"docker {' '.join(words)}:\n{done.stdout}{done.stderr}"
    assert done.returncode == 0, shown
    return done.stdout.strip()


@cache
def engine_answers() -> bool:
    try:
        return run_docker("info", timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def need_engine() -> None:
    if not engine_answers():
        pytest.skip("no container engine: `docker info` fails on this machine")


def build(project: Rendered, *options: str) -> str:
    """Build the project's Dockerfile as it is; returns the image's name."""
    name = f"{project.path.name}-test:{uuid.uuid4().hex[:12]}"
    docker("build", "--quiet", "--tag", name, *options, str(project.path))
    return name


@contextmanager
def built(project: Rendered, *options: str) -> Iterator[str]:
    """An image that is gone afterwards; its layers stay in the engine's cache."""
    name = build(project, *options)
    try:
        yield name
    finally:
        run_docker("image", "rm", "--force", name)


@dataclass(frozen=True)
class Container:
    """One that runs, asked from inside, so that it needs no network."""

    id: str

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run_docker("exec", self.id, *command)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        port: int = 8080,
        **headers: str,
    ) -> tuple[int, Any]:
        """Status, and the body: parsed if it is JSON."""
        text = None if body is None else json.dumps(body)
        headers.setdefault("content-type", "application/json")
        question = json.dumps([port, method, path, text, headers])
        done = self.execute("python", "-c", ASK, question)
        assert done.returncode == 0, done.stderr + self.logs()
        status, answer = json.loads(done.stdout)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer

    def inspect(self, what: str) -> str:
        return docker("inspect", "--format", f"{{{{{what}}}}}", self.id)

    def logs(self) -> str:
        done = run_docker("logs", self.id)
        return done.stdout + done.stderr

    def wait_for_log(self, text: str) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        while text not in self.logs():
            assert time.monotonic() < deadline, self.logs()
            assert self.inspect(".State.Running") == "true", self.logs()
            time.sleep(0.2)

    def wait_for_health(self, wanted: str = "healthy") -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        while (health := self.inspect(".State.Health.Status")) != wanted:
            assert time.monotonic() < deadline, f"{health}\n{self.logs()}"
            assert self.inspect(".State.Running") == "true", self.logs()
            time.sleep(0.2)

    def stop(self, grace_s: int = 10) -> int:
        """SIGTERM, and SIGKILL after the grace; returns the exit code."""
        docker("stop", f"--timeout={grace_s}", self.id)
        return int(self.inspect(".State.ExitCode"))


@contextmanager
def running(
    image: str, *options: str, command: tuple[str, ...] = (), **variables: str
) -> Iterator[Container]:
    """A container that is gone afterwards. `variables` are its environment."""
    given = [f"--env={name}={value}" for name, value in variables.items()]
    container = Container(docker("run", "--detach", *options, *given, image, *command))
    try:
        yield container
    finally:
        run_docker("rm", "--force", "--volumes", container.id)
