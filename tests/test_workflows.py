"""CI of a project: those who judge workflows find nothing, and its steps run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TEMPLATE, UV, Rendered, bare_environment
from history import GIT
from platforms import TARGETS
from test_manifests import complaints
from test_service import free_port

ALWAYS = ["docs.yml", "release.yml", "template-update.yml"]
CHOSEN = [*TARGETS, "none"]
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.fixture(scope="module")
def projects(render) -> dict[str, Rendered]:
    return {each: render(deploy=each) for each in CHOSEN}


def workflows(project: Rendered) -> list[Path]:
    return sorted((project.path / ".github" / "workflows").iterdir())


def every_workflow(projects: dict[str, Rendered]) -> list[Path]:
    """Each text once."""
    texts = {
        each.read_bytes(): each
        for project in projects.values()
        for each in workflows(project)
    }
    return list(texts.values())


def plain(projects: dict[str, Rendered], name: str) -> Path:
    """One of the workflows that every project has."""
    return projects["none"].path / ".github" / "workflows" / name


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document["jobs"]


def steps_to_run(file: Path, job: str) -> list[str]:
    return [each["run"] for each in jobs(file)[job]["steps"] if "run" in each]


@pytest.mark.parametrize("target", CHOSEN)
def test_there_is_a_deployment_where_there_is_a_place_for_it(projects, target):
    names = [each.name for each in workflows(projects[target])]
    deployed = ["deploy.yml"] if target != "none" else []
    assert names == ["ci.yml", *deployed, *ALWAYS]


def test_every_action_is_pinned_and_every_job_is_bounded(projects):
    for file in every_workflow(projects):
        text = file.read_text(encoding="utf-8")
        used = re.findall(r"uses: (.*)", text)
        assert [each for each in used if not PINNED.fullmatch(each)] == []
        assert "\npermissions: {}\n" in text
        assert "\nconcurrency:\n" in text
        for name, job in jobs(file).items():
            assert "timeout-minutes" in job, f"{file.name}: {name}"
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False


def test_one_commit_of_each_action_everywhere(projects):
    pins: dict[str, set[str]] = {}
    for file in every_workflow(projects):
        for used in re.findall(r"uses: (.*)", file.read_text(encoding="utf-8")):
            pins.setdefault(used.partition("@")[0], set()).add(used)
    assert {name: each for name, each in pins.items() if len(each) > 1} == {}


def test_zizmor_finds_nothing(projects):
    folders = [str(each.path / ".github") for each in projects.values()]
    found = complaints("zizmor", "--offline", "--no-progress", *folders)
    assert "No findings to report" in found


def test_zizmor_would_find_something(projects, tmp_path):
    text = workflows(projects["none"])[0].read_text(encoding="utf-8")
    broken = tmp_path / ".github" / "workflows" / "ci.yml"
    broken.parent.mkdir(parents=True)
    broken.write_text(re.sub(r"@[0-9a-f]{40}", "@main", text), encoding="utf-8")
    assert "unpinned-uses" in complaints("zizmor", "--offline", str(broken))


def test_actionlint_finds_nothing(projects, tmp_path):
    files = [str(each) for each in every_workflow(projects)]
    assert complaints("actionlint", "-shellcheck=", *files) == ""
    broken = tmp_path / "ci.yml"
    text = workflows(projects["none"])[0].read_text(encoding="utf-8")
    broken.write_text(text.replace("github.ref", "githbu.ref"), encoding="utf-8")
    assert "githbu" in complaints("actionlint", "-shellcheck=", str(broken))


def test_the_schemas_of_workflows_and_dependabot_are_kept(projects):
    schema = ["--quiet", "--builtin-schema"]
    files = [str(each) for each in every_workflow(projects)]
    assert (
        complaints("check-jsonschema", *schema, "vendor.github-workflows", *files) == ""
    )
    bot = str(projects["none"].path / ".github" / "dependabot.yml")
    assert complaints("check-jsonschema", *schema, "vendor.dependabot", bot) == ""


@pytest.mark.thorough
def test_checkov_finds_nothing(projects, finished, tmp_path):
    """In the files as they lie there and in what is applied; its own 200 MB aside."""
    places = [(each.path, tmp_path / name) for name, each in projects.items()]
    places += [(e.manifests, tmp_path / name / "made") for name, e in finished.items()]
    seen = set()
    for source, place in places:
        for file in (each for each in source.rglob("*") if each.is_file()):
            content = file.read_bytes()
            if content not in seen:  # most files are the same in every project
                seen.add(content)
                copy = place / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
    kinds = ["cloudformation", "dockerfile", "github_actions", "kubernetes", "secrets"]
    command = [UV, "tool", "run", "--quiet", "checkov==3.3.30", "--directory"]
    done = subprocess.run(
        [
            *command,
            str(tmp_path),
            "--skip-download",
            "--output=json",
            "--framework",
            *kinds,
        ],
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    reports = json.loads(done.stdout)
    judged = {each["check_type"]: each for each in reports}
    assert judged.keys() >= {"cloudformation", "dockerfile", "github_actions"}
    for kind, report in judged.items():
        failed = report["results"]["failed_checks"]
        shown = [f"{each['check_id']} {each['file_path']}" for each in failed]
        assert shown == [], kind
        for each in report["results"]["skipped_checks"]:
            assert len(each["check_result"]["suppress_comment"]) > 20


def test_steps_are_lines_that_a_person_can_type(projects):
    """Longer ones fetch what only a runner lacks."""
    for file in every_workflow(projects):
        for job in jobs(file).values():
            for step in job["steps"]:
                run = step.get("run", "")
                assert "\n" not in run.strip() or "faas-cli" in run
                assert "${{" not in run, f"{file.name}: {run}"
                if run.startswith("make "):
                    project = Rendered(file.parents[2])
                    project.succeeds("make", "--dry-run", *run.split()[1:])


def test_only_the_one_step_that_deploys_sees_the_keys(projects):
    for target in TARGETS:
        file = projects[target].path / ".github" / "workflows" / "deploy.yml"
        (job,) = jobs(file).values()
        assert job["environment"]["name"] == "production"
        assert not any("secrets." in str(each) for each in job["env"].values())
        needs = needs_of(projects[target], target)
        last = job["steps"][-1]
        assert last["run"] == "make deploy"
        assert needs <= job["env"].keys() | last["env"].keys(), target


def needs_of(project: Rendered, target: str) -> set[str]:
    """What steps.toml says the environment has to hold."""
    steps = tomllib.loads(project.text(f"deploy/{target}/steps.toml"))
    return {*steps.get("needs", {}), *steps.get("secrets", {})}


@pytest.mark.parametrize(
    ("file", "job", "command"),
    [
        ("ci.yml", "template", "make template-check"),
        ("template-update.yml", "update", "make template-update"),
    ],
)
@pytest.mark.parametrize("token", ["", "a-token"])
def test_a_private_template_is_read_with_a_token_where_one_is_given(
    projects, file, job, command, token
):
    """git itself says what it would ask."""
    steps = jobs(plain(projects, file))[job]["steps"]
    [given] = [each["env"] for each in steps if each.get("run") == command]
    count = "${{ secrets.TEMPLATE_READ_TOKEN && 1 || 0 }}"
    known = {count: "1" if token else "0", "${{ secrets.TEMPLATE_READ_TOKEN }}": token}
    environment = os.environ | GIT
    for name, text in given.items():
        for expression, value in known.items():
            text = text.replace(expression, value)
        assert "${{" not in text
        environment[name] = text
    asked = ["git", "ls-remote", "--get-url", "https://github.com/example/template"]
    done = subprocess.run(
        asked, env=environment, capture_output=True, text=True, check=True
    )
    user = f"x-access-token:{token}@" if token else ""
    assert done.stdout == f"https://{user}github.com/example/template\n"


def test_a_release_for_trial_is_not_deployed(projects):
    for target in TARGETS:
        file = projects[target].path / ".github" / "workflows" / "deploy.yml"
        (job,) = jobs(file).values()
        assert job["if"] == "${{ !github.event.release.prerelease }}"


def test_packages_are_installed_before_anything_signs_in(projects):
    for target in TARGETS:
        file = projects[target].path / ".github" / "workflows" / "deploy.yml"
        (job,) = jobs(file).values()
        steps = [each.get("run") or each["uses"] for each in job["steps"]]
        before = [each.partition("@")[0] for each in steps[: steps.index("make setup")]]
        assert before == ["actions/checkout", "astral-sh/setup-uv"], target


def test_ci_of_main_is_not_cancelled_by_the_next_push(projects):
    file = plain(projects, "ci.yml")
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    only = "${{ github.event_name == 'pull_request' }}"
    assert document["concurrency"]["cancel-in-progress"] == only


def test_what_ci_started_is_shown_when_it_fails_and_always_stopped(projects):
    steps = jobs(plain(projects, "ci.yml"))["image"]["steps"]
    conditions = {each["run"]: each.get("if") for each in steps if "run" in each}
    assert conditions["docker compose logs"] == "failure()"
    assert conditions["make down"] == "always()"
    assert [*conditions][-3:] == ["make smoke", "docker compose logs", "make down"]


def test_only_what_can_be_deployed_is_released(projects):
    text = projects["none"].text(".github/workflows/release.yml")
    # YAML reads the key `on` as true.
    (pattern,) = yaml.safe_load(text)[True]["push"]["tags"]
    tag = re.compile(pattern.replace(".", r"\."))
    assert tag.fullmatch("v1.20.3")
    assert not tag.fullmatch("v1.2.3rc1")
    assert not tag.fullmatch("v1.2")


def test_an_image_is_asked_before_it_gets_a_name(projects):
    file = plain(projects, "release.yml")
    told = steps_to_run(file, "image")
    started, asked = (
        next(i for i, each in enumerate(told) if each.startswith(beginning))
        for beginning in ("docker run --detach", "docker run --rm")
    )
    noted = next(i for i, each in enumerate(told) if "build/digests" in each)
    assert started < asked < noted
    assert " smoke " in told[asked]


def test_an_image_has_the_version_that_the_makefile_gives_it(projects, tmp_path):
    file = plain(projects, "release.yml")
    (step,) = [each for each in steps_to_run(file, "image") if "version=" in each]
    given = {"TAG": "v1.2.3", "GITHUB_OUTPUT": str(tmp_path / "told")}
    projects["none"].succeeds("bash", "-c", step, **given)
    assert (tmp_path / "told").read_text() == "version=1.2.3\n"
    text = file.read_text(encoding="utf-8")
    assert "VERSION=${{ steps.version.outputs.version }}\n" in text


def test_a_release_is_compared_with_production_before_there_is_an_image(projects):
    file = plain(projects, "release.yml")
    steps = jobs(file)["check"]["steps"]
    told = [each.get("run", "") for each in steps]
    compared = steps[told.index('make evaluate AGAINST="$STORE"')]
    assert compared["env"]["STORE"] == "${{ vars.PRODUCTION_STORE }}"
    assert told.index(compared["run"]) > told.index("make train")
    assert jobs(file)["image"]["needs"] == "check"


@pytest.mark.parametrize(
    ("stored", "processors"),
    [("model.npz", '["amd64", "arm64"]'), ("model.x86-64-v3.so", '["amd64"]')],
)
def test_a_version_is_built_for_the_processors_that_it_runs_on(
    render, tmp_path, stored, processors
):
    project = render(deploy="none")
    changelog = project.path / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace("Unreleased", "0.1.0 - 2026-12-01"))
    file = project.path / "models" / "wine-classifier" / "1" / stored
    file.parent.mkdir(parents=True)
    file.touch()
    outputs = tmp_path / "outputs"
    done = release(project, "processors", TAG="v0.1.0", GITHUB_OUTPUT=str(outputs))
    assert done.returncode == 0, done.stderr
    assert outputs.read_text() == f"list={processors}\n"
    image = jobs(project.path / ".github" / "workflows" / "release.yml")["image"]
    wanted = "${{ fromJSON(needs.check.outputs.processors) }}"
    assert image["strategy"]["matrix"] == {"processor": wanted}


NEWEST = TEMPLATE / ".github" / "workflows" / "newest.yml"


def test_what_tries_the_newest_packages_may_write_nothing():
    assert jobs(NEWEST)["try"]["permissions"] == {"contents": "read"}
    tell = jobs(NEWEST)["tell"]
    assert (tell["needs"], tell["if"]) == ("try", "failure()")
    assert not any("checkout" in each.get("uses", "") for each in tell["steps"])


@pytest.mark.parametrize("reported", [True, False])
def test_what_broke_is_told_also_when_there_is_no_report(tmp_path, reported):
    (script,) = steps_to_run(NEWEST, "tell")
    gh = tmp_path / "gh"
    gh.write_text('#!/bin/sh\n[ "$2" = list ] || echo "$@" > called\n')
    gh.chmod(0o755)
    if reported:
        report = tmp_path / "told" / "Python 3.14" / "newest.md"
        report.parent.mkdir(parents=True)
        report.write_text("- numpy 3.0\n")
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "TITLE": "It breaks", "RUN": "run 7"},
        check=True,
    )
    called = "issue create --title It breaks --body-file newest.md\n"
    assert (tmp_path / "called").read_text() == called
    expected = "It broke in run 7, which says more than is here.\n"
    expected += "\n## Python 3.14\n\n- numpy 3.0\n" if reported else ""
    assert (tmp_path / "newest.md").read_text() == expected


def release(project: Rendered, *words: str, **variables: str):
    return project.run(sys.executable, ".github/release.py", *words, **variables)


def test_a_release_tells_what_the_changelog_says_of_it(render):
    project = render(deploy="none")
    changelog = project.path / "CHANGELOG.md"
    early = release(project, "notes", TAG="v0.1.0")
    assert early.returncode == 1
    assert "expected '## 0.1.0 - YYYY-MM-DD' and notes" in early.stderr
    text = changelog.read_text(encoding="utf-8")
    dated = text.replace("## Unreleased", "## Unreleased\n\n## 0.1.0 - 2026-12-01")
    changelog.write_text(dated, encoding="utf-8")
    told = release(project, "notes", TAG="v0.1.0")
    assert told.returncode == 0, told.stderr
    assert (
        told.stdout.strip()
        == "- The first model: softmax regression on the sample data."
    )
    other = release(project, "notes", TAG="v0.2.0; touch x")
    assert other.returncode == 1
    assert "expected v0.1.0, as pyproject.toml has it" in other.stderr


def test_two_processors_become_one_image(render, tmp_path):
    project = render(deploy="none")
    changelog = project.path / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace("Unreleased", "0.1.0 - 2026-12-01"))
    for each in ("aa", "bb"):
        digest = project.path / "build" / "digests" / (each * 32)
        digest.parent.mkdir(parents=True, exist_ok=True)
        digest.touch()
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\necho "Digest:  sha256:{"c" * 64}"\n'
    )
    docker.chmod(0o755)
    outputs = tmp_path / "outputs"
    given = {
        "TAG": "v0.1.0",
        "GITHUB_REPOSITORY": "Ada/Wine",
        "GITHUB_OUTPUT": str(outputs),
    }
    done = release(project, "index", PATH=f"{tmp_path}:/usr/bin:/bin", **given)
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "told").read_text().splitlines()
    parts = [f"ghcr.io/ada/wine@sha256:{each * 32}" for each in ("aa", "bb")]
    assert (
        told[0]
        == f"buildx imagetools create --tag ghcr.io/ada/wine:0.1.0 {' '.join(parts)}"
    )
    assert outputs.read_text() == f"name=ghcr.io/ada/wine\ndigest=sha256:{'c' * 64}\n"


@pytest.mark.thorough
def test_the_oldest_dependencies_that_are_allowed_are_enough(project):
    """The job `lowest`, as it runs."""
    file = project.path / ".github" / "workflows" / "ci.yml"
    for each in steps_to_run(file, "lowest"):
        shown = project.succeeds("bash", "-c", each)
    assert re.search(r"\d+ passed", shown)


@pytest.mark.thorough
@pytest.mark.usefixtures("image")
def test_the_image_is_built_and_asked_as_ci_does(project):
    file = project.path / ".github" / "workflows" / "ci.yml"
    port = str(free_port())
    given = {"PORT": port, "URL": f"http://127.0.0.1:{port}"}
    try:
        for each in steps_to_run(file, "image"):
            project.succeeds("bash", "-c", each, **given)
    finally:
        project.run("make", "down", **given)
