"""Where only the team's own package index is in reach, and it wants a password."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Rendered
from containers import docker, need_engine, run_docker
from history import Past, present_template
from package_index import PASSWORD, USER, package_index

pytestmark = pytest.mark.thorough

NAME = "behind-a-wall"  # its image has no other test's name
NOBODY = "http://127.0.0.1:9"
ELSEWHERE = {
    name: value
    for each, value in {
        "http_proxy": NOBODY,
        "https_proxy": NOBODY,
        "no_proxy": "127.0.0.1",
    }.items()
    for name in (each, each.upper())
}


@pytest.fixture(scope="module")
def index(project) -> Iterator[str]:
    """Behind it is the index that this machine's projects are locked to."""
    behind = re.search(r'registry = "([^"]+)"', project.text("uv.lock"))
    assert behind is not None
    with package_index(behind[1]) as address:
        yield address


@pytest.fixture(scope="module")
def fork(index, tmp_path_factory) -> Past:
    past = present_template(tmp_path_factory.mktemp("registry") / "template")
    past.write("team.toml", f'[registry]\nurl = "{index}"\n')
    past.commit("v0.1.0")
    return past


@pytest.fixture(scope="module")
def inside(tmp_path_factory) -> dict[str, str]:
    """The environment of somebody who works there, with a password and no caches."""
    home = tmp_path_factory.mktemp("home")
    netrc = home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1\nlogin {USER}\npassword {PASSWORD}\n")
    netrc.chmod(0o600)
    return ELSEWHERE | {
        "HOME": str(home),
        "UV_CACHE_DIR": str(home / "cache"),
        "PIP_NO_CACHE_DIR": "1",
    }


@pytest.fixture(scope="module")
def ours(fork, inside, tmp_path_factory) -> Rendered:
    """A project of the team's, locked."""
    folder = tmp_path_factory.mktemp("ours")
    command = [sys.executable, "-m", "cookiecutter", str(fork.path), "--no-input"]
    command += ["--output-dir", str(folder), f"project_name={NAME}"]
    subprocess.run(command, cwd=folder, check=True)
    rendered = Rendered(folder / NAME)
    Past(rendered.path).commit()
    rendered.succeeds("uv", "lock", **inside)
    return rendered


def test_without_the_password_nothing_can_be_had(ours, inside, tmp_path):
    done = ours.run("uv", "lock", "--refresh", **inside | {"HOME": str(tmp_path)})
    assert done.returncode != 0
    assert "401 Unauthorized" in done.stderr


def test_the_lock_names_the_team_s_index_and_no_password(ours, index):
    lock = ours.text("uv.lock")
    assert set(re.findall(r'registry = "([^"]+)"', lock)) == {index}
    assert PASSWORD not in lock


def test_make_fetches_uv_from_there(ours, inside):
    ours.succeeds("make", ".tools/bin/uv", **inside)
    assert ours.succeeds(".tools/bin/uv", "--version").startswith("uv ")


def test_the_template_s_tools_come_from_there(ours, inside):
    assert "as made" in ours.succeeds("make", "template-check", **inside)


def test_an_image_comes_from_there_and_keeps_no_password(ours, inside, tmp_path):
    need_engine()
    arguments = [f"--build-arg={each}={value}" for each, value in ELSEWHERE.items()]
    options = " ".join(["--network=host", "--build-arg=MODEL=none", *arguments])
    try:
        ours.succeeds("make", "image", f"IMAGE_OPTIONS={options}", **inside)
        assert PASSWORD not in docker("history", "--no-trunc", NAME)
        docker("save", "--output", str(tmp_path / "image.tar"), NAME)
    finally:
        run_docker("image", "rm", "--force", NAME)
    assert PASSWORD.encode() not in (tmp_path / "image.tar").read_bytes()
