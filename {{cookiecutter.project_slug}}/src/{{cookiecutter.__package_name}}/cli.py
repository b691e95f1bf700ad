"""The command line: parse, call, print, exit code.

Exit codes: 0 done · 1 refused or failed, the reason is on stderr · 2 wrong usage.
Rooms are imported inside the commands: `serve` must start fast and run where
scikit-learn is not installed.
"""

import csv
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import MODEL_NAME
from .errors import ArtifactError, ProjectError
from .settings import read_settings

if TYPE_CHECKING:
    from .artifacts.artifact import Manifest
    from .artifacts.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])

DATA = Path("data/sample.csv")
CONTRACT = Path("data/contract.toml")
THRESHOLDS = Path("thresholds.toml")

existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)
contract_option = click.option(
    "--contract",
    type=click.Path(path_type=Path),
    default=CONTRACT,
    show_default=True,
    help="What a data file must hold.",
)
thresholds_option = click.option(
    "--thresholds",
    type=click.Path(path_type=Path),
    default=THRESHOLDS,
    show_default=True,
    help="What a version must reach before it may serve.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def version_option(text: str) -> Callable[[Command], Command]:
    return click.option("--version", "version", metavar="VERSION", help=text)


def main() -> None:
    """Run the command line; every named failure is one line on stderr and exit 1."""
    try:
        commands(prog_name=MODEL_NAME)
    except (ProjectError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=MODEL_NAME, message="%(prog)s %(version)s")
@click.option("--verbose", "-v", is_flag=True, help="Say more on stderr.")
@click.pass_context
def commands(context: click.Context, verbose: bool) -> None:
    """Train the model, judge it, keep its versions, and serve it over HTTP.

    \b
    A first round:
      train      learn from data/sample.csv, judge, promote when good enough
      serve      answer over HTTP
    Settings come from the environment (ML_MODEL_URI, ML_PORT, ...); see the README.
    """
    if context.invoked_subcommand != "serve":
        level = logging.DEBUG if verbose else logging.INFO
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger(__package__).setLevel(level)


@commands.command(short_help="Learn from DATA, judge, promote when good enough.")
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
@click.option("--seed", type=int, default=0, show_default=True)
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

    DATA is a CSV file, by default data/sample.csv. Every version is kept in the store;
    one that misses the thresholds is not promoted, and the exit code is 1.
    """
    need_training_packages()
    from .training.dataset import read_contract
    from .training.evaluate import read_thresholds
    from .training.train import Plan
    from .training.train import train as run

    store = open_store()
    plan = Plan(
        data=data,
        contract=read_contract(contract),
        thresholds=read_thresholds(thresholds),
        test_share=test_share,
        seed=seed,
        batch_rows=batch_rows,
        continue_from=store.get() if go_on else None,
    )
    artifact = run(plan, MODEL_NAME)
    version = store.put(artifact)
    failures = artifact.manifest.gate_failures
    if not failures:
        store.promote(version)
    print_evaluation(artifact.manifest, failures, as_json)
    say_verdict(version, failures)


@commands.command(short_help="Judge a stored version by DATA.")
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

    from .training.dataset import read_contract
    from .training.evaluate import evaluate as judge
    from .training.evaluate import evaluate_baseline, gate, read_thresholds
    from .training.train import unseen_rows

    artifact = open_store().get(version)
    summary, table = unseen_rows(artifact, data, read_contract(contract))
    predictor = artifact.predictor()
    evaluation = judge(predictor, table)
    prior = summary.prior(predictor.classes)
    baseline = evaluate_baseline(predictor.classes, prior, table)
    failures = gate(evaluation, baseline, read_thresholds(thresholds))
    manifest = msgspec.structs.replace(
        artifact.manifest, evaluation=evaluation, baseline=baseline
    )
    print_evaluation(manifest, failures, as_json)
    if failures:
        raise SystemExit(1)


@commands.command(short_help="Predict every row of DATA, CSV in and out.")
@click.argument("data", type=existing_file, default=DATA)
@version_option("Version to ask; by default the one in service.")
@click.option(
    "--output",
    "-o",
    type=click.File("w", encoding="utf-8"),
    default="-",
    help="File to write, not -.",
)
@contract_option
def predict(data: Path, version: str | None, output: Any, contract: Path) -> None:
    """Predict every row of DATA, a CSV file; the answers are CSV too."""
    from .training.dataset import check_learned, read_contract, read_table

    artifact = open_store().get(version)
    rules = read_contract(contract)
    check_learned(rules, artifact.manifest)
    table = read_table(data, rules, labelled=False)
    predictor = artifact.predictor()
    outputs = predictor.predict(table.X)
    writer = csv.writer(output, lineterminator="\n")
    if predictor.classes:
        shares = [f"probability_{name}" for name in predictor.classes]
        writer.writerow([artifact.manifest.signature.target, *shares])
        for label, p in zip(outputs["label"], outputs["probabilities"], strict=True):
            writer.writerow([label, *(f"{share:.6f}" for share in p)])
    else:
        writer.writerow([artifact.manifest.signature.target])
        writer.writerows([[value] for value in outputs["value"].tolist()])


@commands.command(short_help="Answer over HTTP until SIGTERM or Ctrl-C.")
@click.option("--host", help="Address to listen on.  [ML_HOST, 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [ML_PORT, PORT, 8080]")
def serve(host: str | None, port: int | None) -> None:
    """Answer over HTTP until SIGTERM or Ctrl-C; logs are JSON on stdout.

    All else is set by the environment, see .env.example.
    """
    # Until the server has its own handlers, a start that is not wanted ends as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    overrides = {"ML_HOST": host, "ML_PORT": port}
    given = {name: str(value) for name, value in overrides.items() if value is not None}
    settings = read_settings({**os.environ, **given})
    from .serving.cpu import limit_threads

    limit_threads(settings.cpu_budget)  # must come before NumPy is imported
    from .app import create_app
    from .serving.server import run

    run(create_app(settings), settings, os.environ)


@commands.group()
def models() -> None:
    """Look at the stored versions, and choose the one that serves."""


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """All versions, newest first; a star marks the one in service."""
    store = open_store()
    serving = store.serving()
    manifests = []
    for version in store.versions():
        try:
            manifests.append(store.manifest(version))
        except ArtifactError as error:
            click.echo(f"damaged: {error}", err=True)
    if as_json:
        print_json(
            [
                {
                    "version": manifest.version,
                    "serving": manifest.version == serving,
                    "created": manifest.created.isoformat(),
                    "metrics": manifest.evaluation.metrics,
                    "gate_failures": manifest.gate_failures,
                    "data_sha256": manifest.provenance.data_sha256,
                }
                for manifest in manifests
            ]
        )
        return
    if not manifests:
        click.echo(f"no versions in {store.folder}; run `{MODEL_NAME} train`")
        return
    names = list(manifests[0].evaluation.metrics)
    rows = [["", "version", "gate", *names, "data"]]
    for manifest in manifests:
        metrics = manifest.evaluation.metrics
        rows.append(
            [
                "*" if manifest.version == serving else "",
                manifest.version,
                "missed" if manifest.gate_failures else "passed",
                *(f"{metrics[name]:.4f}" if name in metrics else "" for name in names),
                manifest.provenance.data_sha256[:12],
            ]
        )
    print_table(rows)


@models.command()
@click.argument("version", required=False)
def show(version: str | None) -> None:
    """The manifest of VERSION, by default the one in service, as JSON."""
    print_json(manifest_dict(open_store().get(version).manifest))


@models.command()
@click.argument("version")
@click.option("--force", metavar="REASON", help="Why, although the gate was missed.")
def promote(version: str, force: str | None) -> None:
    """Make VERSION the one that serves."""
    open_store().promote(version, reason=force)
    click.echo(f"{version} is in service from the next start on")


@models.command()
def rollback() -> None:
    """Return to the version that served before."""
    version = open_store().rollback()
    click.echo(f"{version} is in service from the next start on")


def open_store() -> "Store":
    from .artifacts.store import Store

    return Store(read_settings(os.environ).model_uri, MODEL_NAME)


def need_training_packages() -> None:
    """Say what to do when the runtime image is asked to train."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ProjectError(
            "scikit-learn is not installed; training needs it: uv sync --group train"
        ) from None


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


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns of equal width, the numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = [
        all(cell.replace(".", "", 1).isdigit() for cell in column[1:])
        for column in zip(*rows, strict=True)
    ]
    for row in rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def manifest_dict(manifest: "Manifest") -> dict[str, Any]:
    import msgspec

    shown: dict[str, Any] = msgspec.to_builtins(manifest)
    return shown
