"""`score` on a table of a quarter million rows: killed, and on a real Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import Rendered, bare_environment

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX"),
]

PATIENCE_S = 180
COPIES = 1500
ROWS = 178 * COPIES
SCORE = ("--part-mb", "1", "--keep", "cultivar", "--json")


@pytest.fixture(scope="module")
def trained(project: Rendered) -> Rendered:
    project.succeeds("make", "train")
    return project


@pytest.fixture(scope="module")
def table(trained: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample again and again, and in the middle of it a row that is bad."""
    header, *rows = (trained.path / "data" / "sample.csv").read_text().splitlines()
    table = tmp_path_factory.mktemp("scoring") / "in.csv"
    lines = rows * COPIES
    lines[ROWS // 2] = lines[ROWS // 2].replace(".", ",", 1)
    table.write_text("\n".join([header, *lines]) + "\n")
    return table


def scoring(project: Rendered, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [project.path / ".venv/bin/wine-classifier", "score", *map(str, words)],
        cwd=project.path,
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(parts: int, output: Path, command: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(list(output.glob("done-*.json"))) < parts:
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def content(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir()}


@pytest.fixture(scope="module")
def whole(trained: Rendered, table: Path) -> Path:
    """What an undisturbed run on this machine gives."""
    output = table.parent / "whole"
    command = scoring(trained, table, output, *SCORE)
    out, err = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 0, err
    summary = json.loads(out)
    assert (summary["rows"], summary["bad"]) == (ROWS, 1)
    assert summary["parts"] > 10
    reason = "expected 14 cells, received 15"
    assert (output / "bad.csv").read_text().splitlines() == [
        "file,row,reason",
        f'in.csv,{ROWS // 2 + 1},"{reason}"',
    ]
    return output


def test_a_run_that_is_killed_twice_ends_as_one_that_was_not(
    trained: Rendered, table: Path, whole: Path
) -> None:
    output = table.parent / "killed"
    for parts in (3, 7):
        command = scoring(trained, table, output, *SCORE)
        wait_for(parts, output, command)
        command.kill()
        command.communicate()
        assert not (output / "summary.json").exists()
    command = scoring(trained, table, output, *SCORE)
    _, err = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 0, err
    assert "parts were there" in err
    assert content(output) == content(whole)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def cluster(
    trained: Rendered, tmp_path: Path
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process of its own."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    host = ("--host", "127.0.0.1")
    quiet = "--no-dashboard"
    worker = ("worker", address, *host, quiet, "--nthreads", "1", "--no-nanny")
    folder = ("--local-directory", str(tmp_path))
    commands = [
        ("scheduler", *host, "--port", str(port), quiet),
        (*worker, *folder),
        (*worker, *folder),
    ]
    with ExitStack() as stack:
        processes = []
        for words in commands:
            process = subprocess.Popen(
                [trained.path / ".venv/bin/dask", *words],
                env=bare_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        yield address, processes[1:]


def test_a_cluster_that_loses_a_worker_gives_the_same(
    trained: Rendered,
    table: Path,
    whole: Path,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    address, workers = cluster
    wait_for_workers(trained, address, len(workers))
    output = table.parent / "cluster"
    # The workers run in another folder: what is meant must not depend on theirs.
    words = [os.path.relpath(path, trained.path) for path in (table, output)]
    command = scoring(trained, *words, *SCORE, "--scheduler", address)
    wait_for(2, output, command)
    os.kill(workers[0].pid, signal.SIGKILL)
    out, err = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 0, err
    assert json.loads(out)["rows"] == ROWS
    assert content(output) == content(whole)


WAIT = "import sys; from distributed import Client; Client(sys.argv[1], timeout=60)"


def wait_for_workers(project: Rendered, address: str, count: int) -> None:
    code = f"{WAIT}.wait_for_workers({count}, timeout=60)"
    python = str(project.path / ".venv/bin/python")
    subprocess.run([python, "-c", code, address], check=True, timeout=PATIENCE_S)


def test_a_scheduler_that_is_not_there_is_named(trained: Rendered, table: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    command = scoring(trained, table, table.parent / "x", "--scheduler", address)
    _, err = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith("error: --scheduler: expected the address of a Dask")
    assert address in last
