"""Commands that look after the stored versions: `models ...`."""

import click

from .. import MODEL_NAME
from ..errors import ArtifactError
from .common import (
    json_option,
    manifest_dict,
    open_store,
    print_json,
    print_table,
    version_option,
)


@click.group()
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


@models.command("copy")
@click.argument("store", metavar="STORE")
@version_option("Version to copy; by default the one in service.")
def copy_version(store: str, version: str | None) -> None:
    """Copy a verified version to another STORE, and put it into service there."""
    from ..artifacts.store import Store

    version = open_store().copy(Store(store, MODEL_NAME), version)
    click.echo(f"{version} is in service in {store} from the next start on")


@models.command()
def rollback() -> None:
    """Return to the version that served before."""
    version = open_store().rollback()
    click.echo(f"{version} is in service from the next start on")
