"""The command that holds two versions against each other: `compare`."""

import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ProjectError
from .common import (
    VERDICT_NO,
    complete_version,
    contract_option,
    existing_file,
    json_option,
    need_training_packages,
    open_store,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from ..artifacts.artifact import Artifact
    from ..monitoring.page import Copies
    from ..monitoring.verdict import Measured

TIMEOUT_S = 10.0
UNSEEN = "Labels are unknown here: nothing is said about whose answers are right."


@click.command(short_help="Say whether one version is better than another.")
@click.argument("versions", nargs=-1, shell_complete=complete_version)
@click.option("--data", type=existing_file, help="File with the right answers.")
@click.option("--metrics", help="Address of /metrics, or a file that was saved of it.")
@click.option(
    "--margin",
    type=click.FloatRange(0),
    default=0.01,
    show_default=True,
    help="How much more often B may err, fail or be slow, and be no worse.",
)
@contract_option
@json_option
def compare(
    versions: tuple[str, ...],
    data: Path | None,
    metrics: str | None,
    margin: float,
    contract: Path,
    as_json: bool,
) -> None:
    """Say whether VERSIONS B is better than A, and how sure that is.

    With --data, both are asked about rows whose answers are known: `compare A B`, or
    `compare B` against the one in service. With --metrics, what a canary or shadow did
    on real requests is compared. Exit code 3 unless B is better or no worse.
    """
    from ..monitoring.verdict import BETTER, NO_WORSE, overall

    if (data is None) == (metrics is None):
        raise click.UsageError("give either --data or --metrics")
    if len(versions) > 2:
        raise click.UsageError("give two versions at most, A and B")
    if data is not None:
        if not versions:
            raise click.UsageError("--data needs the version to judge: compare B")
        a, b, found = on_data(versions, data, contract, margin)
        copies = None
    else:
        a, b, found, copies = on_requests(versions, str(metrics), margin)
    if as_json:
        print_comparison_as_json(a, b, found, copies)
    else:
        print_comparison(a, b, found, copies, margin)
        if data is None:
            click.echo(UNSEEN)
    if overall(found) not in (BETTER, NO_WORSE):
        raise SystemExit(VERDICT_NO)


def on_data(
    versions: tuple[str, ...], data: Path, contract: Path, margin: float
) -> "tuple[str, str, list[Measured]]":
    """Compare by the same rows, which neither version has learned from."""
    need_training_packages()
    import numpy as np

    from ..monitoring.verdict import paired, wrong_answers
    from ..training.dataset import read_contract
    from ..training.held_out import unseen_rows

    store = open_store()
    first = versions[0] if len(versions) == 2 else None
    a, b = store.get(first), store.get(versions[-1])
    check_unseen(a, b, data)
    rules = read_contract(contract)
    _, table = unseen_rows(a, data, rules)
    unseen_rows(b, data, rules)
    outputs = [each.predictor().predict(table.X) for each in (a, b)]
    if not a.manifest.signature.classes:
        ours, theirs = (np.abs(each["value"] - table.y) for each in outputs)
        relative = margin * float(ours.mean())
        found = [paired("absolute error", ours, theirs, relative)]
    else:
        ours, theirs = ((each["label"] != table.y).astype(float) for each in outputs)
        found = [wrong_answers(ours, theirs, margin)]
    return a.manifest.version, b.manifest.version, found


def check_unseen(a: "Artifact", b: "Artifact", data: Path) -> None:
    """Fails: ProjectError unless both hold out the same rows of the file."""
    from ..training.held_out import held_out_by

    if held_out_by(a, data) != held_out_by(b, data):
        raise ProjectError(
            f"{data}: a version has learned from rows of this file that the other has "
            "not seen; give rows that are new to both"
        )


def on_requests(
    versions: tuple[str, ...], metrics: str, margin: float
) -> "tuple[str, str, list[Measured], Copies | None]":
    from ..monitoring.page import measured, read_page

    page = read_page(fetched(metrics))
    b = versions[-1] if versions else page.other()
    a = versions[0] if len(versions) == 2 else page.serving
    for version in (a, b):
        if version not in {*page.sides, *page.shadow, page.serving}:
            known = ", ".join({page.serving, *page.sides, *page.shadow})
            raise ProjectError(f"metrics: expected {version!r}, received {known}")
    found = []
    if page.sides[b].requests:
        found = measured(page.sides[a], page.sides[b], margin)
    return a, b, found, page.shadow.get(b)


def fetched(metrics: str) -> str:
    """Fails: OSError when a file can't be read, ProjectError when an address can't."""
    if not metrics.startswith(("http://", "https://")):
        return Path(metrics).read_text(encoding="utf-8")
    try:
        with urllib.request.urlopen(metrics, timeout=TIMEOUT_S) as reply:  # noqa: S310
            text: str = reply.read().decode("utf-8", "replace")
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ProjectError(f"--metrics: can't read {metrics}: {reason}") from error
    return text


def print_comparison_as_json(
    a: str, b: str, found: "list[Measured]", copies: "Copies | None"
) -> None:
    from ..monitoring.verdict import overall

    shown = [asdict(each) | {"verdict": each.verdict} for each in found]
    whole: dict[str, Any] = {
        "a": a,
        "b": b,
        "verdict": overall(found),
        "measured": shown,
    }
    if copies:
        whole["shadow"] = asdict(copies) | {"agreement": copies.agreement}
    print_json(whole)


def print_comparison(
    a: str,
    b: str,
    found: "list[Measured]",
    copies: "Copies | None",
    margin: float,
) -> None:
    from ..monitoring.verdict import OPEN, overall

    verdict = overall(found)
    print_measured(a, b, found)
    if copies:
        print_copies(copies)
    click.echo(f"\nB is {verdict} (95 % intervals, margin {margin:g})")
    if verdict == OPEN:
        click.echo(remedy(found))


def remedy(found: "list[Measured]") -> str:
    needed = max((each.rows_needed for each in found), default=0)
    if not found:
        return "No request was answered by B: only a canary answers, or give --data."
    if not needed:
        return "There is next to nothing to judge by."
    return f"About {needed} of each would decide a difference like this."


def print_measured(a: str, b: str, found: "list[Measured]") -> None:
    click.echo(f"A {a}\nB {b}")
    if not found:  # a shadow answers nobody
        return
    rows = [["", "A", "B", "B - A, from", "to", "of", ""]]
    rows += [
        [
            each.name,
            f"{each.a:.4f}",
            f"{each.b:.4f}",
            f"{each.low:+.4f}",
            f"{each.high:+.4f}",
            str(each.rows),
            each.verdict,
        ]
        for each in found
    ]
    click.echo()
    print_table(rows)


def print_copies(copies: "Copies") -> None:
    click.echo(
        f"\nas a shadow: {copies.compared:.0f} requests compared, "
        f"{copies.dropped:.0f} dropped, {copies.failed:.0f} failed; "
        f"mean difference {copies.difference / max(copies.rows, 1):.4g}"
    )
    if copies.agreement:
        share, low, high = copies.agreement
        click.echo(
            f"the same label for {share:.2%} of {copies.labelled:.0f} rows "
            f"({low:.2%} to {high:.2%})"
        )
    if ours := copies.seconds.get("serving"):
        click.echo(f"takes {copies.seconds['shadow'] / ours:.2f} of the time of A")
