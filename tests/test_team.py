"""A fork that changes team.toml and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from align.judge import drift
from align.origin import Origin
from align.project import link_of
from align.project import render as rendered_again
from history import Past, present_template

TEAM = """
[policy]
update_within_days = 30

[defaults]
author_name = "Platform team"
github_owner = "example"

[allowed]
license = ["Proprietary"]

[registry]
url = "https://packages.example.org/simple"

[files]
".github/workflows/security.yml" = \"\"\"
name: Security
on: {push: {}}
\"\"\"
"docs/whom-to-call.md" = "Ask {{ whoever }} is on call: \\"us\\"\\n"
"""


@pytest.fixture(scope="module")
def fork(tmp_path_factory) -> Past:
    past = present_template(tmp_path_factory.mktemp("fork") / "template")
    past.write("team.toml", TEAM)
    past.commit("v0.1.0")
    return past


@pytest.fixture
def make(fork, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cookiecutter", str(fork.path), "--no-input"]
        return subprocess.run(
            [*command, "--output-dir", str(tmp_path), *arguments],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


def test_defaults_registry_and_files_are_the_team_s(make, fork, tmp_path):
    done = make("license=Proprietary")
    assert done.returncode == 0, done.stdout + done.stderr
    project = tmp_path / "wine-classifier"
    answers = link_of(project).answers
    assert answers["author_name"] == "Platform team"
    assert answers["author_email"] == "you@example.org"
    settings = tomllib.loads((project / "uv.toml").read_text(encoding="utf-8"))
    index = {"url": "https://packages.example.org/simple", "default": True}
    assert settings == {"index": [index]}
    text = (project / "docs" / "whom-to-call.md").read_text(encoding="utf-8")
    assert text == 'Ask {{ whoever }} is on call: "us"\n'
    workflow = project / ".github" / "workflows" / "security.yml"
    assert workflow.read_text(encoding="utf-8").startswith("name: Security\n")
    assert_managed(project, fork, tmp_path, ".github/workflows/security.yml")


def assert_managed(project: Path, fork: Past, tmp_path: Path, path: str) -> None:
    link = link_of(project)
    origin = Origin.fetched(str(fork.path), tmp_path / "cache")
    made = rendered_again(origin, link.commit, "", link.answers, tmp_path / "work")
    assert list(drift(project, made)) == []
    (project / path).write_text("mine", encoding="utf-8")
    assert [each.path for each in drift(project, made)] == [path]


def test_an_answer_beats_the_team_s_default(make, tmp_path):
    assert make("license=Proprietary", "author_name=Ada").returncode == 0
    link = json.loads((tmp_path / "wine-classifier" / ".cruft.json").read_text())
    assert link["context"]["cookiecutter"]["author_name"] == "Ada"


def test_a_choice_that_the_team_does_not_allow_is_refused(make, tmp_path):
    done = make("license=MIT")
    assert done.returncode == 1
    assert "license: one of Proprietary\n    given:   'MIT'" in done.stdout
    assert not (tmp_path / "wine-classifier").exists()


def test_without_a_team_there_is_no_trace_of_one(render):
    assert "uv.toml" not in render().files()
