"""Every combination of answers renders into files that are finished as they are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from conftest import Rendered, every_combination, name_of, pairs_of_choices
from platforms import CloudFormationLoader

HARD_TEXTS = {
    "project_name": """"Wein" & l'œuvre \\ <b>""",
    "description": """# : % $ {x} </script> | 'both' "quotes" 🍷 `code` *stars*""",
    "author_name": """Ada "Countess" O'Lovelace \\""",
}
LONGEST_COMMAND = 32_000  # of characters, on Windows
AT_ONCE = 100  # files
LEFT_OVER = re.compile(r"cookiecutter[.|\[]|\{%|[ -]%\}|\{\{ ?_")


@pytest.fixture(scope="module")
def renders(render) -> dict[str, Rendered]:
    plain = {name_of(each): render(**each) for each in every_combination()}
    hard = {
        f"{name_of(each)}, hard texts": render(project_slug="w", **HARD_TEXTS, **each)
        for each in pairs_of_choices()
    }
    # Import lines hold the slug, and both their order and their length depend on it.
    slugs = {each: render(project_slug=each) for each in ("a", "zz-top", "w" * 40)}
    return plain | hard | slugs


def written(renders: dict[str, Rendered], *suffixes: str) -> list[Path]:
    files = [each.path / name for each in renders.values() for name in each.files()]
    return [each for each in files if not suffixes or each.suffix in suffixes]


def test_no_jinja_is_left(renders):
    for name, rendered in renders.items():
        assert [each for each in rendered.files() if "{" in each] == [], name
    for file, text in distinct(renders).items():
        assert LEFT_OVER.findall(text) == [], file


def test_every_text_ends_with_one_line_end_and_has_no_trailing_space(renders):
    texts = distinct(renders)
    assert [each for each in texts if not re.search(r"(\S\n|\A)\Z", texts[each])] == []
    assert [each for each in texts if re.search(r"[ \t]\n|\r", texts[each])] == []


def test_every_data_file_parses(renders):
    readers = {".toml": tomllib.loads, ".json": json.loads, ".yml": every_document}
    readers[".yaml"] = every_document
    assert len(written(renders, *readers)) >= 4 * len(renders)
    for file, text in distinct(renders, *readers).items():
        readers[file.suffix](text)


def every_document(text: str) -> list[object]:
    return list(yaml.load_all(text, CloudFormationLoader))


def test_every_module_compiles(renders):
    for file, text in distinct(renders, ".py").items():
        compile(text, file, "exec")


def test_ruff_has_nothing_to_find(renders):
    ruff = ("ruff", "check", "--no-cache", "--quiet")
    found = complaints(*ruff, files=distinct(renders, ".py"))
    assert not found, found


def test_black_has_nothing_to_change(renders):
    black = ("black", "--check", "--quiet", "--diff")
    found = complaints(*black, files=distinct(renders, ".py"))
    assert not found, found


def distinct(renders: dict[str, Rendered], *suffixes: str) -> dict[Path, str]:
    """Each text that occurs, once: most files are the same in every combination."""
    texts = {
        each.read_text(encoding="utf-8"): each for each in written(renders, *suffixes)
    }
    return {file: text for text, file in texts.items()}


def complaints(*command: str, files: Iterable[Path]) -> str:
    names = [str(each) for each in files]
    starts = range(0, len(names), AT_ONCE)
    return "".join(said(*command, *names[i : i + AT_ONCE]) for i in starts)


def said(*command: str) -> str:
    assert len(" ".join(command)) < LONGEST_COMMAND
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done.stdout + done.stderr + "failed" * bool(done.returncode)
