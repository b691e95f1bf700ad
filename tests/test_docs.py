"""The sites of a project and of the template: strict, whole, and nobody else's."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import TEMPLATE, Rendered

from ml_service_template import CHOICES, QUESTIONS

# What a browser fetches by itself; a link that a person follows may lead anywhere.
FETCHED = {
    "script": "src",
    "img": "src",
    "source": "srcset",
    "iframe": "src",
    "link": "href",
}
NOT_FETCHED = {"canonical", "index", "next", "prev", "search"}
ELSEWHERE = re.compile(r"(?:\w+:)?//")
IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')]+)""")


class Fetches(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(FETCHED.get(tag, ""))
        relations = set((given.get("rel") or "").split())
        if address and not relations & NOT_FETCHED:
            self.found.append(address)
        self.found += IN_STYLE.findall(given.get("style") or "")


def fetched_elsewhere(site: Path) -> list[str]:
    found = []
    for page in site.rglob("*.html"):
        parser, text = Fetches(), page.read_text(encoding="utf-8")
        parser.feed(text)
        found += [each for each in parser.found if ELSEWHERE.match(each)]
        found += IN_STYLE.findall(text)
    for style in site.rglob("*.css"):
        found += IN_STYLE.findall(style.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def site(project: Rendered) -> Path:
    """The project's, with cards as evaluations write them and a page of a user."""
    project.succeeds("make", "train")
    pointer = json.loads(project.text("models/wine-classifier/CURRENT"))
    serving = pointer["serving"]["version"]
    for version, title in ((serving, "Card of a wine model"), ("2099", "A candidate")):
        report = project.path / "reports" / version
        report.mkdir(parents=True, exist_ok=True)
        card = f"# {title}\n\n![bars](bars.svg)\n"
        (report / "model-card.md").write_text(card, encoding="utf-8")
    report = project.path / "reports" / serving
    picture = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    (report / "bars.svg").write_text(picture, encoding="utf-8")
    (report / "report.html").write_text("<p>in full</p>", encoding="utf-8")
    page = project.path / "docs" / "of-our-own.md"
    page.write_text("# Of our own\n\n[code](../Makefile)\n", encoding="utf-8")
    project.succeeds("make", "docs")
    page.unlink()
    return project.path / "build" / "docs"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.thorough
def test_a_project_s_site_has_its_guides_its_code_and_its_model(site):
    assert 'href="generated/api/training.html"' in text_of(site / "index.html")
    assert "Of our own" in text_of(site / "index.html")
    assert "wine-classifier/blob/main/Makefile" in text_of(site / "of-our-own.html")
    card = text_of(site / "generated" / "model.html")
    assert "Card of a wine model" in card, "that of the version in service"
    assert re.search(r'<img[^>]* src="[^"]*bars\.svg"', card)
    assert "report.html" in card
    errors = text_of(site / "generated" / "api" / "package.html")
    assert "├── SettingInvalid" in errors
    assert 'id="wine_classifier.errors.ArtifactCorrupt"' in errors


@pytest.mark.thorough
def test_a_project_s_site_fetches_nothing_from_another_host(site):
    assert fetched_elsewhere(site) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("engine", "deploy"),
    [*zip(CHOICES["engine"][1:], CHOICES["deploy"][1:], strict=False)],
)
def test_the_site_of_other_answers_is_strict_and_whole_too(render, engine, deploy):
    described = "Reads [what](is.md) no link."
    rendered = render(engine=engine, deploy=deploy, description=described)
    rendered.succeeds("make", "docs")
    site = rendered.path / "build" / "docs"
    assert fetched_elsewhere(site) == []
    index = text_of(site / "index.html")
    assert ('href="generated/deploy.html"' in index) == (deploy != "none")


def test_what_is_fetched_from_another_host_would_be_found(tmp_path):
    page = (
        '<script src="//one.example/a.js"></script><a href="https://fine.example">'
        '<link rel="stylesheet" href="https://two.example/b.css">'
        '<p style="background: url(https://three.example/c.png)">'
        "<style>@import 'https://four.example/d.css'</style>"
        '<link rel="canonical" href="https://fine.example"><img src="e.png">'
    )
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    font = '@font-face {src: url("https://five.example/f.woff2")}'
    (tmp_path / "page.css").write_text(font, encoding="utf-8")
    found = " ".join(fetched_elsewhere(tmp_path))
    for name in ("one", "two", "three", "four", "five"):
        assert f"{name}.example" in found
    assert "fine.example" not in found
    assert "e.png" not in found


@pytest.mark.thorough
@pytest.mark.usefixtures("site")
def test_a_link_or_heading_that_is_not_there_fails_a_project_s_site(project):
    page = project.path / "docs" / "broken.md"
    page.write_text(
        "# Broken\n\n[a](../no-file.py) [b](no-page.md) [c](drift.md#no-heading)\n",
        encoding="utf-8",
    )
    done = project.run("make", "docs")
    page.unlink()
    assert done.returncode != 0
    for name in ("no-file.py", "no-page.md", "no-heading"):
        assert name in done.stderr


def test_every_alert_has_its_section_for_who_is_on_call(project):
    alerts = re.findall(r"- alert: (\w+)", project.text("observability/alerts.yml"))
    sections = re.findall(r"^## (\w+)$", project.text("docs/on-call.md"), re.MULTILINE)
    assert alerts
    assert sections == alerts


def test_the_template_s_site_is_whole_and_fetches_nothing_from_another_host(tmp_path):
    command = ["uv", "run", "--group", "docs", "sphinx-build", "--fail-on-warning"]
    folders = ["--nitpicky", "--doctree-dir", f"{tmp_path}/trees", "docs"]
    built = tmp_path / "site"
    Rendered(TEMPLATE).succeeds(*command, "--keep-going", *folders, str(built))
    assert fetched_elsewhere(built) == []
    shown = text_of(built / "index.html")
    for name in ("questions", "architecture", "teams", "proof", "comparison"):
        assert f'href="{name}.html"' in shown
    assert "flows.svg" in text_of(built / "architecture.html")


def test_the_template_s_site_explains_every_question_and_choice():
    page = text_of(TEMPLATE / "docs" / "questions.md")
    asked = [each for each in QUESTIONS if not each.startswith("_")]
    choices = [*CHOICES["engine"], *CHOICES["deploy"]]
    assert [each for each in [*asked, *choices] if f"`{each}`" not in page] == []
