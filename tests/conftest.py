"""Projects to look at: rendered in this process, by the command, or set up in full."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from align.origin import Origin
from align.render_worker import compile_once
from allpairspy import AllPairs
from cookiecutter import generate
from jinja2 import Environment

from ml_service_template import CHOICES

TEMPLATE = Path(__file__).parents[1]
SEED = int(os.environ.get("SEED", "20261122"))

# `uv run` says where it is itself, wherever make has found or put it.
UV = os.environ.get("UV") or shutil.which("uv") or "uv"
TOOLS = str(Path(sys.executable).parent)
OURS = {"VIRTUAL_ENV", "PYTHONPATH", "UV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}

Answers = dict[str, str]


def pytest_report_header() -> str:
    return f"seed of random texts: {SEED} (another one: SEED=1 make test)"


# Files whose tests look at something that takes long to make: one process makes it.
TOGETHER = {
    "test_compose.py": "image",
    "test_container.py": "image",
    "test_contracts.py": "image",
    "test_docs.py": "site",
    "test_fleet.py": "fleet",
    "test_registry.py": "registry",
    "test_rendering.py": "renders",
    "test_scoring.py": "scored",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whatever xdist's groups would do: they are lost under this version of pytest."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0].rpartition("/")[2]
            if file == "test_replace_the_stub.py":  # a model goes from test to test
                return nodeid[nodeid.rfind("[") :]
            return TOGETHER.get(file, nodeid)

    return Scheduler(config, log)


def every_combination() -> list[Answers]:
    return [
        dict(zip(CHOICES, each, strict=True))
        for each in itertools.product(*CHOICES.values())
    ]


def pairs_of_choices() -> list[Answers]:
    """Rows in which each choice meets each choice of every other question."""
    pairs = AllPairs(list(CHOICES.values()))
    return [dict(zip(CHOICES, each, strict=True)) for each in pairs]


# Choices that put no line of code into the package: `test_rendering` sees all of them,
# and `test_deploy` runs what the second one brings.
INERT = {"license", "deploy"}


def telling_combinations() -> list[Answers]:
    """Each pair of choices once, the defaults, and the answers furthest from them."""
    first = {name: each[0] for name, each in CHOICES.items()}
    last = {name: each[-1] for name, each in CHOICES.items()}
    telling = {name: each for name, each in CHOICES.items() if name not in INERT}
    # AllPairs wants two questions at least.
    lists = list(telling.values())
    pairs = AllPairs(lists) if len(lists) > 1 else [[each] for each in lists[0]]
    rows = [
        first,
        last,
        *(first | dict(zip(telling, pair, strict=True)) for pair in pairs),
    ]
    # What differs in inert choices only has proved itself already.
    told = [[row[name] for name in telling] for row in rows]
    return [row for i, row in enumerate(rows) if told[i] not in told[:i]]


def name_of(answers: Mapping[str, str]) -> str:
    """The choices that differ from the defaults, as a test's name shows them."""
    chosen = [each for name, each in answers.items() if each != CHOICES[name][0]]
    return "-".join(chosen) or "defaults"


def bare_environment() -> dict[str, str]:
    """What a project's own commands see: uv, and nothing else of the template's."""
    kept = {name: each for name, each in os.environ.items() if name not in OURS}
    folders = [each for each in kept["PATH"].split(os.pathsep) if each != TOOLS]
    kept["PATH"] = os.pathsep.join([*folders, str(Path(UV).parent)])
    return kept


@dataclass(frozen=True)
class Rendered:
    """A project that the template made."""

    path: Path

    def files(self) -> list[str]:
        return sorted(
            each.relative_to(self.path).as_posix()
            for each in self.path.rglob("*")
            if each.is_file()
        )

    def text(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.path,
            env=bare_environment() | variables,
            capture_output=True,
            text=True,
            timeout=1200,  # a whole suite, on a slow and busy machine
            check=False,
        )

    def succeeds(self, *command: str, **variables: str) -> str:
        """What the command prints; shown in full when it fails."""
        done = self.run(*command, **variables)
        shown = done.stdout + done.stderr
        assert done.returncode == 0, f"{' '.join(command)} failed:\n{shown}"
        return shown


@pytest.fixture(scope="session", autouse=True)
def texts_compiled_once() -> Iterator[None]:
    """Two thirds of a project's time, and there are more than a hundred projects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", compile_once)
        patch.setattr(generate, "is_binary", cache(generate.is_binary))
        yield


@pytest.fixture(scope="session")
def render(cookies_session) -> Callable[..., Rendered]:
    def bake(**answers: str) -> Rendered:
        result = cookies_session.bake(extra_context=answers, template=str(TEMPLATE))
        if result.exception is not None:
            raise result.exception
        return Rendered(result.project_path)

    return bake


@dataclass(frozen=True)
class Cookiecutter:
    """The command as a user runs it, in an empty folder, with its own configuration."""

    home: Path

    @property
    def output(self) -> Path:
        return self.home / "new" / "output"

    @property
    def replay(self) -> Path:
        return self.home / "replay" / f"{TEMPLATE.name}.json"

    def __call__(
        self,
        *arguments: str,
        typed: str = "",
        defaults: Mapping[str, object] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        configuration = self.home / "configuration.yaml"
        written = {
            "replay_dir": str(self.replay.parent),
            "default_context": defaults or {},
        }
        configuration.write_text(json.dumps(written), encoding="utf-8")
        command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), *arguments]
        command += [
            "--config-file",
            str(configuration),
            "--output-dir",
            str(self.output),
        ]
        utf8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            command,
            cwd=self.home,
            env=bare_environment() | utf8,
            input=typed,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )


@pytest.fixture
def cookiecutter(tmp_path: Path) -> Cookiecutter:
    return Cookiecutter(tmp_path)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(SEED)


@pytest.fixture(scope="session")
def project(render: Callable[..., Rendered]) -> Iterator[Rendered]:
    """The default project, set up from nothing and trained, as its README says."""
    rendered = render()
    rendered.succeeds("make", "setup")
    rendered.succeeds("make", "train")
    return rendered


@pytest.fixture(scope="session")
def image(project: Rendered) -> Iterator[str]:
    """The default project's image; skips where no container engine answers."""
    from containers import built, need_engine

    need_engine()
    with built(project) as name:
        yield name


@pytest.fixture(scope="session")
def finished(
    render: Callable[..., Rendered], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A project for each place to run in, and its manifests as they are applied."""
    from platforms import TARGETS, finish

    return {
        each: finish(render(deploy=each), each, tmp_path_factory.mktemp(each))
        for each in TARGETS
    }


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """This template as a repository of its own, released once, as v0.1.0."""
    from history import present_template

    past = present_template(tmp_path_factory.mktemp("origin") / "template")
    past.commit("v0.1.0")
    return past


@pytest.fixture(scope="session")
def origin(template: Any, tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return Origin.fetched(str(template.path), tmp_path_factory.mktemp("cache"))
