"""Projects of every earlier version, edited as users edit, come to the present one.

The past is made up: the present template, altered as an older one may have been.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import template as command
from align import update as updating
from align.judge import judge
from align.merge import is_conflicted, three_way
from align.origin import Origin
from align.project import link_of, render
from align.update import in_the_way
from history import PRODUCT, Past, git, present_template

PRESENT = "v1.0.0"
MIGRATION = """
[[migration]]
version = "v1.0.0"
rename = { github_user = "github_owner" }
choices = { license = { Closed = "Proprietary" } }
remove = ["docker"]
"""
CHANGELOG = "# Changelog\n\n"
WAIVERS = """
[[waiver]]
path = "ruff.toml"
reason = "Formulas are long here"
owner = "@ada"
expires = 2999-01-01

[[waiver]]
path = "observability/dashboard.json"
reason = "Another team draws it"
owner = "@ada"
expires = 2999-01-01
"""
OWN_ESTIMATOR = '"""My own model."""\n\nANSWER = 42\n'
OWN_APP = '"""My own routes."""\n\nROUTES = ["/mine"]\n'


def retell(past: Past, version: str, *, told: str) -> None:
    past.write("CHANGELOG.md", CHANGELOG + told)
    past.commit(version)


def previous_major(past: Past) -> None:
    """Other questions, another choice, older pins, a file that is gone since."""
    for file in past.path.rglob("*"):
        if file.is_file() and ".git" not in file.relative_to(past.path).parts:
            data = file.read_bytes()
            data = data.replace(b"github_owner", b"github_user")
            file.write_bytes(data.replace(b"Proprietary", b"Closed"))
    for file in sorted((past.path / PRODUCT).glob("*Proprietary*")):
        file.rename(file.with_name(file.name.replace("Proprietary", "Closed")))
    past.change("cookiecutter.json", '"license": [', '"docker": "no",\n  "license": [')
    past.write(f"{PRODUCT}/observability/legacy.yml", "alerts: []\n")
    (past.path / PRODUCT / "tools" / "template.py").unlink()
    earlier_minor(past)


def earlier_minor(past: Past) -> None:
    """Older pins and an older style, on lines that users edit around."""
    settings = f"{PRODUCT}/pyproject.toml"
    past.change(settings, '"black==26.10.1"', '"black==25.1.0"')
    past.change(settings, '"msgspec>=0.22,<0.23"', '"msgspec>=0.20,<0.21"')
    past.change(settings, "fail_under = 95", "fail_under = 90")
    past.change(f"{PRODUCT}/ruff.toml", "line-length = 88", "line-length = 79")
    past.change(f"{PRODUCT}/Makefile", "## what can be done here", "## help")
    past.write("migrations.toml", "")


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Past:
    folder = tmp_path_factory.mktemp("past") / "template"
    past = present_template(folder)
    previous_major(past)
    first = "## 0.8.0 - 2026-01-01\n\n- The first.\n"
    retell(past, "v0.8.0", told=first)
    git(past.path, "rm", "-rq", ".")
    present_template(folder)
    earlier_minor(past)
    notes = "## 0.9.0 - 2026-02-01\n\n- Better.\n\n" + first
    retell(past, "v0.9.0", told=notes)
    git(past.path, "rm", "-rq", ".")
    present_template(folder)
    past.write("migrations.toml", MIGRATION)
    retell(past, PRESENT, told="## 1.0.0 - 2026-03-01\n\n- Best.\n\n" + notes)
    return past


@pytest.fixture(scope="module")
def origin(template, tmp_path_factory) -> Origin:
    return Origin.fetched(str(template.path), tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rendered(template, tmp_path) -> Callable[..., Past]:
    def make(version: str, **answers: str) -> Past:
        given = [f"{name}={each}" for name, each in answers.items()]
        options = ["--checkout", version, "--no-input", "--output-dir", str(tmp_path)]
        configuration = tmp_path / "configuration.yaml"
        own = {
            each: str(tmp_path / each) for each in ("cookiecutters_dir", "replay_dir")
        }
        configuration.write_text(json.dumps(own), encoding="utf-8")
        address = f"git+{template.path.as_uri()}"
        done = subprocess.run(
            [sys.executable, "-m", "cookiecutter", address, *options, *given],
            cwd=tmp_path,
            env=os.environ | {"COOKIECUTTER_CONFIG": str(configuration)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        project = Past(tmp_path / "wine-classifier")
        project.commit()
        return project

    return make


@pytest.fixture
def update(capsys, monkeypatch) -> Callable[..., tuple[int, str]]:
    def go(project: Past, *arguments: str) -> tuple[int, str]:
        whole = ["template", "update", "--project", str(project.path), *arguments]
        monkeypatch.setattr(sys, "argv", whole)
        code = command.main()
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return go


def edit_as_users_do(project: Past) -> dict[str, str | None]:
    """Own model, routes, dependencies, README, deletions, style. Each file's text."""
    package = "src/wine_classifier"
    project.write(f"{package}/model/estimator.py", OWN_ESTIMATOR)
    project.write(f"{package}/app.py", OWN_APP)
    project.write(f"{package}/pricing/__init__.py", '"""Ours."""\n')
    project.write("README.md", "# Ours\n")
    project.write("project.mk", "ours: ## our own target\n\ttrue\n")
    project.write("waivers.toml", WAIVERS)
    lines = project.read("ruff.toml").splitlines()
    lines[1] = "line-length = 90"
    project.write("ruff.toml", "\n".join(lines) + "\n")
    for name in ("data/sample.csv", "observability/dashboard.json", "tests/oracle.py"):
        (project.path / name).unlink()
    settings = "pyproject.toml"
    project.change(settings, '    "msgspec', '    "lightgbm>=4.6,<5",\n    "msgspec')
    project.change(settings, 'version = "0.1.0"', 'version = "7.3.0"')
    project.change(settings, '    "pandas', '    "hypothesis==6.170.15",\n    "pandas')
    project.commit()
    kept = ["README.md", "project.mk", "waivers.toml", "data/sample.csv"]
    kept += ["observability/dashboard.json", "tests/oracle.py"]
    kept += [f"{package}/{each}" for each in ("app.py", "model/estimator.py")]
    kept += [f"{package}/pricing/__init__.py"]
    return {name: text_or_none(project, name) for name in kept}


