"""Projects prove themselves: their checks are green, and what they build installs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import UV, Rendered, name_of, telling_combinations
from test_workflows import jobs

from ml_service_template import DEPENDENCIES, SLUG, STDLIB

SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
# Tests of the template are spread over the processors already.
NO_WIDER = {"PYTEST_XDIST_AUTO_NUM_WORKERS": "1"}


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(each, marks=[pytest.mark.thorough] * bool(i))
        for i, each in enumerate(telling_combinations())  # the defaults first
    ],
    ids=name_of,
)
def test_the_steps_of_its_own_ci_are_green(render, project, answers):
    rendered = project if name_of(answers) == "defaults" else render(**answers)
    check = jobs(rendered.path / ".github/workflows/ci.yml")["check"]
    steps = [each for each in check["steps"] if "run" in each]
    assert [each["run"] for each in steps[:2]] == ["make setup", "make check"]
    shown = "".join(
        rendered.succeeds("bash", "-c", each["run"], **NO_WIDER, **each.get("env", {}))
        for each in steps
    )
    assert re.search(r"\d+ passed", shown)
    assert "failed" not in shown


@pytest.mark.thorough
def test_a_route_of_its_own_breaks_no_test_of_the_machinery(render, project):
    rendered = render()
    app = rendered.path / "src" / "wine_classifier" / "app.py"
    text = app.read_text(encoding="utf-8")
    route = (
        '    @api.get("/mine")\n    async def mine() -> str:\n        return "yes"\n\n'
    )
    assert text.count("    return api\n") == 1
    app.write_text(text.replace("    return api\n", f"{route}    return api\n"))
    python = str(project.path / ".venv" / SCRIPTS / "python")
    words = ("-q", "-p", "no:cacheprovider", "tests/serving", "tests/test_journey.py")
    shown = rendered.succeeds(python, "-m", "pytest", *words, PYTHONPATH="src")
    assert re.search(r"\d+ passed", shown)


def test_nobody_can_call_a_project_like_a_module_that_it_imports(project):
    listing = (
        "from importlib.metadata import distributions, packages_distributions as p\n"
        "print(*p(), *(each.name for each in distributions()))"
    )
    names = project.succeeds("uv", "run", "python", "-c", listing).split()
    slugs = {re.sub("[-_.]+", "-", each).lower() for each in names if each[0] != "_"}
    slugs = {each for each in slugs if re.fullmatch(SLUG, each) and "mypyc" not in each}
    assert slugs - DEPENDENCIES - STDLIB == {"wine-classifier"}


def test_make_fetches_uv_when_it_is_missing(render, tmp_path):
    for name in ("sh", "python3", "make", "rm"):
        (tmp_path / name).symlink_to(shutil.which(name))
    rendered = render()
    rendered.succeeds("make", ".tools/bin/uv", PATH=str(tmp_path))
    assert rendered.succeeds(".tools/bin/uv", "--version").startswith("uv 0.13.9")


def test_uv_may_be_in_a_folder_with_a_blank(render, tmp_path):
    folder = tmp_path / "First Last"
    folder.mkdir()
    (folder / "uv").symlink_to(Path(UV).absolute())
    rendered, path = render(), f"{folder}{os.pathsep}{os.environ['PATH']}"
    shown = rendered.succeeds("make", "--dry-run", "setup", PATH=path)
    assert shown.startswith("uv sync")


def test_its_wheel_works_in_an_empty_environment(project, tmp_path):
    project.succeeds("uv", "build", "--quiet", "--wheel", "--out-dir", str(tmp_path))
    wheel = next(tmp_path.glob("wine_classifier-*.whl"))
    empty = Rendered(tmp_path)
    empty.succeeds("uv", "venv", "--quiet", "empty")
    empty.succeeds("uv", "pip", "install", "--python", "empty", str(wheel))
    command = str(tmp_path / "empty" / SCRIPTS / "wine-classifier")
    predictions = project.succeeds(command, "predict", "data/sample.csv").splitlines()
    assert predictions[0].startswith("cultivar,probability_")
    assert len(predictions) == 1 + 178
    python = str(tmp_path / "empty" / SCRIPTS / "python")
    asked = "import importlib.util as u; print(u.find_spec('sklearn'))"
    assert empty.succeeds(python, "-c", asked) == "None\n"
    asked = "import wine_classifier as w; print(*w.__path__)"
    package = Path(empty.succeeds(python, "-c", asked).strip())
    assert (package / "py.typed").is_file()
