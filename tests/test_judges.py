"""What is cheap of `make judge`: others find nothing, and would find something."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import judge
import pytest
from conftest import TEMPLATE


@pytest.mark.thorough
def test_they_find_nothing_in_the_template_and_in_the_default_project(render):
    subjects = {"template": TEMPLATE, "defaults": render().path}
    given = list(judge.judgements(subjects, cheap=True))
    judges = {each.judge for each in given}
    assert {"sp-repo-review", "zizmor", "yamllint", "schema"} <= judges
    assert [f"{each.judge}: {each.said}" for each in given if not each.is_fine] == []


def test_worse_files_are_found(render, tmp_path):
    worse = tmp_path / "project"
    shutil.copytree(render().path, worse)
    for name, good, bad in (
        ("workflows/ci.yml", "persist-credentials: false", "fetch-depth: 1"),
        ("dependabot.yml", "interval: monthly", "interval: never"),
        ("ISSUE_TEMPLATE/config.yml", "blank", "blank_issues_enabled: true\nblank"),
    ):
        file = worse / ".github" / name
        text = file.read_text(encoding="utf-8")
        assert good in text
        file.write_text(text.replace(good, bad, 1), encoding="utf-8")
    given = judge.judgements({"worse": worse}, cheap=True)
    found = {each.judge for each in given if not each.is_fine}
    assert found == {"zizmor", "schema", "yamllint"}


def test_every_choice_is_judged_once():
    names = [judge.name_of(each) for each in judge.combinations(every=False)]
    assert len(names) == len(set(names))
    assert names[0] == "defaults"
    assert set(judge.CHOICES["license"][1:]) <= set(names)
    assert Path(judge.RULES).is_file()


def test_every_combination_is_judged_when_asked():
    names = {judge.name_of(each) for each in judge.combinations(every=True)}
    assert len(names) == math.prod(map(len, judge.CHOICES.values()))