def text_or_none(project: Past, name: str) -> str | None:
    return project.read(name) if (project.path / name).is_file() else None


OLD_ANSWERS = {"github_user": "analytical-engines", "license": "Closed"}


@pytest.mark.parametrize(
    ("version", "answers"),
    [
        ("v0.8.0", OLD_ANSWERS),
        ("v0.9.0", {"github_owner": "analytical-engines", "license": "Proprietary"}),
    ],
)
def test_an_edited_project_of_any_earlier_version_loses_nothing(
    rendered, update, origin, tmp_path, version, answers
):
    project = rendered(version, **answers)
    kept = edit_as_users_do(project)
    code, shown = update(project, "--no-checks")
    assert code == 0, shown
    assert {name: text_or_none(project, name) for name in kept} == kept
    settings = tomllib.loads(project.read("pyproject.toml"))
    assert "msgspec>=0.22,<0.23" in settings["project"]["dependencies"]
    assert "lightgbm>=4.6,<5" in settings["project"]["dependencies"]
    assert settings["project"]["version"] == "7.3.0"
    assert "black==26.10.1" in settings["dependency-groups"]["dev"]
    assert "hypothesis==6.170.15" in settings["dependency-groups"]["dev"]
    assert settings["tool"]["coverage"]["report"]["fail_under"] == 95
    assert "line-length = 90\n" in project.read("ruff.toml")
    assert text_or_none(project, "observability/legacy.yml") is None
    assert (project.path / "tools" / "template.py").is_file()
    assert_as_made(project, origin, tmp_path)
    for check in (["ruff", "check", "--no-cache"], ["black", "--check", "--quiet"]):
        judged = [sys.executable, "-m", *check, "src", "tests", "tools"]
        done = subprocess.run(
            judged, cwd=project.path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def assert_as_made(project: Past, origin: Origin, tmp_path: Path) -> None:
    link = link_of(project.path)
    assert origin.name_of(link.commit) == PRESENT
    assert link.answers["github_owner"] == "analytical-engines"
    assert link.answers["license"] == "Proprietary"
    assert {"docker", "github_user"}.isdisjoint(link.answers)
    made = render(origin, link.commit, "", link.answers, tmp_path / "work")
    policy = {"update_within_days": 90}
    today = date(2026, 11, 22)
    verdict = judge(project.path, link, made, origin, policy, today)
    assert verdict.findings == []
    assert {each.path for each, _ in verdict.waived} == {
        "ruff.toml",
        "observability/dashboard.json",
    }


def test_the_pull_request_tells_the_changelog_between_the_two_versions(
    rendered, update
):
    project = rendered("v0.8.0")
    code, shown = update(project, "--no-checks")
    text = project.read(".tools/template/update.md")
    assert code == 0
    assert text in shown
    assert text.startswith("The template went from v0.8.0 to v1.0.0.\n\n## 1.0.0")
    assert "- Best." in text
    assert "- Better." in text
    assert "The first" not in text
    assert ".tools" not in git(project.path, "status", "--porcelain")


def test_a_python_that_cannot_filter_archives_unpacks_them_too(
    origin, tmp_path, monkeypatch
):
    """As before 3.11.4: neither the filter nor the argument is there."""
    extract = tarfile.TarFile.extractall
    known = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(
        tarfile.TarFile, "extractall", lambda files, path: extract(files, path, **known)
    )
    folder = origin.unpack("v0.9.0", tmp_path / "unpacked")
    assert (folder / "cookiecutter.json").is_file()


def test_an_update_can_stop_at_a_version_and_go_on_later(rendered, update):
    project = rendered("v0.8.0")
    link = json.loads(project.read(".cruft.json"))
    link["context"]["cookiecutter"]["license"] = "MIT"
    link["context"]["cookiecutter"]["github_owner"] = "your-github-name"
    project.write(".cruft.json", json.dumps(link))
    project.commit()
    assert update(project, "--no-checks", "--to", "v0.9.0")[0] == 0
    assert json.loads(project.read(".cruft.json"))["checkout"] == "v0.9.0"
    project.commit()
    assert update(project, "--no-checks")[0] == 0
    project.commit()
    code, shown = update(project, "--no-checks")
    assert (code, shown) == (0, "template v1.0.0: nothing to do\n")
    assert git(project.path, "status", "--porcelain") == ""


def test_the_same_line_edited_twice_stops_the_update_and_says_where(rendered, update):
    project = rendered("v0.9.0")
    project.change("ruff.toml", "line-length = 79", "line-length = 120")
    project.commit()
    code, shown = update(project)
    assert code == 1
    assert "v0.9.0 → v1.0.0" in shown
    assert "\n    ruff.toml\n" in shown
    assert "make format check template-check" in shown
    assert "$ " not in shown
    text = project.read("ruff.toml")
    assert text.index("<<<<<<< yours") < text.index("line-length = 120")
    assert text.index("=======") < text.index("line-length = 88")


def test_what_it_says_is_utf8_whatever_the_system_writes(tmp_path, monkeypatch):
    where = tmp_path / "Łódź"
    with io.BytesIO() as file, io.TextIOWrapper(file, "cp1252", "replace") as told:
        monkeypatch.setattr(sys, "stderr", told)
        monkeypatch.setattr(sys, "argv", ["template", "check", "--project", str(where)])
        assert command.main() == 2
        told.flush()
        assert str(where) in file.getvalue().decode()


def test_uncommitted_work_is_not_mixed_with_an_update(rendered, update):
    project = rendered("v0.9.0")
    project.write("notes.txt", "mine")
    code, shown = update(project)
    assert code == 2
    assert "uncommitted changes; commit or stash them" in shown


def test_a_machine_that_was_deleted_stays_so_and_is_mentioned(rendered, update):
    project = rendered("v0.9.0")
    (project.path / "ruff.toml").unlink()
    project.commit()
    code, shown = update(project, "--no-checks")
    assert (code, text_or_none(project, "ruff.toml")) == (0, None)
    assert "- `ruff.toml` was deleted here, and stays so" in shown


def test_an_edited_file_that_left_the_template_stays(rendered, update):
    project = rendered("v0.8.0")
    project.write("observability/legacy.yml", "alerts: [mine]\n")
    project.commit()
    code, shown = update(project, "--no-checks")
    assert code == 0
    assert project.read("observability/legacy.yml") == "alerts: [mine]\n"
    assert "- `observability/legacy.yml` left the template; edited here" in shown


def test_a_check_that_fails_afterwards_fails_the_update(rendered, update, monkeypatch):
    project = rendered("v0.9.0")
    steps = [
        (True, ["false"]),
        (False, ["git", "status", "--short"]),
        (False, ["false"]),
    ]
    monkeypatch.setattr(command, "AFTERWARDS", [*steps, (False, ["never"])])
    code, shown = update(project)
    assert code == 1
    assert "the update is in place, but 'false' failed" in shown
    assert "$ never" not in shown


def test_where_there_is_no_make_an_update_says_what_is_left_to_check(
    tmp_path, monkeypatch, capsys
):
    steps = [(False, ["make", "check"]), (False, [sys.executable, "--version"])]
    monkeypatch.setattr(command, "AFTERWARDS", steps)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.run_afterwards(tmp_path) == 0
    shown = capsys.readouterr()
    assert "there is no make to run 'make check'; type what the Makefile" in shown.err
    assert shown.out == f"$ {sys.executable} --version\n"


def test_what_is_newer_than_any_release_goes_back_only_when_asked(
    template, rendered, update
):
    template.write("NEWS.md", "not released yet\n")
    template.commit()
    project = rendered("main")
    code, shown = update(project, "--no-checks")
    assert (code, shown) == (0, f"template {PRESENT}+1: nothing to do\n")
    code, shown = update(project, "--no-checks", "--to", "v0.9.0")
    assert code == 0
    assert shown.startswith(f"The template went from {PRESENT}+1 to v0.9.0.")


def test_nothing_is_written_through_a_link(rendered, update, tmp_path):
    project = rendered("v0.9.0")
    outside = tmp_path / "shared"
    (project.path / "observability").rename(outside)
    (project.path / "observability").symlink_to(outside)
    style = outside / "ruff.toml"
    (project.path / "ruff.toml").rename(style)
    (project.path / "ruff.toml").symlink_to(style)
    before = {file.name: file.read_bytes() for file in outside.iterdir()}
    project.commit()
    code, shown = update(project, "--no-checks")
    assert code == 0
    assert {file.name: file.read_bytes() for file in outside.iterdir()} == before
    assert "- `ruff.toml` is a link here, or below one; yours stays" in shown
    assert "`observability" not in shown  # nothing of it would have changed


def test_what_stands_in_the_way_of_a_new_file_stays(rendered, update):
    project = rendered("v0.8.0")
    project.write("tools/template.py/mine.txt", "mine\n")
    project.commit()
    code, shown = update(project, "--no-checks")
    assert code == 0
    assert "- `tools/template.py` is a folder here; yours stays as it is" in shown
    project = Past(project.path)
    assert project.read("tools/template.py/mine.txt") == "mine\n"


def test_a_file_in_the_place_of_a_folder_stays_too(tmp_path):
    (tmp_path / "deploy").write_text("mine", encoding="utf-8")
    assert in_the_way(tmp_path, "deploy/a.toml") == "would be below a file of yours"
    assert in_the_way(tmp_path, "deploy") == in_the_way(tmp_path, "x/y") == ""


def test_an_update_that_breaks_off_says_how_to_go_back(rendered, update, monkeypatch):
    project = rendered("v0.9.0")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(updating.shutil, "copyfile", full)
    code, shown = update(project, "--no-checks")
    assert code == 2
    assert "No space left on device; the update is not whole. To go back: git" in shown


def test_another_answer_brings_its_files_and_takes_the_old_ones(rendered, update):
    project = rendered(PRESENT, deploy="kubernetes")
    readme = "# Ours\n"
    project.write("deploy/kubernetes/README.md", readme)
    project.write("README.md", readme)
    project.commit()
    given = ["--answer", "deploy=fargate", "--answer", "license=Proprietary"]
    code, shown = update(project, "--no-checks", *given)
    assert code == 0, shown
    assert shown.startswith("Answered anew: deploy=fargate, license=Proprietary.\n")
    link = json.loads(project.read(".cruft.json"))
    answers = link["context"]["cookiecutter"]
    assert (answers["deploy"], answers["license"]) == ("fargate", "Proprietary")
    assert link["checkout"] == PRESENT
    assert (project.path / "deploy/fargate/steps.toml").is_file()
    left = [file.name for file in (project.path / "deploy/kubernetes").iterdir()]
    assert left == ["README.md"]
    assert project.read("deploy/kubernetes/README.md") == readme
    assert project.read("README.md") == readme
    assert "- `README.md` is yours; the template's is another now" in shown
    assert "all rights reserved" in project.read("LICENSE").lower()
    project.commit()
    code, shown = update(project, "--no-checks", *given)
    assert (code, shown) == (0, f"template {PRESENT}: nothing to do\n")


def test_another_answer_gives_what_it_would_have_given_at_first(rendered, update):
    fresh = rendered(PRESENT, engine="onnx").path
    fresh = fresh.rename(fresh.with_name("fresh"))
    project = rendered(PRESENT)
    code, shown = update(project, "--no-checks", "--answer", "engine=onnx")
    assert code == 0, shown
    assert contents(project.path) == contents(fresh)


def contents(folder: Path) -> dict[str, bytes]:
    files = {each.relative_to(folder): each for each in folder.rglob("*")}
    return {
        name.as_posix(): file.read_bytes()
        for name, file in files.items()
        if file.is_file() and name.parts[0] not in (".git", ".tools")
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("license", "--answer license: expected NAME=VALUE of project_name, "),
        ("licence=MIT", "--answer licence=MIT: expected NAME=VALUE of"),
        ("license=GPL", "GPL"),
        ("project_slug=other", "folders are named by it; render another project"),
    ],
)
def test_an_answer_that_can_t_be_carried_out_is_refused(rendered, update, given, told):
    project = rendered(PRESENT)
    code, shown = update(project, "--no-checks", "--answer", given)
    assert code == 2
    assert told in shown
    assert git(project.path, "status", "--porcelain") == ""


