"""Every Python and platform that a project names can install it with no compiler."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from ml_service_template import CHOICES

PLATFORMS = (
    "aarch64-apple-darwin",
    "aarch64-manylinux_2_28",
    "x86_64-manylinux_2_28",
    "x86_64-pc-windows-msvc",
)
CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")


def pythons(project) -> list[str]:
    return CLASSIFIER.findall(project.text("pyproject.toml"))


def test_the_pythons_that_are_named_are_those_that_are_tried(render):
    project = render()
    named = pythons(project)
    after = f"3.{int(named[-1].removeprefix('3.')) + 1}"
    settings = tomllib.loads(project.text("pyproject.toml"))
    assert settings["project"]["requires-python"] == f">={named[0]},<{after}"
    assert f"Python {named[0]} to {named[-1]}," in project.text("README.md")
    ci = yaml.safe_load(project.text(".github/workflows/ci.yml"))
    assert ci["jobs"]["check"]["strategy"]["matrix"]["python"] == named


@pytest.mark.thorough
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_nothing_has_to_be_compiled(render, engine, platform):
    project = render(engine=engine)
    groups = tomllib.loads(project.text("pyproject.toml"))["dependency-groups"]
    command = ["uv", "pip", "compile", "--quiet", "pyproject.toml", "--no-sources"]
    command += ["--only-binary=:all:", f"--python-platform={platform}"]
    command += [f"--group={each}" for each in groups]
    for python in pythons(project):
        chosen = project.succeeds(
            *command, f"--python-version={python}", MACOSX_DEPLOYMENT_TARGET="14.0"
        )
        assert re.search(r"^numpy==", chosen, re.MULTILINE)
