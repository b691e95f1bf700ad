"""What holds for every target: one spec behind its manifests, a guide that is true."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

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
    needed = PLATFORMS[target].environment.keys()
    assert target == "fargate" or [each for each in needed if each not in guide] == []
    steps = tomllib.loads(project.text(f"deploy/{target}/steps.toml"))
    assert [each for each in steps["secrets"] if f"{each}=" not in guide] == []
    for each in (
        "docker (with buildx)",
        "and gh to prove",
        "docker login ghcr",
        "gh auth login",
    ):
        assert each in guide


def test_to_look_takes_no_secret_that_no_manifest_has(render, tmp_path):
    project = render(deploy="azure-container-instances")
    look = (sys.executable, "deploy/deploy.py", "--write", str(tmp_path))
    given = PLATFORMS["azure-container-instances"].environment | {"IMAGE": IMAGE}
    assert project.run(*look, **given).returncode == 0
    told = project.run(*look, **(given | {"ML_API_KEYS": ""})).stderr
    assert told.startswith("error: expected in the environment, and not there:")
    assert [line.split(":")[0].strip() for line in told.splitlines()[1:]] == [
        "ML_API_KEYS"
    ]


def test_what_heroku_builds_from_git_needs_no_model_from_git(finished):
    """models/ is not in git."""
    heroku = finished["heroku"]
    assert "/models/" in heroku.project.text(".gitignore").splitlines()
    assert heroku.read("heroku.yml")["build"]["config"] == {"MODEL": "none"}
    assert heroku.read("app.json")["env"]["ML_MODEL_URI"]["required"] is True


@pytest.mark.parametrize(("engine", "kind"), [("numba", "ARM64"), ("tvm", "X86_64")])
def test_fargate_has_the_processor_that_the_image_is_for(render, engine, kind):
    stack = render(deploy="fargate", engine=engine).text("deploy/fargate/stack.yaml")
    assert f"CpuArchitecture: {kind}\n" in stack
