"""The engines beside each other, each in a project and an environment of its own.

    python bench/engines.py

Each is rendered, set up and trained under build/bench/engines. Printed, and written to
bench/engines.json and bench/engines.md: the seconds that importing the predictor takes,
those to the first prediction from then on, at the first start after the set-up (cold)
and at a later one (warm); the time of one row and of 10,000; memory; the installed size
of what serves; the size of the image, where a container engine answers. Medians of
several starts, of all engines in turn.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "bench" / "engines"
ENGINES = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))["engine"]
STARTS = 5
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC", "TVM_NUM_THREADS"), "1"
)
ONE_START = """
import json, resource, time
began = time.perf_counter()
import numpy as np
from wine_classifier.artifacts.store import open_version
imported = time.perf_counter()
predictor = open_version("models", "wine-classifier").predictor()
one = np.full((1, 13), 5.0)
predictor.predict(one)
first = time.perf_counter()
predictor.warm_up()
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def median(rows, times):
    predictor.predict(rows)
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        predictor.predict(rows)
        taken.append(time.perf_counter() - start)
    return sorted(taken)[times // 2]
many = np.random.default_rng(0).normal(5.0, 2.0, size=(10_000, 13))
print(json.dumps({
    "import_s": imported - began,
    "first_s": first - imported,
    "one_row_us": median(one, 2000) * 1e6,
    "many_rows_ms": median(many, 50) * 1e3,
    "memory_mb": memory / 1024,
}))
"""
COLUMNS = {
    "import_s": "import, s",
    "cold_s": "first prediction, cold, s",
    "first_s": "warm, s",
    "one_row_us": "1 row, us",
    "many_rows_ms": "10,000 rows, ms",
    "memory_mb": "memory, MB",
    "installed_mb": "installed, MB",
    "image_mb": "image, MB",
}


def main() -> None:
    projects = {engine: prepare(engine) for engine in ENGINES}
    results = {engine: cold(project) for engine, project in projects.items()}
    warm = [
        {engine: start(project) for engine, project in projects.items()}
        for _ in range(STARTS)
    ]
    for engine, found in results.items():
        for name in warm[0][engine]:
            found[name] = statistics.median(each[engine][name] for each in warm)
    today = datetime.now(UTC).date()
    about = f"{today}, {platform.machine()}, Python {platform.python_version()}"
    report = {"about": about, "load": os.getloadavg()[0], "engines": results}
    (ROOT / "bench" / "engines.json").write_text(json.dumps(report, indent=2) + "\n")
    page = table(results)
    (ROOT / "bench" / "engines.md").write_text(page)
    print(page)


def prepare(engine: str) -> Path:
    """Render, set up and train; what is left is what serves."""
    shutil.rmtree(PLACE / engine, ignore_errors=True)
    command = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input"]
    run(ROOT, *command, "-o", str(PLACE / engine), f"engine={engine}")
    project = PLACE / engine / "wine-classifier"
    run(project, "uv", "sync", "--quiet")
    run(project, "uv", "run", "wine-classifier", "train")
    # What serves: without the groups, and with no cache of compiled kernels.
    run(project, "uv", "sync", "--quiet", "--no-default-groups", "--compile-bytecode")
    for cache in (project / "src").rglob("*.nb[ic]"):
        cache.unlink()
    return project


def cold(project: Path) -> dict[str, float | None]:
    """What the first start takes, and what is there without one."""
    files = (project / ".venv").rglob("*")
    sizes = [
        each.stat().st_size
        for each in files
        if each.is_file() and not each.is_symlink()
    ]
    return {
        "installed_mb": sum(sizes) / 1e6,
        "image_mb": image_size(project),
        "cold_s": start(project)["first_s"],
    }


def start(project: Path) -> dict[str, float]:
    printed = run(project, ".venv/bin/python", "-c", ONE_START)
    return json.loads(printed)


def image_size(project: Path) -> float | None:
    name = f"wine-classifier:{project.parent.name}"
    try:
        for words in (
            ["build", "--quiet", "--tag", name, str(project)],
            ["image", "inspect", "--format", "{{.Size}}", name],
        ):
            done = subprocess.run(["docker", *words], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return int(done.stdout) / 1e6


def run(place: Path, *command: str) -> str:
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    }
    done = subprocess.run(
        command,
        cwd=place,
        env=variables | ONE_THREAD,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def table(results: dict[str, dict[str, float | None]]) -> str:
    """Markdown, an engine a line."""
    lines = [["engine", *COLUMNS.values()], ["---"] * (len(COLUMNS) + 1)]
    for engine, found in results.items():
        cells = (found[name] for name in COLUMNS)
        lines.append(
            [f"`{engine}`", *("–" if x is None else f"{x:.3g}" for x in cells)]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
