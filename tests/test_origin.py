"""Where a project looks for its template: clones, releases and .cruft.json."""

from __future__ import annotations

import runpy
import shutil
import sys

import pytest
from align.origin import CannotJudge
from align.project import link_of
from conftest import TEMPLATE, Rendered
from history import Past, git


def test_a_commit_that_the_template_does_not_have_is_one_line(origin):
    with pytest.raises(CannotJudge, match=r"has no 'v9\.9\.9'; if it moved, correct"):
        origin.commit("v9.9.9")


def test_a_check_never_touches_the_project_s_own_repository(template, tmp_path):
    """Neither from a hook, which git tells where it is, nor when clones are damaged."""
    command = [sys.executable, "-m", "cookiecutter", str(template.path), "--no-input"]
    Rendered(tmp_path).succeeds(*command, "--output-dir", str(tmp_path))
    mine = Past(tmp_path / "wine-classifier")
    mine.commit("v0.1.0", "v7.0.0")
    of_the_hook = {
        "GIT_DIR": str(mine.path / ".git"),
        "GIT_INDEX_FILE": str(mine.path / ".git" / "index"),
        "GIT_WORK_TREE": str(mine.path),
    }

    def state() -> str:
        asked = ["show-ref --head", "symbolic-ref HEAD", "config --list --local"]
        asked += ["status --porcelain"]
        return "\n".join(git(mine.path, *each.split()) for each in asked)

    before = state()
    for damage in (False, True):
        if damage:
            for clone in (mine.path / ".tools" / "template").glob("*.git"):
                shutil.rmtree(clone)
                clone.mkdir()
        done = Rendered(mine.path).run("make", "template-check", **of_the_hook)
        assert "as made" in done.stdout, done.stdout + done.stderr
        assert done.returncode == 0
        assert state() == before


def test_only_releases_start_in_every_project(tmp_path):
    """Not what is released to be tried, as v1.0.0-rc1; and 10 is more than 9.

    Nor what has been withdrawn.
    """
    past = Past(tmp_path / "template")
    past.commit("v0.9.0")
    before = past.commit("v0.9.1")
    released = past.commit("v0.10.0")
    past.commit("v0.11.0-rc1")
    source = TEMPLATE / "{{cookiecutter.project_slug}}" / "tools" / "template.py"
    launcher = runpy.run_path(str(source))
    git_of_launcher, newest = launcher["git"], launcher["newest_release"]
    git_of_launcher.__globals__["CLONES"] = tmp_path
    git_of_launcher("init", "--quiet", "--bare")
    launcher["fetch"](str(past.path))
    assert newest() == released
    git(past.path, "tag", "--delete", "v0.10.0")
    launcher["fetch"](str(past.path))
    assert newest() == before


@pytest.mark.parametrize(
    "text",
    [
        '{"template": "x", "commit": "y", "context": {"cookiecutter": []}}',
        '{"template": ["x"], "commit": "y", "context": {"cookiecutter": {}}}',
        '{"template": "x", "commit": "y", "context": []}',
        "[]",
        "{",
    ],
)
def test_a_link_of_another_shape_is_one_line(tmp_path, text):
    (tmp_path / ".cruft.json").write_text(text, encoding="utf-8")
    with pytest.raises(CannotJudge, match="not what cruft writes"):
        link_of(tmp_path)
