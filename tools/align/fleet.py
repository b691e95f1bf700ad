"""Many repositories at once: where each is, how far behind, and where it departs."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from align.judge import Finding, judge
from align.origin import CannotJudge, Origin
from align.project import Link, Render, link_of, render_all
from align.waivers import Waiver

CLONE_WITHIN_S = 120
CHUNK = 25  # projects that one process renders
Progress = Callable[[str], None]
Policy = Callable[[Origin], Mapping[str, Any]]


@dataclass
class Member:
    """One repository of the fleet."""

    name: str
    address: str
    folder: Path | None = None
    link: Link | None = None
    version: str = ""
    newest: str = ""
    behind: int = 0
    findings: list[Finding] = field(default_factory=list)
    waived: int = 0
    expiring: list[Waiver] = field(default_factory=list)

    def fails(self, address: str, failure: Exception) -> None:
        self.findings.append(Finding("unreadable", address, str(failure)))

    def failing(self) -> list[str]:
        return sorted({each.kind for each in self.findings})


def member_of(address: str) -> Member:
    name = re.sub(r"\.git$", "", address.rstrip("/"))
    return Member("/".join(re.split(r"[/:]", name)[-2:]), address)


def survey(
    addresses: Sequence[str],
    *,
    template: str | None,
    cache: Path,
    policy: Policy,
    today: date,
    progress: Progress,
) -> list[Member]:
    """Judge each repository, a path or a git URL; `template` overrides its address."""
    members = [member_of(each) for each in addresses]
    with (
        tempfile.TemporaryDirectory() as work,
        ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool,
    ):
        folder = Path(work)
        for each in pool.map(lambda each: fetch(folder, each), members):
            progress(f"read {each.name}")
        origins = origins_of(members, template, cache)
        policies = {each: policy(each) for each in origins.values()}
        batches = batches_of(members, origins)
        tasks = [(folder, *each, policies[each[0]], today) for each in batches]
        for batch in pool.map(lambda task: judge_batch(*task), tasks):
            for each in batch:
                progress(f"judged {each.name}")
    return members


def fetch(work: Path, member: Member) -> Member:
    try:
        member.folder = Path(member.address)
        if not member.folder.is_dir():
            member.folder = cloned(member.address, Path(tempfile.mkdtemp(dir=work)))
        member.link = link_of(member.folder)
    except (CannotJudge, OSError, subprocess.SubprocessError) as failure:
        member.fails(member.address, failure)
    return member


def cloned(address: str, folder: Path) -> Path:
    command = ["git", "clone", "--quiet", "--depth=1", "--", address, str(folder)]
    done = subprocess.run(
        command,
        env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        timeout=CLONE_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip() or f"git ended with {done.returncode}"
        raise CannotJudge(f"can't be cloned: {said.splitlines()[-1]}")
    return folder


def origins_of(
    members: Sequence[Member], template: str | None, cache: Path
) -> dict[str, Origin]:
    """The template's repository, for each address that members name."""
    origins = {}
    for address in sorted({each.link.address for each in members if each.link}):
        try:
            origins[address] = Origin.fetched(template or address, cache)
        except CannotJudge as failure:
            for each in members:
                if each.link and each.link.address == address:
                    each.fails(address, failure)
    return origins


Batch = tuple[Origin, str, str, list[Member]]


def batches_of(members: Sequence[Member], origins: Mapping[str, Origin]) -> list[Batch]:
    """Members made by the same version, in batches that one process renders."""
    together: dict[tuple[Origin, str, str], list[Member]] = {}
    for each in members:
        if each.link and each.link.address in origins:
            key = (origins[each.link.address], each.link.commit, each.link.directory)
            together.setdefault(key, []).append(each)
    return [
        (*key, group[start : start + CHUNK])
        for key, group in together.items()
        for start in range(0, len(group), CHUNK)
    ]


def judge_batch(
    folder: Path,
    origin: Origin,
    commit: str,
    directory: str,
    members: list[Member],
    policy: Mapping[str, Any],
    today: date,
) -> list[Member]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        try:
            whole = origin.commit(commit)
            missing = origin.missing_from(whole)
            answers = [each.link.answers for each in members if each.link]
            renders = render_all(origin, whole, directory, answers, Path(work))
        except CannotJudge as failure:
            for each in members:
                each.fails(each.address, failure)
            return members
        version, newest = origin.name_of(whole), origin.name_of(origin.newest())
        for member, made in zip(members, renders, strict=True):
            member.version, member.newest, member.behind = version, newest, len(missing)
            judge_member(member, made, origin, policy, today)
    return members


def judge_member(
    member: Member,
    made: Render | CannotJudge,
    origin: Origin,
    policy: Mapping[str, Any],
    today: date,
) -> None:
    if isinstance(made, CannotJudge):
        member.fails(member.address, made)
        return
    try:
        verdict = judge(member.folder, member.link, made, origin, policy, today)
    except Exception as failure:  # noqa: BLE001 - any project's any mistake
        member.fails(member.address, failure)
        return
    member.findings += verdict.findings
    member.waived = len(verdict.waived)
    member.expiring = verdict.expiring
