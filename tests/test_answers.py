"""What is refused, in whichever way it is given, and what is asked and recorded."""

from __future__ import annotations

import ast
import json
import runpy
import sys

import pytest
from conftest import TEMPLATE
from cookiecutter.exceptions import FailedHookException

from ml_service_template import TESTS, project_slug

KEYWORD = "not a Python keyword"
STDLIB = "not a module of Python's standard library"
DEPENDENCY = "not a package that the project itself needs"
SLUG = "lower-case letters, digits and single dashes, a letter first"
EMAIL = "one plain mail address"
OWNER = "a GitHub name: letters, digits and single dashes, 39 at most"
MARKUP = "no Jinja markup, which is {{, {% or {#"

REFUSED = [
    ("project_slug", "class", KEYWORD),
    ("project_slug", "async", KEYWORD),
    ("project_slug", "match", KEYWORD),
    ("project_slug", "json", STDLIB),
    ("project_slug", "distutils", STDLIB),
    ("project_slug", "annotationlib", STDLIB),
    ("project_slug", "numpy", DEPENDENCY),
    ("project_slug", "sklearn", DEPENDENCY),
    ("project_slug", "scikit-learn", DEPENDENCY),
    ("project_slug", "pydantic-core", DEPENDENCY),
    ("project_slug", "tests", "not a name that has another meaning as a folder"),
    ("project_slug", "con", "not a name that has another meaning as a folder"),
    ("project_slug", "build", "not a name that has another meaning as a folder"),
    ("project_slug", "oracle", "not a module of the project's tests"),
    ("project_slug", "test-cli", "not a module of the project's tests"),
    ("project_slug", "null", "not a word that YAML reads as something else"),
    ("project_slug", "..", SLUG),
    ("project_slug", "../outside", SLUG),
    ("project_slug", "/outside", SLUG),
    ("project_slug", "in/side", SLUG),
    ("project_slug", "in\\side", SLUG),
    ("project_slug", "3d-wine", SLUG),
    ("project_slug", "Wine", SLUG),
    ("project_slug", "wine_classifier", SLUG),
    ("project_slug", "wine--classifier", SLUG),
    ("project_slug", "wine-", SLUG),
    ("project_slug", "wïne", SLUG),
    ("project_slug", "wine\n", SLUG),
    ("project_slug", "w" * 41, "40 characters at most"),
    ("project_slug", "", "given by yourself, for project_name has no letters"),
    ("project_name", "", "1 to 60 characters"),
    ("project_name", "w" * 61, "1 to 60 characters"),
    ("project_name", " Wine", "no space at either end"),
    ("project_name", "Wine {{ 7 * 7 }}", MARKUP),
    ("description", "", "1 to 200 characters"),
    ("description", "w" * 201, "1 to 200 characters"),
    ("description", "50 {% off", MARKUP),
    ("description", "{# hidden #} seen", MARKUP),
    ("description", "{{ cookiecutter.project_name }}", MARKUP),
    ("description", "two\nlines", "without U+000A"),
    ("description", "a\ttab and a \x00", "without U+0000, U+0009"),
    ("description", "next line \x85 here", "without U+0085"),
    ("description", "reversed \u202e here", "without U+202E"),
    ("description", "zero\u200bwidth", "without U+200B"),
    ("description", "line\u2028separator", "without U+2028"),
    ("description", "half \ud83c", "without U+D83C"),
    ("description", "none \uffff", "without U+FFFF"),
    ("author_name", "", "1 to 100 characters"),
    ("author_name", "A\x1b[31m", "without U+001B"),
    ("author_email", "", EMAIL),
    ("author_email", "ada", EMAIL),
    ("author_email", "ada@localhost", EMAIL),
    ("author_email", "ada@@example.org", EMAIL),
    ("author_email", "ada@example..org", EMAIL),
    ("author_email", "Ada <ada@example.org>", EMAIL),
    ("author_email", "ada@example.org\n", EMAIL),
    ("author_email", "a" * 250 + "@example.org", EMAIL),
    ("github_owner", "", OWNER),
    ("github_owner", "-ada", OWNER),
    ("github_owner", "ada lovelace", OWNER),
    ("github_owner", "ada/lovelace", OWNER),
    ("github_owner", "a" * 40, OWNER),
    ("__package_name", "../outside", "project_slug with underscores for dashes"),
]
SEVERAL_BAD = {
    "project_slug": "../outside",
    "description": "{{ 7 * 7 }}",
    "author_name": "two\nlines",
    "author_email": "ada",
    "github_owner": "-ada",
}


def refusal(render, **answers: str) -> str:
    with pytest.raises(FailedHookException) as caught:
        render(**answers)
    return str(caught.value)


@pytest.mark.parametrize(("question", "given", "rule"), REFUSED)
def test_a_bad_answer_is_refused_with_its_rule_and_an_example(
    render, question, given, rule
):
    message = refusal(render, **{question: given})
    assert f"{question}: " in message
    assert rule in message
    assert f"given:   {given!r}"[:120] in message
    assert f"example: {question}=" in message


def test_no_module_of_a_project_s_tests_can_be_its_package(render):
    found = {each.stem for each in (render().path / "tests").glob("*.py")}
    assert {each for each in found if not each.startswith("test_")} == TESTS


def test_all_problems_are_named_at_once(render):
    message = refusal(render, **SEVERAL_BAD)
    assert message.startswith("These answers cannot be used, and nothing was written:")
    assert message.count("given: ") == len(SEVERAL_BAD)
    assert [each for each in SEVERAL_BAD if f"  {each}: " not in message] == []


