"""Whatever text is accepted comes out of every format as it went in."""

from __future__ import annotations

import ast
import html
import json
import tomllib
import unicodedata

import jinja2
import pytest
import yaml
from markdown_it import MarkdownIt

from ml_service_template import docstring, markdown, quoted

ACCEPTED = [
    "both \" and ' quotes",
    "\"quoted\" 'twice'",
    '"""',
    "'''",
    "back\\slash \\n \\u0041 \\",
    "# : % $ {x} </script>",
    "${HOME} $(whoami) `id` %PATH% %(name)s %s {0} }} %} #}",
    "<b>bold</b> &amp; &lt; <!-- -->",
    "*stars* _lines_ ~~struck~~ **both** `code`",
    "[link](https://example.org) ![image](x.png) | cell | $x^2$",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "> quote",
    "# heading #",
    "=====",
    "---",
    "@owner: !tag &anchor *alias ? key",
    "yes",
    "null",
    "0123",
    "1e3",
    "2026-11-22",
    "x = 1 # comment",
    "Weingüte, prüfen für Ærø, Łódź und İstanbul",
    "ワインの判別",
    "葡萄酒 分类器",
    "مصنف النبيذ می‌خواهم",
    "מסווג יין",
    "Классификатор вина",
    "🍷 👩🏽‍🔬 🇫🇷",
    "ｆｕｌｌ　ｗｉｄｔｈ",
    "combi\u0301ned, not co\u0301mposed",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_an_accepted_text_comes_out_of_every_file_as_it_went_in(render, text):
    rendered = render(
        project_name=text, project_slug="wine", description=text, author_name=text
    )
    described = tomllib.loads(rendered.text("pyproject.toml"))["project"]
    assert described["description"] == text
    assert described["authors"][0]["name"] == text
    assert shown_by_markdown(rendered.text("README.md").splitlines()[0]) == [text]


@pytest.mark.parametrize("text", ACCEPTED)
def test_an_accepted_text_survives_every_escape(text):
    assert_survives(text)


def test_random_accepted_texts_survive_every_escape(rng):
    pieces = [
        *"\\\"'`*_[](){}<>&#|~$%:;!?@=+-./^, 1a",
        "é",
        "葡",
        "🍷",
        "\u200d",
        "\u3000",
    ]
    for _ in range(300):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 12)))
        assert_survives(text.strip() or "x")


def test_quoted_survives_every_character_that_can_be_written():
    codes = [
        *range(0x20),
        *range(0x7F, 0x3000),
        *range(0xFE00, 0x10000),
        0x1F377,
        0x10FFFF,
    ]
    writable = [each for each in map(chr, codes) if unicodedata.category(each) != "Cs"]
    for start in range(0, len(writable), 100):
        assert_quoted_survives("".join(writable[start : start + 100]))


def assert_survives(text: str) -> None:
    assert_quoted_survives(text)
    assert ast.literal_eval(f'"""{docstring(text)}"""') == text
    assert shown_by_markdown(markdown(text)) == [text]
    assert shown_by_markdown(f"# {markdown(text)}") == [text]
    assert shown_by_markdown(f"- {markdown(text)}") == [text]
    assert (
        shown_by_markdown(f"| a | b |\n|---|---|\n| {markdown(text)} | c |")[2] == text
    )
    assert html.unescape(jinja2.Template("{{ x | e }}").render(x=text)) == text


def assert_quoted_survives(text: str) -> None:
    literal = quoted(text)
    assert tomllib.loads(f"x = {literal}")["x"] == text
    assert yaml.safe_load(f"x: {literal}")["x"] == text
    assert json.loads(literal) == text
    assert ast.literal_eval(literal) == text


def shown_by_markdown(source: str) -> list[str]:
    """The text of each block that is left when every other token is thrown away."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)
    blocks = [each.children for each in tokens if each.type == "inline"]
    assert all(
        each.type in {"text", "text_special"} for block in blocks for each in block
    )
    return ["".join(each.content for each in block) for block in blocks]
