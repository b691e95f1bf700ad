"""Commands that look after the stored versions: `models ...`."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from .. import MODEL_NAME
from ..errors import ArtifactCorrupt, ArtifactError, ArtifactMissing, ProjectError
from .common import (
    complete_version,
    json_option,
    manifest_dict,
    open_store,
    print_json,
    print_table,
    version_option,
)

if TYPE_CHECKING:
    from ..artifacts.artifact import Manifest
    from ..artifacts.pointer import Event, Pointer
    from ..artifacts.store import Store


@click.group()
def models() -> None:
    """Look at the stored versions, and choose the one that serves."""


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """All versions, newest first; a star marks the one in service.

    A version that missed its gate and was promoted all the same says why.
    """
    store = open_store()
    pointer = None
    try:
        pointer = read_pointer(store)
    except ArtifactCorrupt as error:  # the list helps to choose another
        click.echo(f"damaged: {error}", err=True)
    serving = pointer.serving.version if pointer else None
    manifests = []
    for version in store.versions():
        try:
            manifests.append(store.manifest(version))
        except ArtifactError as error:
            click.echo(f"damaged: {error}", err=True)
    if serving and serving not in store.versions():
        click.echo(f"in service, and not there: {serving}", err=True)
    if as_json:
        print_json(
            [
                {
                    "version": manifest.version,
                    "serving": manifest.version == serving,
                    "created": manifest.created.isoformat(),
                    "metrics": manifest.evaluation.metrics,
                    "gate_failures": manifest.gate_failures,
                    "forced": forced(pointer, manifest.version),
                    "data_sha256": manifest.provenance.data_sha256,
                }
                for manifest in manifests
            ]
        )
        return
    if not manifests:
        click.echo(f"no versions in {store.folder}; run `{MODEL_NAME} train`")
        return
    print_versions(manifests, pointer)


def print_versions(manifests: Sequence["Manifest"], pointer: "Pointer | None") -> None:
    serving = pointer.serving.version if pointer else None
    names = list(manifests[0].evaluation.metrics)
    rows = [["", "version", "made", "gate", *names, "data"]]
    reasons = []
    for manifest in manifests:
        metrics = manifest.evaluation.metrics
        gate = "missed" if manifest.gate_failures else "passed"
        if reason := forced(pointer, manifest.version):
            gate = "forced"
            line = " ".join(reason.split())
            reasons.append(f"{manifest.version} was forced: {line}")
        rows.append(
            [
                "*" if manifest.version == serving else "",
                manifest.version,
                f"{manifest.created:%Y-%m-%d %H:%M}",
                gate,
                *(f"{metrics[name]:z.4f}" if name in metrics else "" for name in names),
                manifest.provenance.data_sha256[:12],
            ]
        )
    print_table(rows)
    for reason in reasons:
        click.echo(reason)


@models.command()
@click.argument("version", required=False, shell_complete=complete_version)
def show(version: str | None) -> None:
    """The manifest of VERSION, by default the one in service, as JSON.

    What was decided about it comes after it: promoted, returned to, and why.
    """
    import msgspec

    store = open_store()
    manifest = store.get(version).manifest
    pointer = read_pointer(store)
    serving = pointer is not None and pointer.serving.version == manifest.version
    decided = msgspec.to_builtins(decisions(pointer, manifest.version))
    print_json(manifest_dict(manifest) | {"serving": serving, "decisions": decided})


@models.command()
@click.argument("version", shell_complete=complete_version)
@click.option("--force", metavar="REASON", help="Why, although the gate was missed.")
@json_option
def promote(version: str, force: str | None, as_json: bool) -> None:
    """Make VERSION the one that serves."""
    store = open_store()
    before = store.serving()
    store.promote(version, reason=force)
    say_serving(version, str(store.root), as_json)
    warn_of_another_signature(store, before, version)


@models.command("copy", short_help="Copy a version to another STORE, to serve there.")
@click.argument("store", metavar="STORE")
@version_option("Version to copy; by default the one in service.")
@json_option
def copy_version(store: str, version: str | None, as_json: bool) -> None:
    """Copy a verified version to another STORE, and put it into service there."""
    from ..artifacts.store import Store

    version = open_store().copy(Store(store, MODEL_NAME), version)
    say_serving(version, store, as_json)


@models.command()
@json_option
def rollback(as_json: bool) -> None:
    """Return to the version that served before."""
    store = open_store()
    before, version = store.serving(), store.rollback()
    say_serving(version, str(store.root), as_json)
    warn_of_another_signature(store, before, version)


def warn_of_another_signature(store: "Store", before: str | None, now: str) -> None:
    """Tell when clients will be surprised, as after the model has been replaced."""
    names = []
    with suppress(ProjectError, OSError):  # no warning about what can't be read
        for version in (before, now) if before else ():
            known = store.get(version).manifest.signature
            names.append(([each.name for each in known.features], known.classes))
    if len(names) == 2 and names[0] != names[1]:
        said = f"it takes other features, or gives other classes, than {before}"
        click.echo(f"warning: {said}, which served until now", err=True)


def say_serving(version: str, store: str, as_json: bool) -> None:
    if as_json:
        print_json({"serving": version, "store": store})
        return
    click.echo(f"{version} is in service in {store} from the next start on")


@models.command(short_help="Remove old versions, and what killed writers left.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many of the newest versions stay.",
)
@click.option("--yes", is_flag=True, help="Remove; without it they are only named.")
@json_option
def prune(keep: int, yes: bool, as_json: bool) -> None:
    """Remove old versions, and what killed writers left an hour ago or earlier.

    The version in service and the one that `rollback` returns to always stay.
    """
    store = open_store()
    leftovers = store.leftovers()
    versions = store.removable(keep)
    if yes:
        versions = store.prune(keep) if versions else []
        store.sweep(leftovers)
    if as_json:
        print_json({"removed": yes, "versions": versions, "leftovers": leftovers})
        return
    for name in (*versions, *leftovers):
        click.echo(name)
    done = "are removed" if yes else "would be removed; say --yes to do so"
    count = f"{len(versions)} versions and {len(leftovers)} leftovers"
    click.echo(f"{count} {done}", err=True)


def read_pointer(store: "Store") -> "Pointer | None":
    try:
        return store.pointer()
    except ArtifactMissing:
        return None


def decisions(pointer: "Pointer | None", version: str) -> "list[Event]":
    """Newest first."""
    events = pointer.log if pointer else ()
    return [event for event in events if event.version == version]


def forced(pointer: "Pointer | None", version: str) -> str | None:
    """The latest reason given for promoting it, although it had missed its gate."""
    reasons = [event.reason for event in decisions(pointer, version)]
    return next((reason for reason in reasons if reason), None)
