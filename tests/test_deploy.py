"""What holds for every target: one spec behind its manifests, a guide that is true."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import Rendered
from platforms import IMAGE, PLATFORMS, TARGETS
from test_readme import LINK, PLATFORM_TOOLS, commands


@pytest.mark.parametrize("target", TARGETS)
def test_every_number_of_a_manifest_comes_from_the_spec(finished, target):
    spec, contract = finished[target].spec, finished[target].contract()
    assert contract.live == spec["live"]
    assert contract.ready == spec["ready"]
    assert contract.grace_s == spec["grace_s"]
    assert contract.start_s == spec["start_s"]
    assert contract.memory_mib == spec["memory_mib"]
    assert contract.port == spec.get("port", 28123)
    assert contract.variables["ML_DRAIN_S"] == str(spec["drain_s"])
    assert contract.variables["ML_DEADLINE_S"] == str(spec["deadline_s"])
    assert "ML_API_KEYS" in contract.variables or contract.key_file
    if "user" in spec:
        assert contract.user == f"{spec['user']}:{spec['user']}"


@pytest.mark.parametrize("target", TARGETS)
def test_a_service_has_the_time_to_finish_what_it_began(finished, target):
    spec = finished[target].spec
    assert spec["drain_s"] + spec["deadline_s"] < spec["grace_s"]
    assert spec["grace_s"] <= PLATFORMS[target].grace_s
    assert spec["start_s"] <= PLATFORMS[target].start_s


@pytest.mark.parametrize("target", TARGETS)
def test_no_number_of_the_spec_is_written_a_second_time(finished, target):
    """A changed spec changes every manifest that its values are in."""
    folder = finished[target].project.path / "deploy" / target
    for file in sorted(folder.rglob("*.y*ml")) + sorted(folder.rglob("*.json")):
        text = re.sub(r"#.*", "", file.read_text(encoding="utf-8"))
        for each in ("/v2/health", "/_/", "8080", "10001"):
            assert each not in text, f"{file.name}: {each}"


@pytest.mark.parametrize("target", TARGETS)
def test_images_are_named_by_digest_and_secrets_by_reference(finished, target):
    texts = {
        each.name: each.read_text(encoding="utf-8")
        for each in finished[target].project.path.glob(f"deploy/{target}/**/*.*")
    }
    assert not any(re.search(r"image: .*:latest", each) for each in texts.values())
    written = [each for each in finished[target].manifests.rglob("*") if each.is_file()]
    assert all(each.stat().st_mode & 0o077 == 0 for each in written)
    if target != "heroku":
        digest = IMAGE.partition("@")[2]
        assert any(digest in each.read_text(encoding="utf-8") for each in written)


@pytest.mark.parametrize("target", TARGETS)
def test_a_project_s_own_test_of_its_deployment_is_green(finished, target):
    done = own_test(finished[target].project)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_a_project_s_own_test_sees_a_spec_that_cannot_be_kept(render):
    project = render(deploy="heroku")
    spec = project.path / "deploy/heroku/spec.toml"
    spec.write_text(project.text("deploy/heroku/spec.toml").replace("= 25", "= 29"))
    assert "1 failed, 1 passed" in own_test(project).stdout


def own_test(project: Rendered) -> subprocess.CompletedProcess[str]:
    """Without this environment's plugins, which take longer than the test."""
    command = [sys.executable, "-m", "pytest", "--noconftest", "tests/test_deploy.py"]
    return project.run(*command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


@pytest.mark.parametrize("target", TARGETS)
def test_a_guide_names_what_there_is(finished, target):
    project = finished[target].project
    guide = project.text(f"deploy/{target}/README.md")
    for command in commands(guide):
        words = command.split()
        if words[0] == "make":
            project.succeeds("make", "--dry-run", words[1])
        else:
            assert words[0] in PLATFORM_TOOLS | {"export"}, command
    folder = project.path / "deploy" / target
    assert [each for each in LINK.findall(guide) if not (folder / each).exists()] == []
    needed = PLATFORMS[target].environment.keys() - {"ML_API_KEYS"}
    assert target == "fargate" or [each for each in needed if each not in guide] == []
