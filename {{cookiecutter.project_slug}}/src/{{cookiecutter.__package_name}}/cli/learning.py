"""Commands that make versions and judge them: `train`, `evaluate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from .. import MODEL_NAME
from .common import (
    DATA,
    INTENDED_USE,
    REPORTS,
    VERDICT_NO,
    contract_option,
    existing_file,
    json_option,
    manifest_dict,
    naming,
    need_pictures,
    need_training_packages,
    open_store,
    print_json,
    print_table,
    read_in_service,
    thresholds_option,
    version_option,
)

if TYPE_CHECKING:
    from ..artifacts.artifact import Artifact, Manifest
    from ..artifacts.store import Store


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
    the store; one that misses the thresholds is not promoted, and the exit code is 3.
    """
    need_training_packages()
    from ..training.dataset import read_contract
    from ..training.evaluate import read_thresholds
    from ..training.train import Plan
    from ..training.train import train as run

    store = open_store()
    before = store.serving()
    plan = Plan(
        data=data,
        contract=read_contract(contract),
        thresholds=read_thresholds(thresholds),
        test_share=test_share,
        seed=seed,
        batch_rows=batch_rows,
        continue_from=store.get() if go_on else None,
        production=read_in_service(store),
    )
    keep(run(plan, MODEL_NAME), store, before, as_json)


@click.command(short_help="Judge a stored version by DATA.")
@click.argument("data", type=existing_file, default=DATA)
@version_option("Version to judge; that in service, or the newest.")
@contract_option
@thresholds_option
@click.option(
    "--report",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for page, pictures and model card; by default reports/VERSION.",
)
@click.option("--no-report", is_flag=True, help="Only print.")
@click.option(
    "--against",
    metavar="STORE",
    help="Store whose version in service to compare with; by default this one's.",
)
@click.option(
    "--summary",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Markdown file to add the comparison to, as CI shows it.",
)
@json_option
def evaluate(
    data: Path,
    version: str | None,
    contract: Path,
    thresholds: Path,
    folder: Path | None,
    no_report: bool,
    against: str | None,
    summary: Path | None,
    as_json: bool,
) -> None:
    """Judge a stored version by DATA against the thresholds, and that in service.

    Of a file that the version learned from, or one that it goes on from, only the rows
    that were held out then are used; of any other file all rows. Exit code 3 when a
    threshold is missed. Writes a report that opens in any browser, also then.
    """
    need_training_packages()
    if not no_report:
        need_pictures()
    import msgspec

    from ..training.dataset import read_contract
    from ..training.evaluate import evaluate as judge
    from ..training.evaluate import evaluate_baseline, gate, read_thresholds
    from ..training.gates import compare_with, cost_failures
    from ..training.held_out import unseen_rows

    store, rules = open_store(), read_contract(contract)
    version = version or store.serving() or next(iter(store.versions()), None)
    artifact = store.get(version)
    learned, table = unseen_rows(artifact, data, rules)
    predictor = artifact.predictor()
    evaluation = judge(predictor, table)
    prior = learned.prior(predictor.classes)
    baseline = evaluate_baseline(predictor.classes, prior, table)
    limits = read_thresholds(thresholds)
    failures = gate(evaluation, baseline, limits)
    failures += cost_failures(predictor, artifact.files, table.X[:1], limits)
    production, why = version_in_service(against)
    if why:
        click.echo(why, err=True)
    if production and production.manifest.version != version:
        failures += compare_with(production, predictor, table, rules, limits, data)
    manifest = msgspec.structs.replace(
        artifact.manifest, evaluation=evaluation, baseline=baseline
    )
    print_evaluation(manifest, failures, as_json)
    if summary or not no_report:
        from ..training.answers import Trivial
        from ..training.card import summarise
        from ..training.publish import write
        from ..training.report import gather, in_service

        name = manifest.version
        service = in_service(production, why, name, data, rules, table)
        trivial = Trivial(predictor.classes, prior)
        report = gather(manifest, predictor, data, table, trivial, failures, service)
        if not no_report:
            folder = folder or REPORTS / name
            with naming(folder):
                page = write(report, folder, INTENDED_USE)
            click.echo(f"report: {page}", err=True)
        if summary:
            with naming(summary), summary.open("a", encoding="utf-8") as file:
                file.write(summarise(report))
    if failures:
        refuse(f"version {version} is not good enough:", failures)


def version_in_service(against: str | None) -> "tuple[Artifact | None, str]":
    """The version in service; or None and why, since a report needs none.

    Fails: as the store does, if `against` names one that can't be read.
    """
    from ..artifacts.store import Store
    from ..errors import ProjectError

    try:
        store = Store(against, MODEL_NAME) if against else open_store()
        if store.serving():
            return store.get(), ""
    except (ProjectError, OSError) as error:
        if against:
            raise
        return None, f"The version in service could not be read: {error}."
    where = f" in {against}" if against else ""
    return None, (
        f"No version is in service{where}, so it is compared with the baseline only."
    )


def keep(
    artifact: "Artifact", store: "Store", before: str | None, as_json: bool
) -> None:
    """Store a new version, promote it when it may serve, and say which it was.

    before: the version that served when learning began, and was compared with.
    """
    failures = artifact.manifest.gate_failures
    with naming(store.root):
        version = store.put(artifact)
        if not failures:
            store.promote(version, instead_of=before)
    print_evaluation(artifact.manifest, failures, as_json)
    if not failures:
        click.echo(f"version {version} is promoted", err=True)
        return
    refuse(f"version {version} is kept but not promoted:", failures)


def refuse(what: str, failures: Sequence[str]) -> NoReturn:
    click.echo(what, err=True)
    for failure in failures:
        click.echo(f"  {failure}", err=True)
    raise SystemExit(VERDICT_NO)


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
        rows.append([name, f"{value:z.4f}", f"{baseline.metrics[name]:z.4f}"])
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
