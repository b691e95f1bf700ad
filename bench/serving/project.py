"""The product under test: rendered, set up and trained, by the tools that it takes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "bench"
TOOLS = BUILD / "tools"
TOOL_PINS = ["uv==0.13.9", "cookiecutter==2.7.1"]


class PreparationError(Exception):
    """A command that the measurement needs went wrong; the message holds its output."""


@dataclass(frozen=True)
class Project:
    folder: Path

    @property
    def slug(self) -> str:
        return next((self.folder / "models").iterdir()).name

    @property
    def package(self) -> str:
        return self.slug.replace("-", "_")

    @property
    def executables(self) -> Path:
        """Of the environment for development, which can train and compare."""
        return self.folder / ".venv" / "bin"

    @property
    def sample(self) -> Path:
        return self.folder / "data" / "sample.csv"

    @property
    def version(self) -> Path:
        """The folder of the version that is in service."""
        store = self.folder / "models" / self.slug
        pointer = json.loads((store / "CURRENT").read_text(encoding="utf-8"))
        return store / pointer["serving"]["version"]


def tools() -> Path:
    """The folder with uv and cookiecutter, made on first use."""
    if not (TOOLS / "bin" / "uv").exists():
        run([sys.executable, "-m", "venv", str(TOOLS)])
        pip = [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        run([*pip, "--disable-pip-version-check", *TOOL_PINS])
    return TOOLS / "bin"


def prepare(given: Path | None) -> Project:
    """A trained project: the given one, or the default answers rendered anew."""
    if given is not None:
        folder = given.resolve()
    else:
        parent = BUILD / "project"
        shutil.rmtree(parent, ignore_errors=True)
        parent.mkdir(parents=True)
        cookiecutter = str(tools() / "cookiecutter")
        say("rendering the default project")
        run([cookiecutter, str(ROOT), "--no-input", "-o", str(parent)])
        folder = next(parent.iterdir())
    say("setting it up")
    run(["make", "setup"], folder)
    if not any(folder.glob("models/*/CURRENT")):
        say("training it")
        run(["make", "train"], folder)
    return Project(folder)


def run(command: list[str], folder: Path | None = None, **variables: str) -> str:
    """Fails: PreparationError with the last lines of the output."""
    environment = os.environ | {
        "PATH": f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "UV_PYTHON_DOWNLOADS": "never",
        **variables,
    }
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        tail = (done.stdout + done.stderr)[-1500:]
        raise PreparationError(f"{' '.join(command)}: exit {done.returncode}\n{tail}")
    return done.stdout


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
