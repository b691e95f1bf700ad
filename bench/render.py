"""Rendering benchmark: from a command to a project, and from a project to green checks.

    python bench/render.py

The default answers are rendered by the command line beside a template of one file, in
interleaved rounds: what the two share is Python's and Cookiecutter's own start. Then
`make setup` and `make check` run once in a fresh project, with a warm package cache.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from serving.project import ROOT, PreparationError, run, tools

ROUNDS = 9
OURS, BARE = "this template", "one file"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only-render", action="store_true", help="no checks")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "output"
        compare({OURS: ROOT, BARE: bare_template(Path(scratch))}, output)
        if not options.only_render:
            to_green_checks(output)


def bare_template(scratch: Path) -> Path:
    folder = scratch / "bare" / "{{cookiecutter.name}}"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# {{ cookiecutter.name }}\n")
    (folder.parent / "cookiecutter.json").write_text('{"name": "bare"}\n')
    return folder.parent


def compare(templates: dict[str, Path], output: Path) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in templates}
    for turn in range(ROUNDS + 1):
        for name, template in templates.items():
            shutil.rmtree(output, ignore_errors=True)
            took = timed(lambda template=template: render(template, output))
            if turn:  # the first fills bytecode caches
                seconds[name].append(took)
    for name, taken in seconds.items():
        print(f"render {name:<20}{statistics.median(taken):7.2f} s")
    pairs = zip(seconds[OURS], seconds[BARE], strict=True)
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    print(f"this template takes {ratio:.2f} times as long as one file")


def to_green_checks(output: Path) -> None:
    shutil.rmtree(output, ignore_errors=True)
    total = timed(lambda: render(ROOT, output))
    (project,) = output.iterdir()
    for target in ("setup", "check"):
        took = timed(lambda target=target: run(["make", target], project))
        print(f"make {target:<22}{took:7.1f} s")
        total += took
    print(f"nothing to green checks    {total:7.1f} s")


def render(template: Path, output: Path) -> None:
    cookiecutter = str(tools() / "cookiecutter")
    run([cookiecutter, str(template), "--no-input", "-o", str(output)])


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    try:
        main()
    except PreparationError as error:
        sys.exit(str(error))
