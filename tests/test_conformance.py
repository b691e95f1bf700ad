"""What `make template-check` finds, what it leaves alone, and what may be waived."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
import yaml
from align.judge import Verdict, differ, judge
from align.origin import Origin
from align.project import Render, is_owned, link_of
from conftest import Rendered
from history import GIT, Past, git

TODAY = date(2026, 11, 22)
POLICY = {"update_within_days": 90}
WAIVER = """
[[waiver]]
path = "{path}"
reason = "The generated client needs long lines"
owner = "@ada"
expires = {expires}
"""


@pytest.fixture(scope="module")
def pristine(render) -> Rendered:
    return render()


@pytest.fixture
def mine(pristine, tmp_path) -> Past:
    shutil.copytree(pristine.path, tmp_path / "mine")
    return Past(tmp_path / "mine")


@pytest.fixture
def verdict(mine, pristine, origin) -> Callable[..., Verdict]:
    def look(at: Origin = origin, **policy: object) -> Verdict:
        link = replace(link_of(mine.path), commit="v0.1.0")
        made = Render(pristine.path, link.context)
        return judge(mine.path, link, made, at, POLICY | policy, TODAY)

    return look


def kinds(verdict: Verdict) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in verdict.findings]


def test_a_fresh_project_is_as_made(verdict):
    assert verdict() == Verdict()


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "LICENSE",
        "thresholds.toml",
        "data/sample.csv",
        "deploy/cloud-run/spec.toml",
        "docs/decisions/README.md",
        "src/wine_classifier/app.py",
        "src/wine_classifier/model/kernels.py",
        "src/wine_classifier/training/train.py",
        "tests/oracle.py",
        "tests/model/test_kernels.py",
    ],
)
def test_what_is_owned_is_never_judged(mine, verdict, path):
    mine.write(path, "all of it is new\n")
    assert kinds(verdict()) == []
    (mine.path / path).unlink()
    assert kinds(verdict()) == []


def test_a_new_file_is_the_project_s_own_affair(mine, verdict):
    mine.write("src/wine_classifier/pricing/rules.py", "PRICE = 1\n")
    mine.write(".github/workflows/nightly.yml", "on: {}\n")
    mine.write("project.mk", "nightly: ## ours\n")
    assert kinds(verdict()) == []


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        "Makefile",
        "ruff.toml",
        "src/wine_classifier/errors.py",
        "src/wine_classifier/serving/edge.py",
        "tests/serving/test_edge.py",
        "tools/template.py",
    ],
)
def test_an_edited_machine_is_found_with_its_difference(mine, verdict, path):
    mine.write(path, mine.read(path) + "# mine\n")
    [found] = verdict().findings
    assert (found.kind, found.path) == ("drift", path)
    assert "+# mine" in found.diff.splitlines()


def test_a_deleted_machine_is_found(mine, verdict):
    (mine.path / "ruff.toml").unlink()
    assert kinds(verdict()) == [("drift", "ruff.toml")]


def test_line_ends_of_windows_are_no_difference(mine, verdict):
    text = mine.read("ruff.toml").replace("\n", "\r\n")
    (mine.path / "ruff.toml").write_bytes(text.encode())
    assert kinds(verdict()) == []


COMMIT = f"{7:040x}"
BUMPS = [
    (
        ".github/workflows/ci.yml",
        r"(actions/checkout)@\w+ # \S+",
        rf"\1@{COMMIT} # v99.0.0",
    ),
    ("Dockerfile", r"(FROM python):\S+", r"\1:3.99-slim"),
    ("Dockerfile", r"(FROM python:\S+)", rf"\1@sha256:{'0' * 64}"),
    ("compose.yaml", r"(image: grafana/grafana):\S+", r"\1:99.0.0"),
]


@pytest.mark.parametrize(("path", "pin", "newer"), BUMPS)
def test_a_pin_that_a_bot_has_moved_is_no_drift(mine, verdict, path, pin, newer):
    text, count = re.subn(pin, newer, mine.read(path))
    assert count > 0
    mine.write(path, text)
    assert kinds(verdict()) == []


@pytest.mark.parametrize(
    ("path", "pin", "other"),
    [
        (".github/workflows/ci.yml", r"(actions/checkout)@\w+ # \S+", r"\1@main"),
        (
            ".github/workflows/ci.yml",
            r"actions/checkout(@\w+ # )",
            r"mallory/checkout\1",
        ),
        ("Dockerfile", r"FROM python:(\S+)", r"FROM pypy:\1"),
        ("Dockerfile", r"FROM python:\S+", r"FROM python"),
        ("compose.yaml", r"grafana/grafana:", r"mallory/grafana:"),
    ],
)
def test_what_no_bot_moves_is_drift(mine, verdict, path, pin, other):
    text, count = re.subn(pin, other, mine.read(path))
    assert count > 0
    mine.write(path, text)
    assert kinds(verdict()) == [("drift", path)]


def test_a_registry_s_port_is_no_pin():
    one, newer, other = (
        f"FROM registry:5000/{image} AS base\n".encode()
        for image in ("one:1", "one:2@sha256:0", "other:1")
    )
    assert not differ(one, newer)
    assert differ(one, other)


def test_dependencies_and_metadata_are_the_project_s(mine, verdict):
    mine.change("pyproject.toml", '"numpy', '"scipy>=1.16",\n    "numpy')
    mine.change("pyproject.toml", 'version = "0.1.0"', 'version = "3.2.1"')
    mine.change(
        "pyproject.toml", "[tool.hatch", "[tool.deptry]\nknown = 1\n\n[tool.hatch"
    )
    assert kinds(verdict()) == []


def test_a_tool_s_table_is_the_template_s(mine, verdict):
    mine.change("pyproject.toml", "fail_under = 95", "fail_under = 10")
    [found] = verdict().findings
    assert (found.kind, found.path) == ("drift", "pyproject.toml")
    assert '+      "fail_under": 10,' in found.diff


def test_owning_more_than_the_template_gives_away_is_drift(mine, verdict):
    mine.change("pyproject.toml", "skip = [", 'skip = [\n    "src/*/serving",')
    mine.write("src/wine_classifier/serving/edge.py", "mine\n")
    assert kinds(verdict()) == [
        ("drift", "pyproject.toml"),
        ("drift", "src/wine_classifier/serving/edge.py"),
    ]


@pytest.mark.parametrize("path", ["README.md", "src/wine_classifier/model/kernels.py"])
def test_a_conflict_marker_is_found_in_owned_files_too(mine, verdict, path):
    mine.write(path, "a\n<<<<<<< yours\nb\n=======\nc\n>>>>>>> template\n")
    assert kinds(verdict()) == [("marker", path)]


def test_a_heading_of_equal_signs_is_no_marker(mine, verdict):
    mine.write("notes.rst", "Heading\n=======\n")
    assert kinds(verdict()) == []


def test_a_rejected_patch_is_found(mine, verdict):
    mine.write("ruff.toml.rej", "--- a\n")
    assert kinds(verdict()) == [("marker", "ruff.toml.rej")]


def test_an_unmerged_path_is_found(mine, verdict):
    mine.commit()
    git(mine.path, "checkout", "--quiet", "-b", "other")
    mine.write("README.md", "other\n")
    mine.commit()
    git(mine.path, "checkout", "--quiet", "main")
    mine.write("README.md", "main\n")
    mine.commit()
    with pytest.raises(AssertionError, match="merge"):
        git(mine.path, "merge", "other")
    mine.write("README.md", "looks resolved\n")
    assert kinds(verdict()) == [("marker", "README.md")]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pytest.ini", "[pytest]\n"),
        (".coveragerc", "[run]\n"),
        ("setup.cfg", "[mypy]\nstrict = false\n"),
        (".ruff.toml", "line-length = 99\n"),
    ],
)
def test_a_tool_that_is_configured_twice_is_found(mine, verdict, path, text):
    mine.write(path, text)
    assert ("twice", path) in kinds(verdict()) or ("twice", "pyproject.toml") in kinds(
        verdict()
    )


def test_a_second_version_of_a_linter_is_found(mine, verdict):
    hooks = mine.read(".pre-commit-config.yaml")
    foreign = "  - repo: https://git.example.org/ruff-pre-commit\n    rev: v0.1.0\n"
    mine.write(".pre-commit-config.yaml", hooks + foreign)
    assert ("twice", ".pre-commit-config.yaml") in kinds(verdict())


def test_a_waiver_lets_one_file_differ_until_its_day(mine, verdict):
    mine.write("ruff.toml", "line-length = 120\n")
    mine.write("waivers.toml", WAIVER.format(path="ruff.toml", expires="2026-11-22"))
    looked = verdict()
    assert kinds(looked) == []
    [(found, waiver)] = looked.waived
    assert (found.path, waiver.owner) == ("ruff.toml", "@ada")
    assert looked.expiring == [waiver]


def test_a_waiver_far_from_its_end_is_not_announced(mine, verdict):
    mine.write("ruff.toml", "line-length = 120\n")
    mine.write("waivers.toml", WAIVER.format(path="*.toml", expires="2027-11-22"))
    looked = verdict()
    assert (kinds(looked), looked.expiring, len(looked.waived)) == ([], [], 1)


def test_an_expired_waiver_fails_and_covers_nothing(mine, verdict):
    mine.write("ruff.toml", "line-length = 120\n")
    mine.write("waivers.toml", WAIVER.format(path="ruff.toml", expires="2026-11-21"))
    assert kinds(verdict()) == [("waiver", "waivers.toml"), ("drift", "ruff.toml")]


def test_a_waiver_that_waives_nothing_fails(mine, verdict):
    mine.write("waivers.toml", WAIVER.format(path="ruff.toml", expires="2027-01-01"))
    [found] = verdict().findings
    assert found.message == "ruff.toml: waives nothing any more; delete it"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('owner = "@ada"', "owner is None"),
        ('reason = "The generated client needs long lines"', "reason is None"),
        ("expires = 2027-01-01", "expires is None"),
    ],
)
def test_a_waiver_without_all_it_takes_fails(mine, verdict, line, told):
    whole = WAIVER.format(path="ruff.toml", expires="2027-01-01")
    mine.write("waivers.toml", whole.replace(line, ""))
    [found] = verdict().findings
    assert told in found.message
    assert "expected as in: path = " in found.message


def test_waivers_that_are_not_toml_fail(mine, verdict):
    mine.write("waivers.toml", "waiver: no\n")
    assert verdict().findings[0].message.startswith("not TOML: ")


def release(template: Past, tag: str, day: date) -> None:
    stamp = f"{day.isoformat()}T12:00:00+0000"
    command = ["git", "-C", str(template.path), "commit", "--quiet", "--allow-empty"]
    environment = GIT | {"GIT_COMMITTER_DATE": stamp, "GIT_AUTHOR_DATE": stamp}
    environment["PATH"] = os.environ["PATH"]
    subprocess.run([*command, "-m", "release"], env=environment, check=True)
    git(template.path, "tag", tag)


def test_a_release_has_to_be_taken_within_the_days_of_the_policy(
    template, tmp_path, verdict
):
    shutil.copytree(template.path, tmp_path / "later")
    later = Past(tmp_path / "later")
    release(later, "v0.2.0", TODAY - timedelta(days=90))
    release(later, "v0.10.0", TODAY)
    origin = Origin.fetched(str(later.path), tmp_path / "cache")
    assert origin.missing_from("v0.1.0") == ["v0.2.0", "v0.10.0"]
    assert kinds(verdict(at=origin)) == []
    [found] = verdict(at=origin, update_within_days=89).findings
    assert (found.kind, found.path) == ("old", ".cruft.json")
    expected = "v0.1.0 is 2 behind v0.10.0, and v0.2.0 was due 1 days ago"
    assert found.message.startswith(expected)


def test_globs_are_read_as_cruft_reads_them():
    globs = ["data", "src/*/model", "**/*.md"]
    assert is_owned("data/deep/x.csv", globs)
    assert is_owned("src/wine/model/kernels.py", globs)
    assert is_owned("docs/a/b.md", globs)
    assert not is_owned("src/wine/serving/model/x.py", globs)
    assert not is_owned("mydata/x.csv", globs)


def test_files_in_another_encoding_are_judged(mine, verdict):
    for name in ("setup.cfg", "tox.ini"):
        (mine.path / name).write_bytes("# Prüfung\n".encode("latin-1"))
    hooks = mine.path / ".pre-commit-config.yaml"
    hooks.write_bytes(hooks.read_bytes() + "# Prüfung\n".encode("latin-1"))
    assert kinds(verdict()) == [("drift", ".pre-commit-config.yaml")]


@pytest.mark.parametrize("way", ["make", "action"])
def test_the_command_and_the_action_say_the_same(template, tmp_path, way):
    """As a user and as CI run it, against a template with a tag, on disk."""
    command = [sys.executable, "-m", "cookiecutter", str(template.path), "--no-input"]
    made = Rendered(tmp_path)
    made.succeeds(*command, "--output-dir", str(tmp_path))
    mine = Past(tmp_path / "wine-classifier")
    mine.commit()
    mine.change("ruff.toml", "line-length = 88", "line-length = 120")
    project = Rendered(mine.path)
    if way == "make":
        done = project.run("make", "template-check")
    else:
        action = yaml.safe_load(template.read("action.yml"))
        [step] = [each for each in action["runs"]["steps"] if "run" in each]
        done = project.run(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            step["run"],
            GITHUB_ACTION_PATH=str(template.path),
            PROJECT=str(mine.path),
        )
    shown = done.stdout + done.stderr
    assert "drift  ruff.toml: edited" in shown
    assert "+line-length = 120" in shown
    assert done.returncode in (1, 2), shown
