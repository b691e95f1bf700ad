"""Commands that hold now against then: `drift`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ProjectError
from .common import (
    VERDICT_NO,
    contract_option,
    existing_file,
    json_option,
    keep_what_is_read,
    open_store,
    print_json,
    print_table,
    version_option,
    written_whole,
)

if TYPE_CHECKING:
    from ..artifacts.artifact import Artifact
    from ..monitoring.drift import Finding


@click.command(short_help="Say whether CURRENT differs from REFERENCE.")
@click.argument("reference")
@click.argument("current", type=existing_file)
@version_option("Of two files: the version that answers to both; that in service.")
@contract_option
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Chance of any false alarm among all columns.",
)
@click.option(
    "--psi",
    type=click.FloatRange(0),
    default=0.1,
    show_default=True,
    help="Stability index from which on a shift matters.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write, with pictures.",
)
@json_option
def drift(
    reference: str,
    current: Path,
    version: str | None,
    contract: Path,
    alpha: float,
    psi: float,
    output: Path | None,
    as_json: bool,
) -> None:
    """Say whether the rows of CURRENT are still like those of REFERENCE.

    REFERENCE is a file, or a stored version, whose manifest knows what its data looked
    like. Files are CSV or Parquet. Exit code 3 when a column has drifted.
    """
    from ..monitoring.report import render

    if output:
        keep_what_is_read(output, Path(reference), current, contract)
    if Path(reference).is_file():
        findings = against_file(Path(reference), current, version, contract, alpha, psi)
        before = Path(reference).name
    elif version:
        raise ProjectError(
            f"--version: expected none beside the version {reference!r}, which answers "
            f"to either, received {version!r}"
        )
    else:
        artifact = open_store().get(reference)
        findings = against_version(artifact, current, alpha, psi)
        before = f"training of {reference}"
    if output:
        page = render(findings, before, current.name, alpha, psi)
        with written_whole(output) as file:
            file.write(page)
    if as_json:
        print_findings_as_json(findings)
    else:
        print_findings(findings)
    if any(finding.drifted for finding in findings):
        raise SystemExit(VERDICT_NO)


def against_version(
    artifact: "Artifact", current: Path, alpha: float, psi: float
) -> "list[Finding]":
    from ..monitoring.drift import Column, answers, between, filled, read_rows

    manifest = artifact.manifest
    known, signature = manifest.reference, manifest.signature
    if not known:
        raise ProjectError(
            f"version {manifest.version} has no reference, since it was made before "
            "there was one; give the file that it learned from"
        )
    X = read_rows(current, [feature.name for feature in signature.features])
    X = filled(X, signature.features)
    before = [Column(bins) for bins in known.features]
    now = answers(artifact, X, known.answers)
    answered = (Column(known.answers), now, signature.classes)
    return between(signature.features, before, X, alpha, psi, answered)


def against_file(
    reference: Path,
    current: Path,
    version: str | None,
    contract: Path,
    alpha: float,
    psi: float,
) -> "list[Finding]":
    """Also compare the answers, if a version is in service or named."""
    import numpy as np

    from ..artifacts.artifact import Feature
    from ..monitoring.drift import answers, between, columns_of, read_rows
    from ..training.dataset import check_learned, read_contract

    rules = read_contract(contract)
    old, new = (read_rows(path, rules.names) for path in (reference, current))
    # As nanmin and nanmax, but without a warning where all is missing.
    low, high = np.fmin.reduce(old), np.fmax.reduce(old)
    features = [
        Feature(name, "", float(low[j]), float(low[j]), float(high[j]))
        for j, name in enumerate(rules.names)
    ]
    store, answered = open_store(), None
    if version or store.serving():
        artifact = store.get(version)
        check_learned(rules, artifact.manifest)
        then = answers(artifact, old)
        classes = artifact.manifest.signature.classes
        answered = (then, answers(artifact, new, then.bins), classes)
    return between(features, columns_of(old), new, alpha, psi, answered)


def print_findings(findings: "list[Finding]") -> None:
    from ..monitoring.report import shown_name, verdict_of

    rows = [["column", "psi", "p", "missing", "outside", "verdict"]]
    rows += [
        [
            shown_name(finding),
            f"{finding.psi:.3f}",
            f"{finding.p_value:.4f}",
            f"{finding.missing_now:.3f}",
            f"{finding.out_of_range:.3f}",
            verdict_of(finding),
        ]
        for finding in findings
    ]
    print_table(rows)
    drifted = sum(finding.drifted for finding in findings)
    click.echo(f"\n{drifted} of {len(findings)} columns have drifted")


def print_findings_as_json(findings: "list[Finding]") -> None:
    print_json(
        {
            "drifted": any(finding.drifted for finding in findings),
            "columns": [
                {
                    "kind": finding.kind,
                    "name": finding.name,
                    "psi": finding.psi,
                    "test": finding.test,
                    "p_value": finding.p_value,
                    "missing_before": finding.missing_before,
                    "missing_now": finding.missing_now,
                    "p_missing": finding.p_missing,
                    "out_of_range": finding.out_of_range,
                    "compared": finding.compared,
                    "moved": finding.moved,
                    "lost": finding.lost,
                }
                for finding in findings
            ],
        }
    )
