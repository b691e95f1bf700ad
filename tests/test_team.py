"""A fork that changes team.toml and nothing else."""

from __future__ import annotations

import json
import re
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

import ml_service_team

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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[policy", "cannot be read: Expected ']'"),
        ("policies = 1", "policies: expected one of the tables policy, defaults, "),
        ("allowed = 1", "allowed: expected a table, as in [allowed], received 1"),
        ("[policy]\nwithin = 1", "[policy] within: expected nothing but update_within"),
        (
            "[policy]\nupdate_within_days = '90'",
            "[policy] update_within_days: expected a number of days, such as 90, "
            "received '90'",
        ),
        (
            "[defaults]\nauthor = 'Ada'",
            "[defaults] author: expected one of author_name, author_email, github",
        ),
        ("[defaults]\nauthor_name = 1", "author_name: expected a text, received 1"),
        (
            "[allowed]\nlicence = ['MIT']",
            "[allowed] licence: expected one of license, engine, deploy, received",
        ),
        (
            "[allowed]\nengine = ['numpy']",
            "[allowed] engine: expected a list of some of numba, jax, onnx, tvm, rec",
        ),
        ("[allowed]\nengine = []", "expected a list of some of numba"),
        ("[registry]\nname = 'x'", "[registry] name: expected nothing but url"),
        (
            "[registry]\nurl = 'https://ada:secret@example.org/simple'",
            "[registry] url: expected an address such as https://packages.example.org"
            "/simple, without user and password, received",
        ),
        ("[files]\n'../x' = ''", "[files] ../x: expected a path inside the project"),
        ("[files]\n'C:/x' = ''", "[files] C:/x: expected a path inside the project"),
        ("[files]\n'.git/x' = ''", "[files] .git/x: expected a path inside"),
        ("[files]\n'.GIT/x' = ''", "[files] .GIT/x: expected a path inside"),
        ("[files]\n'.cruft.json' = ''", "[files] .cruft.json: expected a path inside"),
        ("[files]\n\"a\\u0000\" = ''", "expected a path of visible characters"),
        ("[files]\n'src' = ''", "[files] src: expected a path that is a file in the"),
        ("[files]\n'Makefile/x' = ''", "[files] Makefile/x: expected a path that is"),
        (
            "[files]\n'team/x/y' = ''\n'./team/x' = ''",
            "[files] team/x/y: expected a path below folders, received a file team/x",
        ),
        ("[files]\n'docs/x.md' = 1", "[files] docs/x.md: expected a text, received 1"),
    ],
)
def test_what_a_team_cannot_have_meant_is_told(tmp_path, text, told):
    file = tmp_path / "team.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ImportError, match=re.escape(told)) as refused:
        ml_service_team.read(file)
    assert "team.toml" in str(refused.value)


def test_all_faults_of_a_team_are_told_in_one_go_and_nothing_is_written(tmp_path):
    past = present_template(tmp_path / "template")
    past.write("team.toml", "[policies]\n[allowed]\nlicence = ['MIT']\n")
    command = [sys.executable, "-m", "cookiecutter", str(past.path), "--no-input"]
    done = subprocess.run(
        [*command, "--output-dir", str(tmp_path / "out")],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "  policies: expected one of" in done.stdout + done.stderr
    assert "  [allowed] licence: expected one of" in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()
