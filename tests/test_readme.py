"""What the READMEs tell people to type, open or set exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TEMPLATE, Rendered, every_combination, telling_combinations
from platforms import TARGETS

BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
TREE = re.compile(r"^[│ ]*[├└]── (\S+)", re.MULTILINE)
# Programs that are neither the project's nor the template's.
KNOWN_ELSEWHERE = {"cd", "curl", "git", "uvx", "cruft", "export"}
PLATFORM_TOOLS = {"aws", "az", "faas-cli", "gcloud", "heroku", "kubectl"}
GUIDES = [
    "docs/from-notebook.md",
    "docs/learning-pattern.md",
    "docs/on-call.md",
    "docs/release.md",
    "docs/replace-the-model.md",
    "docs/retrain.md",
    "docs/roll-back.md",
    "docs/score.md",
    "experiments/README.md",
]
PAGES = ["README.md", "CONTRIBUTING.md", "docs/decisions/README.md", "SECURITY.md"]


def commands(page: str) -> Iterator[str]:
    """Each line to type: all of a `sh` block, those after `$` of a `console` block."""
    for kind, block in BLOCK.findall(page.replace("\\\n", " ")):
        for line in block.splitlines():
            if kind == "console" and not line.startswith("$ "):
                continue
            if command := line.removeprefix("$ ").split("  #")[0].strip():
                yield command


def judge_commands(page: str, project: Rendered) -> None:
    for command in commands(page):
        words = [each for each in shlex.split(command) if "=" not in each]
        if not words or words[0] in KNOWN_ELSEWHERE:
            continue
        if words[0] == "make":
            project.succeeds("make", "--dry-run", words[1])
        elif words[:2] == ["uv", "run"]:
            judge_options(project, words)
        elif words[:3] == ["gh", "workflow", "run"]:
            assert "workflow_dispatch:" in project.text(f".github/workflows/{words[3]}")
        else:
            pytest.fail(f"{command!r} is a command that nothing here provides")


def judge_options(project: Rendered, words: list[str]) -> None:
    program = words[2]
    subcommand = [each for each in words[3:4] if program == "wine-classifier"]
    shown = project.succeeds("uv", "run", program, *subcommand, "--help")
    for option in words[3:]:
        assert not option.startswith("-") or option in shown, f"{program}: {option}"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_template_s_pages_exists(page):
    text = (TEMPLATE / page).read_text(encoding="utf-8")
    judge_commands(text, Rendered(TEMPLATE))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_the_template_s_pages_leads_somewhere(page):
    text = (TEMPLATE / page).read_text(encoding="utf-8")
    folder = (TEMPLATE / page).parent
    assert [each for each in LINK.findall(text) if not (folder / each).exists()] == []


def test_every_decision_is_listed():
    folder = TEMPLATE / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(each.name for each in folder.glob("[0-9]*.md"))


def test_the_tree_on_the_template_s_page_is_the_tree_that_is_rendered(render):
    shown = TREE.findall((TEMPLATE / "README.md").read_text(encoding="utf-8"))
    names = [each.rstrip("/") for each in shown]
    assert len(names) > 10
    inside = render().path
    there = {each.name for each in inside.rglob("*")} | {"src/wine_classifier"}
    assert [each for each in names if each not in there] == []


def proved() -> dict[str, list[str]]:
    """Row of the table of proofs → how many, and how."""
    page = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    rows = page.partition("## How it is proved")[2].partition("\n## ")[0].splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows if row.startswith("| ")]
    return {first: rest for first, *rest in cells}


def test_the_numbers_of_the_proofs_are_those_of_the_tests():
    replacements = [*TEMPLATE.glob("tests/replacements/*/estimator.py")]
    shown = {row: cells[0] for row, cells in proved().items()}
    assert {row: each for row, each in shown.items() if each.isdigit()} == {
        "combinations": str(len(every_combination())),
        "projects that prove themselves": str(len(telling_combinations())),
        "models in the stub's place": str(len(replacements)),
        "targets": str(len(TARGETS)),
        "judges": str(len(judges())),
    }


def judges() -> list[str]:
    return proved()["judges"][1].partition(":")[0].split(", ")


def test_every_judge_of_the_proofs_is_asked():
    files = [*TEMPLATE.glob("tests/*.py"), *TEMPLATE.glob("tools/*.py")]
    asked = "\n".join(
        each.read_text(encoding="utf-8")
        for each in files
        if each.name != Path(__file__).name
    )
    assert len(judges()) > 3
    assert [each for each in judges() if each not in asked] == []


def test_the_page_shows_the_prompts_and_the_next_commands_as_they_are(cookiecutter):
    page = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    asked = cookiecutter(typed="\n" * 9).stdout
    shown = " ".join(asked.split())
    transcript = page.partition("$ uvx cookiecutter")[2].partition("```")[0]
    lines = [" ".join(each.split()) for each in transcript.splitlines()[1:]]
    assert len(lines) > 10
    assert [each for each in lines if each != "…" and each not in shown] == []


def test_every_question_is_explained_on_the_template_s_page():
    from ml_service_template import QUESTIONS

    page = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    asked = [each for each in QUESTIONS if not each.startswith("_")]
    assert [each for each in asked if f"`{each}`" not in page] == []


def test_every_option_of_cookiecutter_on_the_template_s_page_exists():
    page = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "cookiecutter", "--help"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    options = re.findall(r"cookiecutter[^`\n]* (--[a-z-]+)", page)
    assert options
    assert [each for each in options if each not in known] == []


def test_every_command_of_the_project_s_page_exists(project):
    page = project.text("README.md")
    assert len(list(commands(page))) >= 3
    judge_commands(page, project)


@pytest.mark.parametrize("page", GUIDES)
def test_every_command_of_a_guide_exists(project, page):
    judge_commands(project.text(page), project)


def test_every_link_of_the_project_s_page_leads_somewhere(project):
    links = LINK.findall(project.text("README.md"))
    assert [each for each in links if not Path(project.path, each).exists()] == []


def test_every_setting_on_the_project_s_page_exists(project):
    listing = "from wine_classifier.settings import FIELDS; print(*FIELDS)"
    names = project.succeeds("uv", "run", "python", "-c", listing).upper().split()
    shown = set(re.findall(r"\bML_([A-Z_]+)", project.text("README.md")))
    assert shown - set(names) == set()
