"""Commands that ask the model: `predict` for a file, `serve` for the network."""

import csv
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from ..settings import read_settings
from .common import (
    DATA,
    contract_option,
    existing_file,
    keep_what_is_read,
    open_store,
    version_option,
    written_whole,
)

if TYPE_CHECKING:
    from ..model.predictor import Outputs


@click.command(short_help="Predict every row of DATA, as CSV.")
@click.argument("data", type=existing_file, default=DATA)
@version_option("Version to ask; by default the one in service.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="File to write; by default stdout.",
)
@contract_option
def predict(data: Path, version: str | None, output: Path, contract: Path) -> None:
    """Predict every row of DATA, a CSV or Parquet file; the answers are CSV."""
    from ..training.dataset import check_learned, read_contract, read_table

    keep_what_is_read(output, data, contract)
    artifact = open_store().get(version)
    rules = read_contract(contract)
    check_learned(rules, artifact.manifest)
    table = read_table(data, rules, labelled=False)
    predictor = artifact.predictor()
    outputs = predictor.predict(table.X)
    target = artifact.manifest.signature.target
    printed = output == Path("-")
    with nullcontext(sys.stdout) if printed else written_whole(output) as file:
        write_csv(file, target, predictor.classes, outputs)


def write_csv(
    file: TextIO, target: str, classes: Sequence[str], outputs: "Outputs"
) -> None:
    """One line for each row: the class and the probability of each, or the value."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([target, *(f"probability_{name}" for name in classes)])
    if classes:
        for label, p in zip(outputs["label"], outputs["probabilities"], strict=True):
            writer.writerow([label, *(f"{share:.6f}" for share in p)])
    else:
        writer.writerows([[value] for value in outputs["value"].tolist()])


@click.command(short_help="Answer over HTTP until SIGTERM or Ctrl-C.")
@click.option("--host", help="Address to listen on.  [ML_HOST, 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [ML_PORT, PORT, 8080]")
def serve(host: str | None, port: int | None) -> None:
    """Answer over HTTP until SIGTERM or Ctrl-C; logs are JSON on stdout.

    All else is set by the environment, see .env.example.
    """
    # Until the server installs its own handlers, SIGTERM ends the start.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    overrides = {"ML_HOST": host, "ML_PORT": port}
    given = {name: str(value) for name, value in overrides.items() if value is not None}
    settings = read_settings({**os.environ, **given})
    from ..serving.cpu import limit_threads

    limit_threads(settings.cpu_budget)  # must come before NumPy is imported
    if settings.compiled_dir:
        from ..serving.compiled import use_compiled

        use_compiled(Path(settings.compiled_dir))
    from ..app import create_app
    from ..serving.server import run

    run(create_app(settings), settings, os.environ)
