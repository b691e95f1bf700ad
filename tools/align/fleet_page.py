"""The fleet as a table for the terminal, as JSON, and as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from pathlib import Path
from string import Template

from align.fleet import Member

PAGE = Path(__file__).with_name("fleet.html")
HEADINGS = ("repository", "version", "behind", "drift", "waived", "soon", "failing")


def rank(member: Member) -> tuple[bool, int, int, str]:
    """Sort key: the most urgent first."""
    return not member.findings, -member.behind, -len(member.findings), member.name


def row(member: Member) -> list[str]:
    drift = sum(each.kind == "drift" for each in member.findings)
    return [
        member.name,
        member.version or "?",
        str(member.behind),
        str(drift),
        str(member.waived),
        str(len(member.expiring)),
        ", ".join(member.failing()) or "-",
    ]


def table(members: Iterable[Member]) -> str:
    rows = [list(HEADINGS), *(row(each) for each in sorted(members, key=rank))]
    widths = [max(len(each[n]) for each in rows) for n in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True))
        for each in rows
    ]
    return "\n".join(each.rstrip() for each in lines)


def summary(members: Sequence[Member]) -> str:
    failing = sum(bool(each.findings) for each in members)
    behind = sum(each.behind > 0 for each in members)
    soon = sum(bool(each.expiring) for each in members)
    return (
        f"{len(members)} repositories: {failing} failing, {behind} behind, "
        f"{soon} with a waiver near its end"
    )


def as_json(members: Iterable[Member], today: date) -> str:
    whole = [
        {
            "name": each.name,
            "address": each.address,
            "version": each.version,
            "newest": each.newest,
            "behind": each.behind,
            "failing": each.failing(),
            "findings": [
                {"kind": found.kind, "path": found.path, "message": found.message}
                for found in each.findings
            ],
            "waived": each.waived,
            "expiring": [vars(waiver) for waiver in each.expiring],
        }
        for each in sorted(members, key=rank)
    ]
    return json.dumps({"day": today, "repositories": whole}, indent=2, default=str)


def page(members: Sequence[Member], today: date) -> str:
    versions = sorted({each.version for each in members if each.version})
    options = "".join(f"<option>{escape(each)}</option>" for each in versions)
    rows = "\n".join(html_row(each) for each in sorted(members, key=rank))
    text = Template(PAGE.read_text(encoding="utf-8"))
    return text.substitute(
        summary=escape(summary(members)), day=today, versions=options, rows=rows
    )


def html_row(member: Member) -> str:
    state = "failing" if member.findings else "behind" if member.behind else "fine"
    soon = "yes" if member.expiring else "no"
    cells = [escape(each) for each in row(member)]
    version = escape(member.version)
    marks = f'data-state="{state}" data-soon="{soon}" data-version="{version}"'
    name = escape(member.address)
    title = f'<th scope="row" title="{name}">{cells[0]}{details(member)}</th>'
    rest = "".join(f"<td>{each}</td>" for each in cells[1:-1])
    chips = "".join(f'<span class="chip">{each}</span>' for each in member.failing())
    return f"<tr {marks}>{title}{rest}<td>{chips or '-'}</td></tr>"


def details(member: Member) -> str:
    lines = [
        f"{each.kind} · {each.path}: {each.message}" for each in member.findings
    ] + [
        f"waiver · {each.path}: until {each.expires}, {each.owner}: {each.reason}"
        for each in member.expiring
    ]
    if not lines:
        return ""
    items = "".join(f"<li>{escape(each)}</li>" for each in lines)
    count = f"{len(lines)} to look at"
    return f"<details><summary>{count}</summary><ul>{items}</ul></details>"
