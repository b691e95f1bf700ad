"""Commands for tables that a request can't hold: `score`."""

import sys
from pathlib import Path

import click

from ..errors import ProjectError
from .common import contract_option, json_option, open_store, print_json, version_option


@click.command(short_help="Predict tables of any size, resumable.")
@click.argument("input", metavar="INPUT")
@click.argument("output", metavar="OUTPUT")
@version_option("Version to ask; by default the one in service.")
@contract_option
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Input column to pass through; again for each.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "parquet"]),
    help="What to write; by default what INPUT is.",
)
@click.option(
    "--part-mb",
    type=click.IntRange(1, 4096),
    default=32,
    show_default=True,
    help="Size of a part, which is what a kill can lose.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask cluster to run on; its workers must see INPUT and OUTPUT.",
)
@json_option
def score(
    input: str,
    output: str,
    version: str | None,
    contract: Path,
    keep: tuple[str, ...],
    kind: str | None,
    part_mb: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Predict every row of INPUT into the folder OUTPUT.

    INPUT is a CSV or Parquet file, a folder of them, or an s3://, gs:// or az:// URI;
    OUTPUT a folder or such a URI, outside of INPUT. Row k of the output belongs to row
    k of the input, where blank lines are no rows; a row that can't be predicted says
    why, there and in bad.csv. Run it again after a kill, and it goes on where it was.
    """
    need_scoring_packages()
    import msgspec

    from ..scoring.batch import Done, finish, make_plan, open_output, score_here
    from ..scoring.places import check_apart
    from ..scoring.plan import Rule
    from ..training.dataset import check_learned, read_contract

    check_apart(input, output)
    artifact = open_store().get(version)
    rules = read_contract(contract)
    check_learned(rules, artifact.manifest)
    columns = [
        Rule(column.name, column.minimum, column.maximum, column.missing)
        for column in rules.features
    ]
    version = artifact.manifest.version
    classes = artifact.manifest.signature.classes
    plan = make_plan(input, version, columns, classes, keep, kind, part_mb * 2**20)
    place, done = open_output(output, plan)
    todo = [part for part in plan.parts if part.number not in done]
    if done:
        click.echo(f"{len(done)} of {len(plan.parts)} parts were there", err=True)
    with click.progressbar(
        length=len(plan.parts), label="parts", file=sys.stderr
    ) as bar:
        bar.update(len(done))

        def report(part: Done) -> None:
            done[part.number] = part
            bar.update(1)

        if scheduler:
            from ..scoring.cluster import score_on

            score_on(scheduler, plan, todo, place.uri, artifact, report)
        else:
            predictor = artifact.predictor()
            score_here(plan, todo, place.uri, predictor, report)
    summary = finish(plan, place, done)
    if as_json:
        print_json(msgspec.to_builtins(summary))
    else:
        click.echo(f"{summary.rows} rows into {output}, by version {version}")
    if summary.bad:
        click.echo(f"{summary.bad} rows were bad, see {output}/bad.csv", err=True)
    if summary.bad == summary.rows:
        raise SystemExit(1)


def need_scoring_packages() -> None:
    """Say what to do where only serving is installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ProjectError(
            "pyarrow is not installed; scoring needs it: uv sync --group score"
        ) from None
