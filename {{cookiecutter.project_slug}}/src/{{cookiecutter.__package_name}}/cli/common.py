"""What several commands share: options, the store, and how results are printed."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from .. import MODEL_NAME
from ..errors import ArtifactCorrupt, ArtifactMissing, ProjectError, SettingInvalid
from ..settings import read_settings

if TYPE_CHECKING:
    from ..artifacts.artifact import Artifact, Manifest
    from ..artifacts.store import Store

log = logging.getLogger(__name__)

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
REPORTS = Path("reports")

# The exit code of a command that has done its work and whose verdict is no. A script
# can tell it from 1, after which nothing is known about the model or the data.
VERDICT_NO = 3
INTENDED_USE = Path("docs/intended-use.md")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def version_option(text: str) -> Callable[[Command], Command]:
    return click.option(
        "--version",
        "version",
        metavar="VERSION",
        help=text,
        shell_complete=complete_version,
    )


@contextmanager
def naming(place: object) -> Iterator[None]:
    """Add the place to a failure that lacks it: a full disk names no file."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(place)) from error


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """A file to write; it appears, or replaces another, once it is complete.

    Fails: OSError, which names the file.
    """
    if path.exists() and not path.is_file():  # a pipe or a device: write to it
        with naming(path), path.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    target = path.resolve()  # if it is a link, what it leads to
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            if target.exists():
                shutil.copymode(target, draft)
            yield file
        draft.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


def keep_what_is_read(output: Path, *read: Path) -> None:
    """Fails: ProjectError when writing `output` would destroy a file that is read."""
    for path in read:
        if output.exists() and path.exists() and path.samefile(output):
            raise ProjectError(
                f"--output: expected another file than {str(path)!r}, which is read "
                "and would be lost; name a new one"
            )


def complete_version(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Stored versions, newest first; none if the store can't be read."""
    try:
        versions = open_store().versions()
    except (ProjectError, OSError):
        return []
    return [version for version in versions if version.startswith(incomplete)]


def open_store() -> "Store":
    from ..artifacts.folder import CURRENT
    from ..artifacts.store import Store, version_at

    uri = read_settings(os.environ).model_uri
    # Anything but a store: a new one would be written inside of it.
    if version_at(uri):
        raise SettingInvalid("ML_MODEL_URI", "a store, not one version in it", uri)
    if Path(uri, CURRENT).is_file():
        raise SettingInvalid("ML_MODEL_URI", "a store, the folder above", uri)
    return Store(uri, MODEL_NAME)


def read_in_service(store: "Store") -> "Artifact | None":
    """The version to compare with; a damaged one must not keep a better one out."""
    try:
        return store.get() if store.serving() else None
    except (ArtifactMissing, ArtifactCorrupt) as error:
        log.warning("not compared with the version in service: %s", error)
        return None


def need_training_packages() -> None:
    """Say what to do when the runtime image is asked to train."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ProjectError(
            "scikit-learn is not installed; training needs it: uv sync --group train"
        ) from None


def need_pictures() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ProjectError(
            "matplotlib is not installed; a report needs it: uv sync --group train, "
            "or --no-report"
        ) from None


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print columns of equal width, with numbers to the right."""
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
