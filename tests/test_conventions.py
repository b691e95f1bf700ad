"""What the opt-in hooks of a project let pass, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest
import yaml
from conftest import TEMPLATE
from history import PRODUCT, Past

TOOL = TEMPLATE / PRODUCT / "tools" / "conventions.py"


@pytest.fixture(scope="module")
def conventions() -> ModuleType:
    # Not imported, for a folder of bytecode in the template would be rendered too.
    module = ModuleType("conventions")
    exec(compile(TOOL.read_text(encoding="utf-8"), TOOL, "exec"), vars(module))
    return module


@pytest.mark.parametrize(
    "text",
    [
        "Refuse rows with a negative proline\n",
        "Refuse cold rows\n\nThe sensor says -1.\n# comment of git\n",
        "Überspringe kalte Zeilen\n",
        "Merge branch 'main' into fix/cold\n",
        "Bump black from 26.1 to 26.2\n",
        "fixup! Refuse cold rows\n",
    ],
)
def test_a_good_message_passes(conventions, text):
    assert conventions.faults_of_message(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "a short sentence"),
        ("wip\n", "a short sentence"),
        ("refuse cold rows\n", "begins with a capital"),
        ("Refuse cold rows.\n", "no full stop"),
        ("Refuse " + "cold " * 14 + "rows\n", "has 81 characters, 72 at most"),
        ("Refuse cold rows\nBecause\n", "an empty line follows"),
    ],
)
def test_a_bad_message_is_refused_with_the_rule(conventions, text, fault):
    assert any(fault in each for each in conventions.faults_of_message(text))


@pytest.mark.parametrize(
    "name", ["fix/cold-sensor", "data/2027-01", "template-update", "dependabot/uv/x"]
)
def test_a_good_branch_passes(conventions, name):
    assert conventions.faults_of_branch(name) == []


@pytest.mark.parametrize("name", ["main", "patch-1", "fix/", "fix/Cold", "wip/a b"])
def test_a_bad_branch_is_refused(conventions, name):
    assert len(conventions.faults_of_branch(name)) == 1


def test_the_hooks_run_where_they_were_switched_on(conventions, tmp_path, monkeypatch):
    hooks = yaml.safe_load((TEMPLATE / PRODUCT / ".pre-commit-config.yaml").read_text())
    stages = {each["id"]: each.get("stages") for each in hooks["repos"][0]["hooks"]}
    assert hooks["default_stages"] == ["pre-commit"]
    assert stages["commit-message"] == ["commit-msg"]
    assert stages["branch-name"] == ["pre-push"]
    assert stages["ruff"] is None
    project = Past(tmp_path)
    project.commit()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["conventions", "branch"])
    assert conventions.main() == 1
    project.write("MESSAGE", "Refuse cold rows\n")
    monkeypatch.setattr("sys.argv", ["conventions", "message", "MESSAGE"])
    assert conventions.main() == 0


def test_the_template_has_hooks_that_its_own_files_pass():
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
    done = subprocess.run(
        [*command, "style"], cwd=TEMPLATE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    left = [*TEMPLATE.glob("*/.ruff_cache"), *TEMPLATE.glob("*/.mypy_cache")]
    assert left == []
