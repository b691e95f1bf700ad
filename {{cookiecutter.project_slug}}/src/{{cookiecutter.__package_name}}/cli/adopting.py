"""The command that takes in a model from elsewhere: `adopt`."""

from pathlib import Path

import click

from .. import MODEL_NAME
from .common import (
    contract_option,
    existing_file,
    json_option,
    need_training_packages,
    open_store,
    read_in_service,
    thresholds_option,
)
from .learning import keep


@click.command(short_help="Serve a model that was made elsewhere, an ONNX file.")
@click.argument("file", type=existing_file)
@click.option(
    "--sample",
    type=existing_file,
    required=True,
    help="Rows with their target, unseen by the model: it is judged by all of them.",
)
@contract_option
@thresholds_option
@json_option
def adopt(
    file: Path, sample: Path, contract: Path, thresholds: Path, as_json: bool
) -> None:
    """Make a version of FILE, a model in ONNX form; promote it when good enough.

    Takes one input of numbers, a column per feature in the contract's order; gives
    probabilities, a column per class, or one value per row. Needs the engine onnx.
    """
    need_training_packages()
    from ..training.adopt import adopt as run
    from ..training.dataset import read_contract
    from ..training.evaluate import read_thresholds

    store = open_store()
    before = store.serving()
    artifact = run(
        file,
        sample,
        read_contract(contract),
        read_thresholds(thresholds),
        MODEL_NAME,
        read_in_service(store),
    )
    keep(artifact, store, before, as_json)
