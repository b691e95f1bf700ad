"""Updates a project to another version of its template, keeping all of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from align.merge import is_conflicted, three_way
from align.migrate import migrated
from align.origin import Origin
from align.project import LINK, Link, Render, is_owned, owned_globs, render
from align.waivers import Waiver, read_waivers


@dataclass
class Report:
    """What an update did, for the person who reads its pull request."""

    old: str
    new: str
    changes: str
    answers: Mapping[str, str]
    written: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        parts = []
        if self.old != self.new:
            parts.append(f"The template went from {self.old} to {self.new}.")
        if self.answers:
            given = ", ".join(f"{name}={each}" for name, each in self.answers.items())
            parts.append(f"Answered anew: {given}.")
        parts.append(self.changes)
        if self.merged:
            listed = ", ".join(f"`{each}`" for each in self.merged)
            parts.append(f"Merged with edits of this project: {listed}.")
        if self.notes:
            listed = "\n".join(f"- {each}" for each in self.notes)
            parts.append(f"## To look at\n\n{listed}")
        return "\n\n".join(each for each in parts if each) + "\n"


def update(
    project: Path,
    link: Link,
    origin: Origin,
    target: str,
    work: Path,
    changed: Mapping[str, str],
) -> Report:
    """Write `target` into the project. Conflicts stay in the files, and are listed.

    changed: answers to change from now on.
    """
    old, new = origin.commit(link.commit), origin.commit(target)
    answers = migrated(link.answers, origin, old, new) | changed
    before = render(origin, old, link.directory, link.answers, work / "before")
    after = render(origin, new, link.directory, answers, work / "after")
    names, changes = map(origin.name_of, (old, new)), origin.changes(old, new)
    report = Report(*names, changes, changed)
    globs = [*before.owned(), *after.owned(), *owned_globs(project)]
    waivers, _ = read_waivers(project)
    merge = Merge(project, waivers, report)
    made, wanted = before.files(), after.files()
    for path in sorted({*made, *wanted}):
        if not is_owned(path, globs):
            merge.file(path, made.get(path), wanted.get(path))
        elif changed:
            merge.file_of_an_answer(path, made.get(path), wanted.get(path))
        elif path not in made and not (project / path).exists():
            report.notes.append(f"`{path}` is new in a room of yours; not added")
    write_link(project, link, after, new, target)
    return report


@dataclass(frozen=True)
class Merge:
    """Merges managed files, one at a time.

    made, wanted: the file in the old version and in the new; None if it has none.
    """

    project: Path
    waivers: list[Waiver]
    report: Report

    def file(self, path: str, made: Path | None, wanted: Path | None) -> None:
        here = self.project / path
        if there := in_the_way(self.project, path):
            if not agree(made, wanted):
                self.report.notes.append(f"`{path}` {there}; yours stays as it is")
        elif here.is_file():
            if wanted is None:
                self.remove(path, here, made)
            else:
                self.bring(path, here, made, wanted)
        elif made is None and wanted is not None:
            self.write(path, here, wanted)
        elif wanted is not None:
            self.report.notes.append(f"`{path}` was deleted here, and stays so")

    def file_of_an_answer(
        self, path: str, made: Path | None, wanted: Path | None
    ) -> None:
        """A file that the project owns: it follows the answer until it is edited."""
        here = self.project / path
        if agree(here if here.is_file() else None, made):
            self.file(path, made, wanted)
        elif not agree(made, wanted):
            note = f"`{path}` is yours; the template's is another now"
            self.report.notes.append(note)

    def write(self, path: str, here: Path, wanted: Path) -> None:
        here.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wanted, here)
        shutil.copymode(wanted, here)
        self.report.written.append(path)

    def remove(self, path: str, here: Path, made: Path | None) -> None:
        if made is not None and same(here, made):
            here.unlink()
            for folder in here.parents:
                if folder == self.project or any(folder.iterdir()):
                    break
                folder.rmdir()
            self.report.removed.append(path)
        else:
            self.report.notes.append(
                f"`{path}` left the template; edited here, it stays"
            )

    def bring(self, path: str, here: Path, made: Path | None, wanted: Path) -> None:
        if same(here, wanted) or (made is not None and same(made, wanted)):
            return
        if made is not None and same(here, made):
            self.write(path, here, wanted)
            return
        texts = [text_of(made) if made else None, text_of(here), text_of(wanted)]
        if any(each is None for each in texts):
            why = "is now the template's too" if made is None else "is not text"
            self.report.notes.append(f"`{path}` {why}; yours stays as it is")
            return
        merged = three_way(*texts)
        if is_conflicted(merged):
            if any(each.covers(path) for each in self.waivers):
                note = f"`{path}` is waived, and changed there too; yours stays"
                self.report.notes.append(note)
                return
            self.report.conflicts.append(path)
        here.write_text(merged, encoding="utf-8", newline="")
        self.report.merged.append(path)


def in_the_way(project: Path, path: str) -> str:
    """What is in the way of writing the file; a link may lead out of the project."""
    here = project / path
    if here.is_dir() and not here.is_symlink():
        return "is a folder here"
    for each in [here, *here.parents]:
        if each == project:
            return ""
        if each.is_symlink():
            return "is a link here, or below one"
        if each != here and each.is_file():
            return "would be below a file of yours"
    raise ValueError(f"{path} is not below {project}")


def agree(one: Path | None, other: Path | None) -> bool:
    """Whether both are absent or the same."""
    return one is other if one is None or other is None else same(one, other)


def same(one: Path, other: Path) -> bool:
    return one.read_bytes().replace(b"\r\n", b"\n") == other.read_bytes()


def text_of(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None


def write_link(
    project: Path, link: Link, after: Render, commit: str, target: str
) -> None:
    """Write .cruft.json as `cruft update` does, so that either tool may go on."""
    context = {"cookiecutter": dict(after.context)}
    whole = dict(link.whole) | {"commit": commit, "context": context}
    if target != link.commit:
        whole["checkout"] = target if target.startswith("v") else None
    (project / LINK).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
