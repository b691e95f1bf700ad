"""Image benchmark: the image of each engine by layer, and beside a plain one.

    python bench/images.py [--engine NAME]

Renders, trains and builds the default project for each engine, and the same project by
the Dockerfile that one would write first: one stage, `COPY . .`, `pip install .`. A
rebuild after a change of the source is timed for both. Needs a container engine.
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from serving.project import ROOT, run, tools

PLAIN = """\
FROM {base}
WORKDIR /app
COPY . .
RUN pip install .
CMD ["wine-classifier", "serve"]
"""
ENGINES = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["engine"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=ENGINES, action="append")
    options = parser.parse_args()
    os.environ["PATH"] = f"{tools()}{os.pathsep}{os.environ['PATH']}"
    for engine in options.engine or ENGINES:
        with tempfile.TemporaryDirectory() as scratch:
            measure(engine, Path(scratch))


def measure(engine: str, scratch: Path) -> None:
    project = trained(engine, scratch)
    dockerfile = (project / "Dockerfile").read_text(encoding="utf-8")
    base = re.search(r"^FROM (\S+) AS pinned", dockerfile, re.MULTILINE)
    assert base, "the Dockerfile names its base in a line of its own"
    plain = scratch / "plain"
    unneeded = shutil.ignore_patterns(".venv", ".dockerignore", "Dockerfile")
    shutil.copytree(project, plain, ignore=unneeded)
    (plain / "Dockerfile").write_text(PLAIN.format(base=base[1]), encoding="utf-8")
    print(f"\n{engine}, on {base[1]} of {megabytes(size(base[1]))}")
    for name, folder in (("ours", project), ("plain", plain)):
        tag = f"bench-{engine}-{name}"
        build(folder, tag)
        print(f"\n{name:<8}{megabytes(size(tag)):>10}")
        for instruction, layer in layers(tag):
            if layer > 1000:
                print(f"  {megabytes(layer):>12}  {instruction:.64}")
        app = folder / "src" / "wine_classifier" / "app.py"
        app.write_text(app.read_text(encoding="utf-8") + "\n# edited\n")
        began = time.perf_counter()
        build(folder, tag)
        print(f"  {time.perf_counter() - began:10.0f} s  after a change of the source")
        run(["docker", "image", "rm", "--force", tag])


def trained(engine: str, scratch: Path) -> Path:
    answers = ["--no-input", "-o", str(scratch), f"engine={engine}"]
    run([str(tools() / "cookiecutter"), str(ROOT), *answers])
    project = scratch / "wine-classifier"
    for target in ("setup", "train"):
        run(["make", target], project)
    return project


def build(folder: Path, tag: str) -> None:
    run(["docker", "build", "--quiet", "--tag", tag, str(folder)])


def size(image: str) -> int:
    return int(run(["docker", "inspect", "--format={{.Size}}", image]))


def layers(image: str) -> list[tuple[str, int]]:
    """Each layer above the base, the first one first."""
    command = [
        "docker",
        "history",
        "--no-trunc",
        "--human=false",
        "--format=json",
        image,
    ]
    rows = [json.loads(line) for line in run(command).splitlines()]
    return [
        (each["CreatedBy"].removeprefix("RUN /bin/sh -c "), int(each["Size"]))
        for each in reversed(rows)
        if "buildkit" in each["Comment"]
    ]


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


if __name__ == "__main__":
    main()
