"""`serve` as a real process, forked from one that has imported all that it needs.

A start then costs milliseconds; Windows has no fork and imports it all each time.
"""

import multiprocessing
import os
import sys
from pathlib import Path

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
    app,
    cli,
)
from {{cookiecutter.__package_name}}.model import (
    predictor,
)
from {{cookiecutter.__package_name}}.serving import (
    routes,
    server,
)

PROCESSES = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
if os.name == "posix":
    PROCESSES.set_forkserver_preload(
        [module.__name__ for module in (app, cli, predictor, routes, server)]
    )


def serve(environment: dict[str, str], log: Path) -> None:
    """The command `serve`, with that environment, all it says in that file."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [MODEL_NAME, "serve"]
    cli.main()
