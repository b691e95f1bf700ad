# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter==2.7.1"]
# ///
"""How far every repository of an organisation is from the template."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from align.fleet import survey
from align.fleet_page import as_json, page, summary, table
from align.origin import CannotJudge, leave_hook
from align.policy import policy_of

KINDS = ["drift", "marker", "old", "twice", "unreadable", "waiver"]
CACHE = Path.home() / ".cache" / "cookiecutter-ml-service"


def main() -> int:
    options = read_arguments()
    leave_hook()
    try:
        addresses = [
            *options.repository,
            *listed(options.list),
            *exported(options.export),
        ]
        if not addresses:
            raise CannotJudge("no repository; give paths, git URLs, --list or --export")
        today = date.today()  # noqa: DTZ011 - a waiver ends with its owner's day
        members = survey(
            addresses,
            template=options.template,
            cache=options.cache,
            policy=policy_of,
            today=today,
            progress=Counter(2 * len(addresses)),
        )
    except CannotJudge as failure:
        print(f"fleet: {failure}", file=sys.stderr)
        return 2
    print(table(members), summary(members), sep="\n\n")
    if options.json:
        options.json.write_text(as_json(members, today) + "\n", encoding="utf-8")
    if options.page:
        options.page.write_text(page(members, today), encoding="utf-8")
    bad = set(options.fail_on)
    return 1 if any(bad.intersection(each.failing()) for each in members) else 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fleet", description=__doc__)
    parser.add_argument("repository", nargs="*", help="a path or a git URL")
    parser.add_argument("--list", type=Path, help="a file with one repository a line")
    parser.add_argument(
        "--export",
        type=Path,
        help="what `gh repo list --json url,isArchived` or the API lists",
    )
    parser.add_argument("--template", help="its address, instead of each project's own")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"default: {CACHE}")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("--page", type=Path, help="write an HTML page here")
    parser.add_argument(
        "--fail-on",
        nargs="*",
        choices=KINDS,
        default=KINDS,
        help="what makes the exit code 1; default: all",
    )
    return parser.parse_args()


def listed(file: Path | None) -> list[str]:
    if file is None:
        return []
    lines = [each.partition("#")[0].strip() for each in read(file).splitlines()]
    return [each for each in lines if each]


def exported(file: Path | None) -> list[str]:
    """Addresses in an organisation's export, archived repositories left out."""
    if file is None:
        return []
    try:
        entries = json.loads(read(file))
        return [
            each.get("clone_url") or each["url"]
            for each in entries
            if not (each.get("archived") or each.get("isArchived"))
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        message = f"{file}: expected a JSON list of objects with url or clone_url"
        raise CannotJudge(message) from failure


def read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as failure:
        raise CannotJudge(f"{file}: {failure.strerror}") from failure


class Counter:
    """A line that counts up on a terminal; silent elsewhere, such as in a log."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0

    def __call__(self, message: str) -> None:
        self.done += 1
        if sys.stderr.isatty():
            end = "\n" if self.done == self.total else ""
            print(
                f"\r\x1b[K{self.done}/{self.total} {message}", end=end, file=sys.stderr
            )


if __name__ == "__main__":
    sys.exit(main())
