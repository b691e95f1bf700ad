"""Kernel benchmark: the kernel that predicts, beside the same model in plain NumPy.

    python bench/kernels.py

Both are held against each other, then timed on one thread: of many short runs the
quickest counts, so that what else the machine does matters least.
"""

import argparse
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from training import ONE_THREAD

SIZES = [(1, 13), (100, 13), (10_000, 13), (10_000, 64)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, help="a rendered project")
    parser.add_argument("--package", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.package:
        compare(options.package, options.project)
        return
    from serving.project import prepare

    project = prepare(options.project)
    python = project.executables / "python"
    inside = ["--package", project.package, "--project", project.folder]
    # Threads are counted when the libraries are imported, so before the process starts.
    subprocess.run([python, __file__, *inside], env=os.environ | ONE_THREAD, check=True)


def compare(package: str, project: Path) -> None:
    """Runs in the project's environment, beside its tests' oracle."""
    import numpy as np

    sys.path.insert(0, str(project / "tests"))
    oracle = importlib.import_module("oracle")
    kernels = importlib.import_module(f"{package}.model.kernels")
    random = np.random.default_rng(20261122)
    print(f"{'rows x features':<18}{'kernel':>12}{'plain NumPy':>14}{'ratio':>8}")
    for n, d in SIZES:
        rows = random.normal(size=(n, d))
        state = (rows.mean(axis=0), np.ones(d), random.normal(size=(3, d)), np.zeros(3))
        np.testing.assert_allclose(
            kernels.predict(rows, *state), oracle.predict(rows, *state), atol=1e-12
        )
        ours = quickest(partial(kernels.predict, rows, *state))
        plain = quickest(partial(oracle.predict, rows, *state))
        size = f"{n:,} x {d}"
        print(f"{size:<18}{unit(ours):>12}{unit(plain):>14}{plain / ours:>7.1f}x")


def quickest(function: Callable[[], object], budget_s: float = 1.0) -> float:
    """Seconds per call: the best of runs of about a millisecond each."""
    began = time.perf_counter()
    function()
    calls = max(1, int(1e-3 / (time.perf_counter() - began)))
    best = float("inf")
    end = time.perf_counter() + budget_s
    while time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(calls):
            function()
        best = min(best, (time.perf_counter() - began) / calls)
    return best


def unit(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    main()
