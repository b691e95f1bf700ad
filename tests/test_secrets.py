"""The project's own hooks keep secrets out of its history, offline."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import CHOICES, Rendered

# In pieces, so that this file holds none.
AWS = "AKIA" + "IOSFODNN7EXAMPLQ"
GITHUB = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"
PRIVATE = "-----BEGIN RSA PRIVATE " + "KEY-----"
PASSWORD = "pass" + 'word = "correct-horse"'


@pytest.fixture(scope="module")
def repository(project: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """The project under git, all of it staged."""
    place = tmp_path_factory.mktemp("secrets") / "project"
    left_out = shutil.ignore_patterns(".venv", "models", ".git")
    shutil.copytree(project.path, place, ignore=left_out)
    copied = Rendered(place)
    copied.succeeds("git", "init", "--quiet")
    copied.succeeds("git", "add", "--all")
    return copied


def hooks(
    repository: Rendered, project: Rendered, *files: str
) -> subprocess.CompletedProcess[str]:
    """Both of them, without a network where that can be taken away."""
    offline = ["unshare", "--net", "--map-root-user"] if can_unshare() else []
    chosen = ["--files", *files] if files else ["--all-files"]
    outputs = []
    for hook in ("secrets", "passwords"):
        done = repository.run(
            *offline,
            *("uv", "run", "pre-commit", "run", hook, *chosen),
            UV_PROJECT_ENVIRONMENT=str(project.path / ".venv"),
            UV_NO_SYNC="1",
        )
        outputs.append(done)
    failed = [each for each in outputs if each.returncode != 0]
    return failed[0] if failed else outputs[0]


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--net", "--map-root-user", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_new_project_holds_nothing_that_looks_like_a_secret(repository, project):
    done = hooks(repository, project)
    assert done.returncode == 0, done.stdout


def test_nor_does_any_place_to_run_in(repository, project, render):
    """What each target has and the project has not, scanned as the hook would."""
    scanner = project.path / ".venv" / "bin" / "detect-secrets-hook"
    options = ["--no-verify", "--disable-plugin", "HexHighEntropyString"]
    hook = project.text(".pre-commit-config.yaml").split("detect-secrets-hook ", 1)[1]
    assert hook.split()[:3] == options, "the same scan"
    place = repository.path
    seen = {(name, (place / name).read_bytes()) for name in repository.files()}
    scanned = []
    for target in CHOICES["deploy"]:
        made = render(deploy=target)
        for name in made.files():
            file = made.path / name
            if (name, file.read_bytes()) not in seen and "tests" not in file.parts:
                seen.add((name, file.read_bytes()))
                scanned.append(str(file))
    folders = {Path(each).parent.name for each in scanned}
    assert folders >= {*CHOICES["deploy"][1:]} - {"none"}, "the first is the project's"
    done = repository.run(scanner, *options, *scanned)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "line", "kind"),
    [
        ("src/wine_classifier/app.py", f'KEY = "{AWS}"', "AWS Access Key"),
        ("tests/conftest.py", f'KEY = "{GITHUB}"', "GitHub Token"),
        ("data/README.md", PRIVATE, "Private Key"),
        ("src/wine_classifier/settings.py", PASSWORD, "Secret Keyword"),
    ],
)
def test_a_secret_is_refused_before_it_is_committed(
    repository, project, name, line, kind
):
    file = Path(repository.path, name)
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}\n{line}\n", encoding="utf-8")
    repository.succeeds("git", "add", "--all")
    done = hooks(repository, project, name)
    file.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    assert f"Secret Type: {kind}" in done.stdout
    assert name in done.stdout


def test_settings_of_one_s_own_stay_out_of_git(repository):
    (repository.path / ".env").write_text("ML_API_KEYS=sesame\n", encoding="utf-8")
    shown = repository.succeeds("git", "status", "--short", "--", ".env")
    assert shown == ""
    assert repository.succeeds("git", "check-ignore", ".env") == ".env\n"


def test_the_table_of_the_twelve_factors_names_what_exists(project):
    page = project.text("docs/twelve-factor.md")
    rows = re.findall(r"^\| ([IVX]+) \| .* \| (.*) \|$", page, re.MULTILINE)
    numerals = "I II III IV V VI VII VIII IX X XI XII".split()
    assert [numeral for numeral, _ in rows] == numerals
    package = project.path / "src" / "wine_classifier"
    named = {name for _, cell in rows for name in re.findall(r"`([^`]+)`", cell)}
    places = (project.path, package)
    missing = {name for name in named if not any((p / name).exists() for p in places)}
    assert missing == set()
    known = project.text(".env.example")
    assert [v for v in re.findall(r"`(ML_\w+)`", page) if f"{v}=" not in known] == []
