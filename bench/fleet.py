"""Seconds that tools/fleet.py takes for 200 repositories that were generated for it.

    python bench/fleet.py [number]

Projects of two versions; each third one edited, each fifth with a waiver. Generating
them is not timed. Prints two lines, and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
sys.path.insert(0, str(TEMPLATE / "tools"))

from align.origin import Origin  # noqa: E402
from align.project import Render, render_all  # noqa: E402

IDENTITY = [
    "-c",
    "user.name=bench",
    "-c",
    "user.email=bench@example.org",
    "-c",
    "commit.gpgsign=false",
]
WAIVER = """[[waiver]]
path = "mypy.ini"
reason = "bench"
owner = "@bench"
expires = 2999-01-01
"""


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *IDENTITY, *arguments], check=True)


def template_with_two_versions(folder: Path) -> None:
    git(TEMPLATE, "clone", "--quiet", "--no-tags", str(TEMPLATE), str(folder))
    git(folder, "tag", "v0.1.0")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=later")
    git(folder, "tag", "v0.2.0")


def generate(number: int, template: Path, work: Path) -> list[Path]:
    origin = Origin.fetched(str(template), work / "cache")
    made: list[Path] = []
    for n, version in enumerate(("v0.1.0", "v0.2.0")):
        asked = range(n, number, 2)
        answers = [{"project_slug": f"service-{each}"} for each in asked]
        commit = origin.commit(version)
        renders = render_all(origin, commit, "", answers, work / version)
        made += [each.folder for each in renders if isinstance(each, Render)]
    for n, project in enumerate(made):
        (project / ".cruft.json").write_text(linked(project, template), "utf-8")
        if n % 3 == 0:
            (project / "ruff.toml").write_text("line-length = 120\n", encoding="utf-8")
        if n % 5 == 0:
            (project / "mypy.ini").unlink()
            (project / "waivers.toml").write_text(WAIVER, encoding="utf-8")
        git(project, "init", "--quiet")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message=first")
    return made


def linked(project: Path, template: Path) -> str:
    link = json.loads((project / ".cruft.json").read_text(encoding="utf-8"))
    return json.dumps(link | {"template": str(template)})


def main() -> None:
    number = int((sys.argv[1:] or ["200"])[0])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        template_with_two_versions(work / "template")
        projects = generate(number, work / "template", work)
        (work / "list").write_text("\n".join(map(str, projects)), encoding="utf-8")
        command = [sys.executable, str(TEMPLATE / "tools" / "fleet.py")]
        command += ["--list", str(work / "list"), "--cache", str(work / "fresh")]
        command += ["--page", str(work / "page.html")]
        started, before = time.perf_counter(), os.times()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds, after = time.perf_counter() - started, os.times()
    if done.returncode != 1:
        sys.exit(f"expected exit 1, for some have drifted: {done.stderr}")
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    print(done.stdout.splitlines()[-1])
    print(f"{number} repositories in {seconds:.1f} s ({used:.1f} s of processor time)")


if __name__ == "__main__":
    main()
