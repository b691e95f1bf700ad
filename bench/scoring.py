"""What scoring a table costs, beside a pandas loop and beside reading alone.

    python bench/scoring.py PROJECT [--rows 100000,1000000,3000000,30000000]

PROJECT is a rendered project, set up and trained (`make setup train`). Tables are its
sample again and again, in a folder that is removed at the end; 30 million rows take
5 GB there. Prints three tables: against the others in interleaved rounds, by size, and
on a Dask cluster of one and of two workers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PANDAS = ("pandas==3.0.1", "python-dateutil==2.9.0.post0", "six==1.17.0")
COMPARED_ROWS = 1_000_000
ROUNDS = 3
PORT = 18786

# What is written without a template: chunks in, chunks out.
LOOP = """
import sys
import pandas as pd
from importlib import import_module
package, source, output = sys.argv[1:]
store = import_module(f"{package}.artifacts.store")
predictor = store.open_version("models", package.replace("_", "-")).predictor()
names = list(predictor.features)
with open(output, "w") as file:
    for i, chunk in enumerate(pd.read_csv(source, chunksize=65_536)):
        answers = predictor.predict(chunk[names].to_numpy(float, copy=True))
        frame = pd.DataFrame(answers["probabilities"], columns=predictor.classes)
        frame.insert(0, "label", answers["label"])
        frame.to_csv(file, index=False, header=i == 0)
"""
READ = """
import sys
import pyarrow.csv
rows = sum(len(batch) for batch in pyarrow.csv.open_csv(sys.argv[2]))
assert rows == int(sys.argv[3]), rows
"""


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu: float
    peak_mb: float


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.slug = next((self.folder / "models").iterdir()).name
        self.package = self.slug.replace("-", "_")

    def program(self, name: str) -> str:
        return str(self.folder / ".venv" / "bin" / name)

    def run(self, *command: str, **variables: str) -> Cost:
        """The command's own cost; that of workers elsewhere is not in it."""
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        error = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)}: {error.decode()[-2000:]}")
        seconds = time.perf_counter() - began
        return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)

    def score(self, table: Path, *words: str) -> Cost:
        output = table.parent / "scored"
        paths = (str(table), str(output))
        cost = self.run(self.program(self.slug), "score", *paths, *words)
        shutil.rmtree(output)
        return cost


def write_table(project: Project, folder: Path, rows: int) -> Path:
    path = folder / f"{rows}.csv"
    header, *sample = (project.folder / "data/sample.csv").read_text().splitlines()
    block = ("\n".join(sample) + "\n").encode()
    with path.open("wb") as file:
        file.write(f"{header}\n".encode())
        for _ in range(rows // len(sample)):
            file.write(block)
        rest = sample[: rows % len(sample)]
        file.write("".join(f"{line}\n" for line in rest).encode())
    return path


def compare(project: Project, folder: Path) -> None:
    table = write_table(project, folder, COMPARED_ROWS)
    environment = folder / "environment"
    site = next(project.folder.glob(".venv/lib/python*/site-packages"))
    install = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", environment]
    subprocess.run([*install, *PANDAS], check=True)
    python = project.program("python")
    path = os.pathsep.join([str(environment), str(site)])
    commands = {
        "score": lambda: project.score(table),
        "pandas and predict": lambda: project.run(
            python,
            *("-c", LOOP, project.package, str(table), str(folder / "loop.csv")),
            PYTHONPATH=path,
        ),
        "reading alone (Arrow)": lambda: project.run(
            python, "-c", READ, project.package, str(table), str(COMPARED_ROWS)
        ),
    }
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for each in range(ROUNDS + 1):
        for name, command in commands.items():
            cost = command()
            if each:  # the first one fills caches
                found[name].append(cost)
    print(f"\n{COMPARED_ROWS:,} rows of CSV, {ROUNDS} rounds, medians\n")
    print("| | rows/s | rows/s of CPU | peak MB | score takes, by CPU |")
    print("|---|---:|---:|---:|---:|")
    for name, costs in found.items():
        ratio = statistics.median(
            ours.cpu / other.cpu
            for ours, other in zip(found["score"], costs, strict=True)
        )
        seconds, cpu, peak = (
            statistics.median(getattr(cost, part) for cost in costs)
            for part in ("seconds", "cpu", "peak_mb")
        )
        print(
            f"| {name} | {COMPARED_ROWS / seconds:,.0f} | {COMPARED_ROWS / cpu:,.0f} "
            f"| {peak:.0f} | {ratio:.2f} |"
        )


def by_size(project: Project, folder: Path, sizes: list[int]) -> None:
    nothing = project.score(write_table(project, folder, 1))
    print("\nby size; the cost per row is without that of a table of one row\n")
    print("| rows | seconds | CPU us per row | peak MB |")
    print("|---:|---:|---:|---:|")
    for rows in sizes:
        table = write_table(project, folder, rows)
        cost = project.score(table)
        table.unlink()
        per_row = (cost.cpu - nothing.cpu) / rows * 1e6
        print(
            f"| {rows:,} | {cost.seconds:.1f} | {per_row:.2f} | {cost.peak_mb:.0f} |",
            flush=True,
        )


@contextmanager
def cluster(project: Project, workers: int) -> Iterator[str]:
    address = f"tcp://127.0.0.1:{PORT}"
    quiet = ("--host", "127.0.0.1", "--no-dashboard")
    worker = ("worker", address, *quiet, "--nthreads", "1", "--no-nanny")
    commands = [("scheduler", *quiet, "--port", str(PORT)), *[worker] * workers]
    with ExitStack() as stack:
        for words in commands:
            process = subprocess.Popen(
                [project.program("dask"), *words],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            time.sleep(3)
        yield address


def on_a_cluster(project: Project, folder: Path, rows: int) -> None:
    table = write_table(project, folder, rows)
    print(f"\n{rows:,} rows on a Dask cluster on this machine, best of {ROUNDS}\n")
    print("| workers | seconds | speed-up |\n|---:|---:|---:|")
    alone = 0.0
    for workers in (1, 2):
        with cluster(project, workers) as address:
            words = ("--scheduler", address, "--part-mb", "4")
            taken = min(project.score(table, *words).seconds for _ in range(ROUNDS))
        alone = alone or taken
        print(f"| {workers} | {taken:.1f} | {alone / taken:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", type=Path)
    parser.add_argument("--rows", default="100000,1000000,3000000,30000000")
    options = parser.parse_args()
    project = Project(options.project)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare(project, folder)
        by_size(project, folder, [int(each) for each in options.rows.split(",")])
        on_a_cluster(project, folder, 3 * COMPARED_ROWS)


if __name__ == "__main__":
    main()