def test_a_pyproject_that_is_no_toml_is_one_line(rendered, update):
    project = rendered("v0.9.0")
    project.write("pyproject.toml", "[project\n")
    project.commit()
    code, shown = update(project, "--no-checks")
    assert code == 2
    assert "pyproject.toml: not TOML: " in shown
    assert len(shown.splitlines()) == 1


def test_pins_that_a_bot_and_the_template_moved_become_the_newer_one():
    line = "      - uses: actions/checkout@{} # v{}\n"
    before = f"steps:\n{line.format('a' * 40, '7.0.1')}"
    bot = f"steps:\n{line.format('b' * 40, '7.10.0')}"
    template = f"steps:\n{line.format('c' * 40, '7.9.0')}"
    assert three_way(before, bot, template) == bot
    assert three_way(before, template, bot) == bot
    other = bot.replace("checkout", "cache")
    assert is_conflicted(three_way(before, other, template))
    images = [f"FROM python:{version}\n" for version in ("3.11", "3.12", "3.13")]
    assert three_way(*images) == "FROM python:3.13\n"


BEFORE = '[a]\nx = [\n    "numpy>=1",\n    "polars>=1",\n]\ny = 1\n'


@pytest.mark.parametrize(
    ("yours", "template", "merged"),
    [
        # one adds, the other raises a bound right beside it
        (
            ('    "polars', '    "mine>=1",\n    "polars'),
            ('"numpy>=1"', '"numpy>=2"'),
            ["numpy>=2", "mine>=1", "polars>=1"],
        ),
        # both raise a pin: the higher one
        (('"numpy>=1"', '"numpy==1.9"'), ('"numpy>=1"', '"numpy==1.10"'), None),
        # dropped by the template, kept by nobody
        (('"numpy>=1"', '"numpy>=1.5"'), ('    "polars>=1",\n', ""), ["numpy>=1.5"]),
    ],
)
def test_lists_of_requirements_merge_by_package(yours, template, merged):
    text = three_way(BEFORE, BEFORE.replace(*yours), BEFORE.replace(*template))
    assert not is_conflicted(text)
    expected = merged or ["numpy==1.10", "polars>=1"]
    assert tomllib.loads(text)["a"]["x"] == expected


