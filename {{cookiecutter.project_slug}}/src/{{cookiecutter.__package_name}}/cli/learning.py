"""Commands that make versions and judge them: `train`, `evaluate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import MODEL_NAME
from .common import (
    DATA,
    contract_option,
    existing_file,
    json_option,
    manifest_dict,
    need_training_packages,
    open_store,
    print_json,
    print_table,
    thresholds_option,
    version_option,
)

if TYPE_CHECKING:
    from ..artifacts.artifact import Manifest


@click.command(short_help="Learn from DATA, judge, promote when good enough.")
@click.argument("data", type=existing_file, default=DATA)
@contract_option
@thresholds_option
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.25,
    show_default=True,
    help="Share of the rows that are held out to judge by.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the draw of the rows that are held out.",
)
@click.option(
    "--batch-rows",
    type=click.IntRange(min=1),
    help="Learn in one pass, this many rows at a time: for data larger than memory.",
)
@click.option(
    "--update",
    "go_on",
    is_flag=True,
    help="Go on from the version in service instead of starting anew.",
)
@json_option
def train(
    data: Path,
    contract: Path,
    thresholds: Path,
    test_share: float,
    seed: int,
    batch_rows: int | None,
    go_on: bool,
    as_json: bool,
) -> None:
    """Learn from DATA, judge on held-out rows, promote when good enough.

    DATA is a CSV or Parquet file, by default data/sample.csv. Every version is kept in
    the store; one that misses the thresholds is not promoted, and the exit code is 1.
    """
    need_training_packages()
    from ..training.dataset import read_contract
    from ..training.evaluate import read_thresholds
    from ..training.train import Plan
    from ..training.train import train as run

    store = open_store()
    plan = Plan(
        data=data,
        contract=read_contract(contract),
        thresholds=read_thresholds(thresholds),
        test_share=test_share,
        seed=seed,
        batch_rows=batch_rows,
        continue_from=store.get() if go_on else None,
        production=store.get() if store.serving() else None,
    )
    artifact = run(plan, MODEL_NAME)
    version = store.put(artifact)
    failures = artifact.manifest.gate_failures
    if not failures:
        store.promote(version)
    print_evaluation(artifact.manifest, failures, as_json)
    say_verdict(version, failures)


@click.command(short_help="Judge a stored version by DATA.")
@click.argument("data", type=existing_file, default=DATA)
@version_option("Version to judge; by default the one in service.")
@contract_option
@thresholds_option
@json_option
def evaluate(
    data: Path,
    version: str | None,
    contract: Path,
    thresholds: Path,
    as_json: bool,
) -> None:
    """Judge a stored version by DATA against the thresholds.

    Of the file that the version learned from, only the rows that were held out then
    are used; of any other file all rows. Exit code 1 when a threshold is missed.
    """
    need_training_packages()
    import msgspec

    from ..training.dataset import read_contract
    from ..training.evaluate import evaluate as judge
    from ..training.evaluate import evaluate_baseline, gate, read_thresholds
    from ..training.gates import cost_failures
    from ..training.train import unseen_rows

    artifact = open_store().get(version)
    summary, table = unseen_rows(artifact, data, read_contract(contract))
    predictor = artifact.predictor()
    evaluation = judge(predictor, table)
    prior = summary.prior(predictor.classes)
    baseline = evaluate_baseline(predictor.classes, prior, table)
    limits = read_thresholds(thresholds)
    failures = gate(evaluation, baseline, limits)
    failures += cost_failures(predictor, artifact.files, table.X[:1], limits)
    manifest = msgspec.structs.replace(
        artifact.manifest, evaluation=evaluation, baseline=baseline
    )
    print_evaluation(manifest, failures, as_json)
    if failures:
        raise SystemExit(1)


def say_verdict(version: str, failures: Sequence[str]) -> None:
    if not failures:
        click.echo(f"version {version} is promoted", err=True)
        return
    click.echo(f"version {version} is kept but not promoted:", err=True)
    for failure in failures:
        click.echo(f"  {failure}", err=True)
    raise SystemExit(1)


def print_evaluation(
    manifest: "Manifest", failures: Sequence[str], as_json: bool
) -> None:
    """Metrics beside the baseline's, then what they are made of."""
    evaluation, baseline = manifest.evaluation, manifest.baseline
    if as_json:
        shown = manifest_dict(manifest)
        print_json(
            {
                "version": manifest.version,
                "evaluation": shown["evaluation"],
                "baseline": shown["baseline"],
                "gate_failures": list(failures),
            }
        )
        return
    rows = [["metric", "model", "baseline"]]
    for name, value in evaluation.metrics.items():
        rows.append([name, f"{value:.4f}", f"{baseline.metrics[name]:.4f}"])
    print_table(rows)
    if evaluation.per_class:
        click.echo()
        columns = list(next(iter(evaluation.per_class.values())))
        rows = [["class", *columns, *(f"as {name}" for name in evaluation.per_class)]]
        for (name, scores), counts in zip(
            evaluation.per_class.items(), evaluation.confusion, strict=True
        ):
            cells = [f"{scores[column]:.4g}" for column in columns]
            rows.append([name, *cells, *map(str, counts)])
        print_table(rows)
    click.echo(f"\njudged by {evaluation.rows} rows; version {manifest.version}")
