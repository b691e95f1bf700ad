"""Commands for images and deployments: `warm` before the start."""

import os
from pathlib import Path

import click

from ..errors import ProjectError, SettingInvalid
from ..settings import read_settings


@click.command(short_help="Compile ahead what the service will run.")
@click.option(
    "--check", is_flag=True, help="Compile nothing, and fail if anything is missing."
)
def warm(check: bool) -> None:
    """Compile ahead, into ML_COMPILED_DIR, what the service will run.

    Goes through all of a start but the socket, with the version that would be served.
    """
    settings = read_settings(os.environ)
    if not settings.compiled_dir:
        raise SettingInvalid("ML_COMPILED_DIR", "a folder to compile into", "")
    folder = Path(settings.compiled_dir)
    from ..serving.compiled import compile_into, use_compiled

    (use_compiled if check else compile_into)(folder)
    from ..app import create_api, create_app
    from ..model import engine
    from ..model.predictor import compilations, compiled_anew
    from ..serving import server  # noqa: F401  imported as a start does

    service = create_app(settings).service
    service.load().predictor().warm_up()
    create_api(service)
    count, anew = compilations(), compiled_anew()
    if check and anew:
        raise ProjectError(
            f"{folder}: expected all {count} {engine.COUNTED} compiled ahead, "
            f"lacks {anew}; {engine.AHEAD}"
        )
    click.echo(f"compiled {anew} of {count} {engine.COUNTED} anew, into {folder}")