def test_every_example_in_a_refusal_is_accepted(render):
    lines = refusal(render, **SEVERAL_BAD).splitlines()
    examples = [each.split("example: ")[1] for each in lines if "example: " in each]
    answers = dict(each.split("=", 1) for each in examples)
    rendered = render(
        **{name: ast.literal_eval(each) for name, each in answers.items()}
    )
    assert rendered.path.name == "wine-classifier"


@pytest.mark.parametrize("hooks", ["yes", "no"])
@pytest.mark.parametrize("way", ["arguments", "typed", "configuration", "replay"])
def test_nothing_is_written_in_whichever_way_bad_answers_come(cookiecutter, way, hooks):
    options = ["--accept-hooks", hooks]
    if way == "arguments":
        given = [f"{name}={each}" for name, each in SEVERAL_BAD.items()]
        done = cookiecutter("--no-input", *options, *given)
    elif way == "typed":
        typed = SEVERAL_BAD | {
            "project_name": "Wine",
            "author_name": "\x1b",
            "license": "1",
            "engine": "1",
            "deploy": "1",
        }
        order = ["project_name", *SEVERAL_BAD, "license", "engine", "deploy"]
        done = cookiecutter(
            *options, typed="".join(typed[each] + "\n" for each in order)
        )
    elif way == "configuration":
        done = cookiecutter("--no-input", *options, defaults=SEVERAL_BAD)
    else:
        record_answers(cookiecutter, **SEVERAL_BAD)
        done = cookiecutter("--replay", *options)
    assert done.returncode == 1
    assert done.stdout.count("given: ") == len(SEVERAL_BAD), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not cookiecutter.output.parent.exists()
    assert not list(cookiecutter.home.glob("*outside*"))


def record_answers(cookiecutter, **changed: str) -> None:
    """Leave a replay file of good answers, of which some were changed by hand."""
    assert cookiecutter("--no-input").returncode == 0
    recorded = json.loads(cookiecutter.replay.read_text(encoding="utf-8"))
    recorded["cookiecutter"] |= changed
    cookiecutter.replay.write_text(json.dumps(recorded), encoding="utf-8")
    (cookiecutter.output / "wine-classifier").rename(cookiecutter.home / "first")
    cookiecutter.output.rmdir()
    cookiecutter.output.parent.rmdir()


@pytest.mark.parametrize("way", ["arguments", "configuration", "replay"])
def test_a_choice_that_is_not_offered_is_refused(cookiecutter, way):
    if way == "arguments":
        done = cookiecutter("--no-input", "license=GPL")
    elif way == "configuration":
        done = cookiecutter("--no-input", defaults={"license": "GPL"})
    else:
        record_answers(cookiecutter, license="GPL", engine="abacus")
        done = cookiecutter("--replay")
        assert "engine: one of numba, " in done.stdout
        assert "    given:   'abacus'" in done.stdout
    assert done.returncode == 1
    shown = done.stdout + done.stderr
    assert "GPL" in shown
    assert "Apache-2.0" in shown
    assert "Proprietary" in shown
    assert not cookiecutter.output.parent.exists()


@pytest.mark.parametrize("given", [None, True, 7, 1.5])
def test_a_number_or_nothing_in_the_configuration_is_never_a_traceback(
    cookiecutter, given
):
    done = cookiecutter("--no-input", defaults={"description": given})
    assert "Traceback" not in done.stderr
    if isinstance(given, bool) or given is None:
        assert done.returncode == 1
        assert f"description: a text\n    given:   {given!r}" in done.stdout
    else:
        assert done.returncode == 0


def test_every_question_has_its_number_and_its_answer_is_recorded(cookiecutter):
    done = cookiecutter(typed="\n" * 9)
    assert done.returncode == 0, done.stderr
    assert "[9/9]" in done.stdout
    recorded = json.loads(cookiecutter.replay.read_text(encoding="utf-8"))
    assert recorded["cookiecutter"]["engine"] == "numba"
    assert recorded["cookiecutter"]["deploy"] == "cloud-run"


def test_hooks_are_a_courtesy_and_change_no_file(cookiecutter):
    with_hooks = cookiecutter("--no-input")
    first = cookiecutter.output.rename(cookiecutter.home / "first")
    without = cookiecutter("--no-input", "--accept-hooks", "no")
    assert "cd wine-classifier" in with_hooks.stdout
    assert without.stdout == ""
    assert contents(first) == contents(cookiecutter.output)


def test_a_python_that_is_too_old_is_one_sentence(monkeypatch):
    """pipx and uvx take the Python that they find."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    expected = r"expected Python 3\.11 or newer to render with, received 3\.10; "
    with pytest.raises(ImportError, match=expected):
        runpy.run_path(str(TEMPLATE / "ml_service_template.py"))


def test_rendering_again_over_a_project_changes_nothing(cookiecutter):
    cookiecutter("--no-input")
    before = contents(cookiecutter.output)
    raw = cookiecutter.output / "wine-classifier" / "data" / "raw"
    raw.mkdir()
    assert cookiecutter("--no-input", "--overwrite-if-exists").returncode == 0
    assert contents(cookiecutter.output) == before
    assert raw.is_dir()


def contents(folder) -> dict[str, bytes]:
    files = [each for each in folder.rglob("*") if each.is_file()]
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Wine Classifier", "wine-classifier"),
        ("Wein Prüfer", "wein-prufer"),
        ("L'œuvre de Dvořák & Søn", "l-oeuvre-de-dvorak-son"),
        ("ワイン", "wain"),
        ("Прогноз спроса", "prognoz-sprosa"),
        ("wine_classifier v2.0", "wine-classifier-v2-0"),
        (
            "A name that goes on for longer than a slug may",
            "a-name-that-goes-on-for-longer-than-a",
        ),
        ("🍷", ""),
    ],
)
def test_the_slug_is_made_from_the_letters_of_the_name(name, slug):
    assert project_slug(name) == slug
