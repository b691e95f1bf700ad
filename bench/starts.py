"""Start benchmark: how long an image takes to its first right answer, and why.

    python bench/starts.py [--engine NAME] [--rounds N]

Three starts in interleaved rounds, each in a container of its own: a Python that
imports only what the service can't do without (the engine, NumPy, the framework and its
server); the service as it comes; the service with nothing compiled ahead. A Python that
does nothing is started beside them, and its time taken off. Needs a container engine.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

from images import ENGINES, build, trained
from serving.project import run, tools

MODULES = {"numba": "numba", "jax": "jax", "onnx": "onnxruntime", "tvm": "tvm"}
FRAMEWORK = "numpy, fastapi, uvicorn, uvloop, httptools"
IMPORTS = "imports alone"
AS_IT_COMES = "first right answer"
NOTHING_COMPILED = "with nothing compiled ahead"
WITHIN_S = 300
ROUNDS = 7
HARDENED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=host"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    os.environ["PATH"] = f"{tools()}{os.pathsep}{os.environ['PATH']}"
    print(f"{'s':<8}{IMPORTS:>15}{AS_IT_COMES:>22}{NOTHING_COMPILED:>31}")
    for engine in options.engine or ENGINES:
        with tempfile.TemporaryDirectory() as scratch:
            compare(engine, trained(engine, Path(scratch)), options.rounds)


def compare(engine: str, project: Path, rounds: int) -> None:
    image = f"bench-start-{engine}"
    build(project, image)
    row, label = first_row(project)
    imports = f"import {MODULES[engine]}, {FRAMEWORK}"
    starts: dict[str, Callable[[], float]] = {
        IMPORTS: lambda: seconds_of_python(image, imports),
        AS_IT_COMES: lambda: seconds_of_service(image, row, label),
        NOTHING_COMPILED: lambda: seconds_of_service(
            image, row, label, "--env=ML_COMPILED_DIR=/tmp/compiled"
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(rounds):
        nothing = seconds_of_python(image, "pass")
        for name, start in starts.items():
            times[name].append(start() - nothing)
    medians = [statistics.median(each) for each in times.values()]
    ratios = [
        statistics.median(
            a / b for a, b in zip(times[name], times[IMPORTS], strict=True)
        )
        for name in (AS_IT_COMES, NOTHING_COMPILED)
    ]
    print(
        f"{engine:<8}{medians[0]:>15.2f}{medians[1]:>14.2f} ({ratios[0]:4.2f}x)"
        f"{medians[2]:>23.2f} ({ratios[1]:4.2f}x)",
        flush=True,
    )
    run(["docker", "image", "rm", "--force", image])


def first_row(project: Path) -> tuple[list[float], str]:
    """A row of the sample, and the label that the command line gives it."""
    sample = project / "data" / "sample.csv"
    line = sample.read_text(encoding="utf-8").splitlines()[1]
    command = [str(project / ".venv" / "bin" / "wine-classifier"), "predict"]
    answer = run([*command, str(sample)], project).splitlines()[1]
    return [float(each) for each in line.split(",")[:-1]], answer.split(",")[0]


def seconds_of_python(image: str, program: str) -> float:
    """From `docker run` until the program has run; its end is not counted."""
    command = ["docker", "run", "--rm", *HARDENED, "--entrypoint=python", image, "-c"]
    program += "\nprint('done', flush=True)"
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, program], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        said = running.stdout.readline()
        seconds = time.perf_counter() - began
    if said != "done\n":
        raise SystemExit(f"{image}: {program!r} ended without a word")
    return seconds


def seconds_of_service(
    image: str, row: list[float], label: str, *options: str
) -> float:
    """From `docker run` until the service gives that row that label."""
    name, port = f"bench-start-{uuid.uuid4().hex[:8]}", free_port()
    named = ["--detach", f"--name={name}", "--env=ML_HOST=127.0.0.1"]
    command = ["docker", "run", *named, f"--env=PORT={port}", *HARDENED, *options]
    url = f"http://127.0.0.1:{port}/v1/models/wine-classifier:predict"
    request = urllib.request.Request(
        url,
        json.dumps({"instances": [row]}).encode(),
        {"Content-Type": "application/json"},
    )
    began = time.perf_counter()
    run([*command, image])
    try:
        answer = wait_for(request, began + WITHIN_S)
        seconds = time.perf_counter() - began
        logs = run(["docker", "logs", name])
    finally:
        run(["docker", "rm", "--force", name])
    if answer["predictions"][0]["label"] != label:
        raise SystemExit(f"expected {label}, received {answer}:\n{logs}")
    return seconds


def wait_for(request: urllib.request.Request, until: float) -> dict:
    while True:
        try:
            with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError) as failure:
            if time.perf_counter() > until:
                raise SystemExit(f"no answer in {WITHIN_S} s: {failure}") from failure
            time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
