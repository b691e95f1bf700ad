"""One version of each tool, wherever it is written: a bot moves one, this names all."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from conftest import TEMPLATE
from history import PRODUCT

ACTION = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40}) # (v\S+)")
UV = re.compile(r'(?:UV_VERSION(?: :=|:)|version:) "?(0\.\d+\.\d+)"?$', re.MULTILINE)


def texts(*patterns: str) -> dict[str, str]:
    """Files of the template and of the product."""
    found: list[Path] = []
    for root in (TEMPLATE, TEMPLATE / PRODUCT):
        found += [each for pattern in patterns for each in root.glob(pattern)]
    return {str(each): each.read_text(encoding="utf-8") for each in found}


def pins(requirements: list[object]) -> dict[str, str]:
    pinned = (str(each).split("==") for each in requirements if "==" in str(each))
    return dict(pinned)


def test_every_action_is_pinned_to_one_commit_everywhere():
    seen: dict[str, set[tuple[str, str]]] = {}
    files = texts(".github/workflows/*.yml*", "action.yml")
    assert sum("deploy.yml" in file for file in files) == 6
    for file, text in files.items():
        assert text.count("uses: ") == len(ACTION.findall(text)), file
        for name, commit, tag in ACTION.findall(text):
            seen.setdefault(name, set()).add((commit, tag))
    assert {name: each for name, each in seen.items() if len(each) > 1} == {}


def test_uv_has_one_version_everywhere():
    files = texts(".github/workflows/*.yml*", "action.yml", "Makefile")
    found = {each for text in files.values() for each in UV.findall(text)}
    assert len(found) == 1, found


def test_tools_of_the_template_and_of_the_product_agree(render):
    own = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))
    made = tomllib.loads(render().text("pyproject.toml"))
    here = pins(own["dependency-groups"]["dev"])
    there = pins(made["dependency-groups"]["dev"])
    both = here.keys() & there.keys()
    assert {"black", "ruff", "pytest", "pre-commit"} <= both
    assert {name: here[name] for name in both} == {name: there[name] for name in both}


def test_the_scripts_need_the_cookiecutter_that_is_tested():
    own = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))
    version = pins(own["dependency-groups"]["dev"])["cookiecutter"]
    for name in ("template.py", "fleet.py"):
        text = (TEMPLATE / "tools" / name).read_text(encoding="utf-8")
        assert f'dependencies = ["cookiecutter=={version}"]' in text
