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


def test_the_hooks_of_git_find_the_uv_that_make_fetched(project, tmp_path):
    """PATH has none then; a file of bad form is refused, and a good one is not."""
    copied, path = Rendered(tmp_path / "project"), tmp_path / "path"
    left_out = shutil.ignore_patterns(".venv", ".tools", "models", ".git")
    shutil.copytree(project.path, copied.path, ignore=left_out)
    path.mkdir()
    for name in ("bash", "sh", "git"):
        (path / name).symlink_to(shutil.which(name))
    fetched = copied.path / ".tools" / "bin" / "uv"
    fetched.parent.mkdir(parents=True)
    fetched.symlink_to(Path(UV).absolute())
    variables = {"PATH": str(path), "UV_NO_SYNC": "1"}
    variables["UV_PROJECT_ENVIRONMENT"] = str(project.path / ".venv")
    copied.succeeds("git", "init", "--quiet")
    copied.succeeds(str(fetched), "run", "pre-commit", "install", **variables)
    commit = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    commit += ("commit", "--message", "Add a number")
    for text, code in (("NUMBER  =  1\n", 1), ("NUMBER = 1\n", 0)):
        (copied.path / "tests" / "number.py").write_text(f'"""One."""\n\n{text}')
        copied.succeeds("git", "add", "tests/number.py")
        done = copied.run(*commit, **variables)
        assert done.returncode == code, done.stdout + done.stderr
        assert "files were modified by this hook" in done.stderr or not code


def test_a_clone_holds_the_bytes_of_the_data_that_was_learned_from(render, tmp_path):
    """A version names its data by them, and Excel ends lines as git would not."""
    rendered, content = render(), b"one,two\r\n1,2\r\n"
    data = rendered.path / "data" / "sample.csv"
    data.write_bytes(content)
    rendered.succeeds("git", "init", "--quiet")
    rendered.succeeds("git", "add", ".gitattributes", "data")
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    rendered.succeeds("git", *author, "commit", "--message", "Learn from a table")
    rendered.succeeds("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    assert (tmp_path / "clone" / "data" / "sample.csv").read_bytes() == content


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