LISTED = 'skip = [\n    "docs/adr",\n]\n'
MARKED = 'x = [\n    "numpy>=1",\n    "polars>=1",\n]\n'


def test_items_that_are_no_requirements_are_told_apart_by_all_of_them():
    yours = LISTED.replace("]", '    "docs/ours",\n    "docs/ours-two.md",\n]')
    template = LISTED.replace("]", '    "docs/new",\n]')
    items = tomllib.loads(three_way(LISTED, yours, template))["skip"]
    assert items == ["docs/adr", "docs/new", "docs/ours", "docs/ours-two.md"]


@pytest.mark.parametrize(
    ("yours", "template"),
    [
        ('"numpy>=1; python_version < \'3.13\'",\n    "numpy>=2"', '"numpy>=1.1"'),
        ('"numpy>=1,<3"', '"numpy>=1.1,<2"'),
    ],
)
def test_bounds_that_only_a_person_can_join_stay_a_conflict(yours, template):
    given = (MARKED.replace('"numpy>=1"', each) for each in (yours, template))
    assert is_conflicted(three_way(MARKED, *given))


def test_other_lines_that_both_changed_stay_a_conflict():
    before, yours, template = ("z = 1\n", "z = 2\n", "z = 3\n")
    assert is_conflicted(three_way(before, yours, template))
    assert three_way(before, before, template) == template
    assert three_way(before, yours, before) == yours
