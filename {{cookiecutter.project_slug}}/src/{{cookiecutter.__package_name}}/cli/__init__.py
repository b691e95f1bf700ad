"""The command line: parse, call, print, exit code.

Exit codes: 0 done · 1 refused or failed, the reason is on stderr · 2 wrong usage ·
3 judged, and the verdict is no: not good enough, not better, or drifted.
Rooms are imported inside the commands: `serve` must start fast and run where
scikit-learn is not installed.
"""

import io
import logging
import sys

import click

from .. import MODEL_NAME
from ..errors import ProjectError
from .adopting import adopt
from .answering import predict, serve
from .comparing import compare
from .learning import evaluate, train
from .scoring import score
from .shipping import warm
from .smoke import smoke
from .versions import models
from .watching import drift


def main() -> None:
    """Run the command line; every named failure is one line on stderr and exit 1."""
    write_utf8()
    try:
        commands(prog_name=MODEL_NAME)
    except (ProjectError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def write_utf8() -> None:
    """Into files and pipes too, where Windows would write what its code page holds."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=stream.errors)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=MODEL_NAME, message="%(prog)s %(version)s")
@click.option("--verbose", "-v", is_flag=True, help="Say more on stderr.")
@click.pass_context
def commands(context: click.Context, verbose: bool) -> None:
    """Train the model, judge it, keep its versions, and serve it over HTTP.

    \b
    A first round:
      train        learn from data/sample.csv, judge, promote when good enough
      predict      answers for data/sample.csv, as CSV
      serve        answer over HTTP
      models list  what is kept, and what serves
    Results are on stdout, progress and complaints on stderr. Settings come from
    the environment (ML_MODEL_URI, ML_PORT, ...); see the README.
    """
    if context.invoked_subcommand != "serve":
        level = logging.DEBUG if verbose else logging.INFO
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger(__name__.partition(".")[0]).setLevel(level)


for command in (
    train,
    evaluate,
    adopt,
    predict,
    score,
    serve,
    smoke,
    warm,
    models,
    drift,
    compare,
):
    commands.add_command(command)
