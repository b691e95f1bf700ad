"""cruft knows every project from birth, in whichever way it was rendered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import UV
from history import GIT, PRODUCT, Past, git, present_template

WAYS = ["path", "git URL and tag", "uvx", "cruft create"]


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Past:
    past = present_template(tmp_path_factory.mktemp("link") / "cookiecutter-ml-service")
    past.commit("v0.1.0")
    return past


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    kept = folder.with_name(f"{folder.name}-cookiecutter")
    kept.mkdir(exist_ok=True)
    own = {name: str(kept / name) for name in ("cookiecutters_dir", "replay_dir")}
    configuration = kept / "configuration.yaml"
    configuration.write_text(json.dumps(own), encoding="utf-8")
    own = {"COOKIECUTTER_CONFIG": str(configuration)}
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | GIT | own,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def succeeds(*command: str, folder: Path) -> str:
    done = run(*command, folder=folder)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def rendered(folder: Path, *command: str) -> Path:
    succeeds(*command, folder=folder)
    return folder / "wine-classifier"


def link_of(project: Path) -> dict[str, object]:
    return json.loads((project / ".cruft.json").read_text(encoding="utf-8"))


def render_by(way: str, template: Path, folder: Path) -> Path:
    cookiecutter = [sys.executable, "-m", "cookiecutter"]
    url = f"git+{template.as_uri()}"
    if way == "path":
        return rendered(folder, *cookiecutter, str(template), "--no-input")
    if way == "git URL and tag":
        tag = ["--checkout", "v0.1.0"]
        return rendered(folder, *cookiecutter, url, "--no-input", *tag)
    if way == "uvx":
        uvx = [UV, "tool", "run", "cookiecutter==2.7.1"]
        return rendered(folder, *uvx, url, "--no-input")
    cruft = [sys.executable, "-m", "cruft", "create"]
    return rendered(folder, *cruft, str(template), "-y")


@pytest.mark.parametrize("way", WAYS)
def test_a_fresh_project_is_known_to_cruft_and_has_not_drifted(template, tmp_path, way):
    project = render_by(way, template.path, tmp_path)
    assert link_of(project)["commit"] == git(template.path, "rev-parse", "HEAD")
    assert str(tmp_path) not in (project / ".cruft.json").read_text(encoding="utf-8")
    cruft = [sys.executable, "-m", "cruft"]
    assert "SUCCESS" in succeeds(*cruft, "check", folder=project)
    succeeds(*cruft, "diff", "--exit-code", folder=project)


def test_cookiecutter_records_what_cruft_records(template, tmp_path):
    (tmp_path / "other").mkdir()
    plain = link_of(render_by("path", template.path, tmp_path))
    created = link_of(render_by("cruft create", template.path, tmp_path / "other"))
    assert plain == created


def test_cruft_sees_an_edited_machine_and_not_an_edited_room(template, tmp_path):
    project = render_by("path", template.path, tmp_path)
    diff = [sys.executable, "-m", "cruft", "diff", "--exit-code"]
    for name in ("README.md", "src/wine_classifier/model/estimator.py"):
        (project / name).write_text("mine\n", encoding="utf-8")
    (project / "thresholds.toml").unlink()
    succeeds(*diff, folder=project)
    (project / "ruff.toml").write_text("line-length = 120\n", encoding="utf-8")
    done = run(*diff, folder=project)
    assert done.returncode == 1
    assert "line-length = 120" in done.stdout


def test_a_clone_records_where_it_came_from_without_its_secrets(template, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(template.path), str(clone))
    address = "https://robot:s3cret@git.example.org/team/cookiecutter-ml-service.git/"
    git(clone, "remote", "set-url", "origin", address)
    link = link_of(render_by("path", clone, tmp_path))
    public = "https://git.example.org/team/cookiecutter-ml-service.git"
    assert link["template"] == link["context"]["cookiecutter"]["_template"] == public


def test_a_commit_that_only_this_clone_has_is_linked_to_the_clone(template, tmp_path):
    clone = Past(tmp_path / "clone")
    git(clone.path, "remote", "add", "origin", str(template.path))
    git(clone.path, "pull", "--quiet", "origin", "main")
    clone.write("notes.txt", "not pushed")
    commit = clone.commit()
    link = link_of(render_by("path", clone.path, tmp_path))
    assert (link["template"], link["commit"]) == (str(clone.path), commit)


def test_a_template_inside_a_larger_repository_is_found_again(template, tmp_path):
    larger = Past(tmp_path / "templates")
    shutil.copytree(
        template.path, larger.path / "ml", ignore=shutil.ignore_patterns(".git")
    )
    larger.commit()
    project = render_by("path", larger.path / "ml", tmp_path)
    assert link_of(project)["directory"] == "ml"
    succeeds(sys.executable, "-m", "cruft", "diff", "--exit-code", folder=project)


def test_an_archive_records_the_tag_of_its_version(template, tmp_path):
    archive = tmp_path / "cookiecutter-ml-service-0.1.0.zip"
    prefix = "--prefix=cookiecutter-ml-service-0.1.0/"
    git(template.path, "archive", prefix, f"--output={archive}", "HEAD")
    link = link_of(render_by("path", archive, tmp_path))
    assert (link["template"], link["commit"]) == (str(archive), "v0.1.0")


def test_cruft_renders_a_later_version_with_that_version_s_own_filters(
    template, tmp_path
):
    project = render_by("path", template.path, tmp_path)
    repository = Past(project)
    repository.commit()
    git(template.path, "checkout", "--quiet", "-b", "later")
    template.write(f"{PRODUCT}/loud.txt", "{{ 'new' | loud }}\n")
    template.change(
        "ml_service_template.py",
        "class Answers(Extension):",
        "def loud(text: str) -> str:\n    return text + '!'\n\n\n"
        "class Answers(Extension):",
    )
    template.change("ml_service_template.py", "filters = (", "filters = (loud, ")
    template.commit()
    cruft = [sys.executable, "-m", "cruft", "update", "-y", "--checkout", "later"]
    try:
        succeeds(*cruft, folder=project)
    finally:
        git(template.path, "checkout", "--quiet", "main")
    assert repository.read("loud.txt") == "new!\n"
