"""A few repositories at once, as the fleet's command sees them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import fleet as command
import pytest
from align.fleet import member_of
from history import Past, git, present_template

SOON = (date.today() + timedelta(days=7)).isoformat()  # noqa: DTZ011
WAIVER = f"""
[[waiver]]
path = "mypy.ini"
reason = "<b>untyped</b> for a while"
owner = "@ada"
expires = {SOON}
"""


@pytest.fixture(scope="module")
def repositories(tmp_path_factory) -> dict[str, Past]:
    """A template with two releases, and what was made of it."""
    folder = tmp_path_factory.mktemp("fleet")
    template = present_template(folder / "template")
    template.commit("v0.1.0")
    made = {"template": template}
    for slug in ("fine", "behind", "edited", "waived"):
        made[slug] = Past(rendered(template, folder, slug))
        made[slug].commit()
    template.write("notes.txt", "later")
    template.commit("v0.2.0")
    made["fine"].write(".cruft.json", moved_to(made["fine"], template, "v0.2.0"))
    made["edited"].change("ruff.toml", "88", "120")
    made["waived"].change("mypy.ini", "strict = true", "strict = false")
    made["waived"].write("waivers.toml", WAIVER)
    for each in ("fine", "edited", "waived"):
        made[each].commit()
    made["stranger"] = Past(folder / "stranger")
    made["stranger"].write("README.md", "no template")
    made["stranger"].commit()
    return made


def rendered(template: Past, folder: Path, slug: str) -> Path:
    source = [sys.executable, "-m", "cookiecutter", str(template.path), "--no-input"]
    options = ["--output-dir", str(folder), f"project_slug={slug}"]
    done = subprocess.run(
        [*source, *options], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / slug


def moved_to(project: Past, template: Past, tag: str) -> str:
    link = json.loads(project.read(".cruft.json"))
    return json.dumps(link | {"commit": git(template.path, "rev-parse", tag)})


@pytest.fixture(scope="module")
def looked(repositories, tmp_path_factory) -> tuple[int, Path, str]:
    """Exit code, folder with fleet.json and fleet.html, and the table."""
    folder = tmp_path_factory.mktemp("out")
    names = ["fine", "behind", "edited", "waived", "stranger"]
    addresses = [str(repositories[each].path) for each in names]
    addresses[1] = repositories["behind"].path.as_uri()  # cloned
    outputs = ["--json", str(folder / "fleet.json"), "--page"]
    outputs += [str(folder / "fleet.html"), "--cache", str(folder / "cache")]
    addresses.append(str(folder / "absent"))
    done = subprocess.run(
        [sys.executable, command.__file__, *addresses, *outputs],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, folder, done.stdout


def test_the_table_shows_the_most_urgent_first(looked):
    code, _, shown = looked
    lines = [each.split() for each in shown.splitlines() if each]
    rows = {each[0].split("/")[-1]: each[1:] for each in lines}
    assert code == 1
    assert rows["fine"] == ["v0.2.0", "0", "0", "0", "0", "-"]
    assert rows["behind"] == ["v0.1.0", "1", "0", "0", "0", "-"]
    assert rows["edited"] == ["v0.1.0", "1", "1", "0", "0", "drift"]
    assert rows["waived"] == ["v0.1.0", "1", "0", "1", "1", "-"]
    assert rows["stranger"][-1] == rows["absent"][-1] == "unreadable"
    first, *unreadable, _, _, last = list(rows)[1:-1]
    assert (first, sorted(unreadable), last) == (
        "edited",
        ["absent", "stranger"],
        "fine",
    )
    assert shown.endswith(
        "6 repositories: 3 failing, 3 behind, 1 with a waiver near its end\n"
    )


def test_the_json_holds_every_finding_and_every_waiver_near_its_end(looked):
    whole = json.loads((looked[1] / "fleet.json").read_text(encoding="utf-8"))
    told = {each["name"].split("/")[-1]: each for each in whole["repositories"]}
    found = {"kind": "drift", "path": "ruff.toml", "message": "edited"}
    assert told["edited"]["findings"] == [found]
    assert told["waived"]["expiring"][0]["expires"] == SOON
    assert "no .cruft.json" in told["stranger"]["findings"][0]["message"]
    assert "can't be cloned" in told["absent"]["findings"][0]["message"]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str | None]] = []
        self.elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "tr" and "data-state" in given:
            self.rows.append(given)
        self.elsewhere += [
            str(given[each]) for each in ("src", "href", "action") if each in given
        ]


def test_the_page_needs_no_other_and_escapes_what_repositories_say(looked):
    text = (looked[1] / "fleet.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.elsewhere == []
    states = [each["data-state"] for each in page.rows]
    assert sorted(states) == [
        "behind",
        "behind",
        "failing",
        "failing",
        "failing",
        "fine",
    ]
    assert [each["data-soon"] for each in page.rows].count("yes") == 1
    assert "<option>v0.1.0</option><option>v0.2.0</option>" in text
    assert "<b>untyped</b>" not in text
    assert "&lt;b&gt;untyped&lt;/b&gt;" in text
    assert re.findall(r"\$[a-z]+", text) == []


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--fail-on", "marker"], 0), (["--fail-on", "drift", "marker"], 1), ([], 1)],
)
def test_the_policy_says_what_fails(
    repositories, tmp_path, monkeypatch, capsys, options, code
):
    address = str(repositories["edited"].path)
    whole = ["fleet", address, "--cache", str(tmp_path), *options]
    monkeypatch.setattr(sys, "argv", whole)
    assert command.main() == code
    assert "ruff" not in capsys.readouterr().err


def test_a_list_and_an_export_name_the_repositories(tmp_path):
    listing, export = tmp_path / "list", tmp_path / "export.json"
    listing.write_text("# ours\n/srv/one\n\n/srv/two  # old\n", encoding="utf-8")
    assert command.listed(listing) == ["/srv/one", "/srv/two"]
    entries = [
        {"clone_url": "https://git.example.org/a.git", "url": "https://api/a"},
        {"url": "https://git.example.org/b", "isArchived": False},
        {"url": "https://git.example.org/c", "isArchived": True},
        {"clone_url": "https://git.example.org/d.git", "archived": True},
    ]
    export.write_text(json.dumps(entries), encoding="utf-8")
    expected = ["https://git.example.org/a.git", "https://git.example.org/b"]
    assert command.exported(export) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [("{}", None), ("no", "expected a JSON list"), ("[1]", "expected a JSON list")],
)
def test_what_is_no_export_is_one_line(tmp_path, monkeypatch, capsys, text, told):
    (tmp_path / "export").write_text(text, encoding="utf-8")
    whole = ["fleet", "--export", str(tmp_path / "export")]
    monkeypatch.setattr(sys, "argv", whole)
    assert command.main() == 2
    shown = capsys.readouterr().err
    assert (told or "no repository; give paths") in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://git.example.org/team/wine.git", "team/wine"),
        ("git@git.example.org:team/wine.git", "team/wine"),
        ("/srv/team/wine/", "team/wine"),
    ],
)
def test_a_repository_is_shown_by_its_owner_and_name(address, name):
    assert member_of(address).name == name
