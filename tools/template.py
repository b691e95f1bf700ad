# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter==2.7.1"]
# ///
"""Judges a project by its template, or brings it to the newest version.

Projects start the copy of their template's newest version, see docs/decisions/0030.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from align.judge import Verdict, judge, markers
from align.origin import CannotJudge, Origin, leave_hook
from align.policy import policy_of
from align.project import Link, link_of, render
from align.update import Report, update

UV = os.environ.get("UV", "uv")
# Formatters fail when they change files; the second run has to be clean.
AFTERWARDS = [
    (False, [UV, "lock", "--quiet"]),
    (False, [UV, "sync", "--quiet"]),
    (True, [UV, "run", "pre-commit", "run", "--all-files"]),
    (False, [UV, "run", "pre-commit", "run", "--all-files"]),
    (False, ["make", "check"]),
]
NO_MAKE = (
    "template: the update is in place, but there is no make to run {!r}; type what the "
    "Makefile says for it, with uv in the place of $(UV), then commit"
)
# A new slug would leave all of the user's own files behind, in the old folders.
OF_THE_FOLDERS = {"project_slug"}
GO_BACK = "To go back: git checkout . && git clean -d --interactive"
CONFLICTS = """
{old} → {new}: the template and this project changed the same lines of
{files}

Open each, keep what is right between <<<<<<< and >>>>>>>, delete the markers, then:
    make format check template-check
and commit. {go_back}
"""


def main() -> int:
    write_utf8()
    options = read_arguments()
    leave_hook()
    project = options.project.resolve()
    cache = (options.cache or project / ".tools" / "template").resolve()
    options.notes = cache / "update.md"  # the text of the pull request
    try:
        link = link_of(project)
        origin = Origin.fetched(options.template or link.address, cache)
        if options.command == "update":
            return run_update(project, link, origin, options)
        return run_check(project, link, origin, options)
    except CannotJudge as failure:
        print(f"template: {failure}", file=sys.stderr)
        return 2


def write_utf8() -> None:
    """Write UTF-8 to files and pipes too, where Windows would use its code page."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=stream.errors)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="template", description=__doc__)
    parser.add_argument("command", choices=["check", "update"])
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--template", help="another address of the same template")
    parser.add_argument("--cache", type=Path, help="where clones are kept")
    parser.add_argument("--to", help="update: a version other than the newest")
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="update: from now on, another answer than the recorded one",
    )
    parser.add_argument(
        "--no-checks", action="store_true", help="update: don't lock, format and check"
    )
    parser.add_argument("--json", action="store_true", help="check: for programs")
    return parser.parse_args()


def run_check(
    project: Path, link: Link, origin: Origin, options: argparse.Namespace
) -> int:
    commit = origin.commit(link.commit)
    with tempfile.TemporaryDirectory() as work:
        made = render(origin, commit, link.directory, link.answers, Path(work))
        today = date.today()  # noqa: DTZ011 - a waiver ends with its owner's day
        verdict = judge(project, link, made, origin, policy_of(origin), today)
    name = origin.name_of(commit)
    if options.json:
        print(json.dumps({"version": name} | asdict(verdict), indent=2, default=str))
    else:
        print("\n".join(lines_of(verdict, name, origin.missing_from(commit))))
    return 1 if verdict.findings else 0


def lines_of(verdict: Verdict, name: str, missing: list[str]) -> list[str]:
    lines = []
    for each in verdict.findings:
        lines += [f"{each.kind}  {each.path}: {each.message}", *each.diff.splitlines()]
    lines += [
        f"waived {each.path}: {why.reason} ({why.owner}, until {why.expires})"
        for each, why in verdict.waived
    ]
    lines += [
        f"soon   {each.path}: the waiver expires on {each.expires}"
        for each in verdict.expiring
    ]
    if missing:
        lines.append(f"note   {missing[-1]} is out; `make template-update` brings it")
    count = len(verdict.findings)
    lines.append(f"template {name}: {'as made' if not count else f'{count} to mend'}")
    return lines


def run_update(
    project: Path, link: Link, origin: Origin, options: argparse.Namespace
) -> int:
    refuse_unclean(project)
    answers = changed_answers(options.answer, link)
    here, target = origin.commit(link.commit), options.to or origin.newest()
    if not options.to and origin.is_within(origin.commit(target), here):
        target = link.commit  # newer than any release: don't go back unless asked
    if origin.commit(target) == here and not answers:
        shown = f"template {origin.name_of(here)}: nothing to do\n"
        options.notes.write_text(shown, encoding="utf-8")
        print(shown, end="")
        return 0
    try:
        with tempfile.TemporaryDirectory() as work:
            report = update(project, link, origin, target, Path(work), answers)
    except OSError as failure:
        raise CannotJudge(f"{failure}; the update is not whole. {GO_BACK}") from failure
    options.notes.write_text(report.text(), encoding="utf-8")
    print(report.text())
    if not is_finished(project, report):
        return 1
    return 0 if options.no_checks else run_afterwards(project)


def changed_answers(given: list[str], link: Link) -> dict[str, str]:
    answers = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or name not in link.answers:
            known = ", ".join(link.answers)
            raise CannotJudge(f"--answer {each}: expected NAME=VALUE of {known}")
        if name in OF_THE_FOLDERS:
            raise CannotJudge(
                f"--answer {name}: folders are named by it; render another project "
                "and move what is yours"
            )
        if value != link.answers[name]:
            answers[name] = value
    return answers


def refuse_unclean(project: Path) -> None:
    command = ["git", "-C", str(project), "status", "--porcelain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotJudge(f"{project}: not in git; commit it, so that you can go back")
    if done.stdout.strip():
        raise CannotJudge(f"{project}: uncommitted changes; commit or stash them")


def is_finished(project: Path, report: Report) -> bool:
    left = sorted({*report.conflicts, *(each.path for each in markers(project))})
    if left:
        files = "\n".join(f"    {each}" for each in left)
        shown = CONFLICTS.format(
            old=report.old, new=report.new, files=files, go_back=GO_BACK
        )
        print(shown, file=sys.stderr)
    return not left


def run_afterwards(project: Path) -> int:
    # The virtual environment of this script must not be used for the project.
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    for may_fail, command in AFTERWARDS:
        if command[0] == "make" and shutil.which("make") is None:
            print(NO_MAKE.format(" ".join(command)), file=sys.stderr)
            continue
        print(f"$ {' '.join(command)}", flush=True)
        done = subprocess.run(command, cwd=project, env=environment, check=False)
        if done.returncode != 0 and not may_fail:
            print(
                f"template: the update is in place, but {' '.join(command)!r} failed; "
                "mend that, then commit",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
