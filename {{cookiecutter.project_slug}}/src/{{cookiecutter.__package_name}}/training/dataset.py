"""A CSV file and its contract in, checked arrays out, whole or in batches."""

import csv
import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..artifacts.artifact import Manifest
from ..errors import DataInvalid
from ..model.arrays import Floats

MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}
PROBLEMS_SHOWN = 10

Name = Annotated[str, msgspec.Meta(min_length=1)]


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature: its unit, and the range outside of which a value is impossible."""

    name: Name
    unit: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a data file must hold. No classes means that the target is a number.

    examples: how many rows a version's signature may show to those who ask for it.
    """

    target: Name
    features: Annotated[tuple[Column, ...], msgspec.Meta(min_length=1)]
    classes: tuple[Name, ...] = ()
    examples: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.features]


@dataclass(frozen=True)
class Table:
    """X: (n, d) float64 in the order of the contract.  y: (n,) labels or float64."""

    X: Floats
    y: NDArray[Any]


def read_contract(path: Path) -> Contract:
    """Fails: DataInvalid when it is missing, not TOML, or breaks a rule."""
    try:
        contract = msgspec.toml.decode(path.read_bytes(), type=Contract)
    except FileNotFoundError:
        raise DataInvalid(path, ["expected a contract, received no file"]) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataInvalid(path, [str(error)]) from None
    columns = [*contract.names, contract.target]
    problems = [
        f"column {name!r}: expected once, received twice"
        for name in dict.fromkeys(columns)
        if columns.count(name) > 1
    ]
    if len(contract.classes) == 1 or len(set(contract.classes)) < len(contract.classes):
        problems.append(
            f"classes: expected two or more different ones, or none for a number, "
            f"received {list(contract.classes)}"
        )
    problems += [
        f"column {column.name!r}: expected a minimum below the maximum, "
        f"received {column.minimum:g} and {column.maximum:g}"
        for column in contract.features
        if not column.minimum < column.maximum
    ]
    if problems:
        raise DataInvalid(path, problems)
    return contract


def check_learned(contract: Contract, manifest: Manifest) -> None:
    """A kernel takes columns by their place: in another order its answers are wrong.

    Fails: DataInvalid when the version learned other columns or classes.
    """
    known = [feature.name for feature in manifest.signature.features]
    classes = set(manifest.signature.classes)
    if known != contract.names or classes != set(contract.classes):
        raise DataInvalid(
            "contract",
            [
                f"expected the columns and classes that version {manifest.version} "
                "learned, in their order; give the contract it was made with, or "
                "train anew"
            ],
        )


def digest(path: Path) -> str:
    """sha256 of the file's bytes: the version of the data."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_table(path: Path, contract: Contract, *, labelled: bool = True) -> Table:
    """The whole file at once. Fails as `read_batches` does."""
    (table,) = read_batches(path, contract, None, labelled=labelled)
    return table


def read_batches(
    path: Path, contract: Contract, batch_rows: int | None, *, labelled: bool = True
) -> Iterator[Table]:
    """Tables of at most `batch_rows` rows, in the order of the file.

    Columns may come in any order. With labelled=False the target may be absent, is not
    read, and y is empty.
    Fails: DataInvalid naming line and column of up to PROBLEMS_SHOWN faulty cells.
    """
    try:
        file = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataInvalid(path, [f"can't be read: {error.strerror}"]) from None
    with file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            places = _find_columns(path, header, contract, labelled)
            rows = ((reader.line_num, row) for row in reader if row)
            first = True
            while batch := list(islice(rows, batch_rows)):
                yield _read_rows(path, batch, len(header), places, contract, labelled)
                first = False
        except UnicodeDecodeError as error:
            raise DataInvalid(path, [f"expected UTF-8 text: {error}"]) from None
        except csv.Error as error:
            problem = f"line {reader.line_num}: expected CSV: {error}"
            raise DataInvalid(path, [problem]) from None
    if first:
        raise DataInvalid(path, ["expected rows below the header, received none"])


def _find_columns(
    path: Path, header: list[str], contract: Contract, labelled: bool
) -> dict[str, int]:
    header = [name.strip() for name in header]
    wanted = contract.names + ([contract.target] if labelled else [])
    allowed = {*contract.names, contract.target}
    problems = [
        f"header: expected column {name!r}, received none"
        for name in wanted
        if name not in header
    ]
    for name in dict.fromkeys(header):
        if name not in allowed:
            problems.append(f"header: column {name!r} is not in the contract")
        elif header.count(name) > 1:
            problems.append(f"header: expected column {name!r} once, received it twice")
    if problems:
        raise DataInvalid(path, problems)
    return {name: header.index(name) for name in wanted}


def _read_rows(
    path: Path,
    rows: Iterable[tuple[int, list[str]]],
    width: int,
    places: dict[str, int],
    contract: Contract,
    labelled: bool,
) -> Table:
    X, y, problems = [], [], []
    for line, row in rows:
        if len(row) != width:
            problems.append(f"line {line}: expected {width} cells, received {len(row)}")
            continue
        X.append(
            [
                _read_number(row[places[column.name]], column, line, problems)
                for column in contract.features
            ]
        )
        if labelled:
            y.append(
                _read_target(row[places[contract.target]], contract, line, problems)
            )
        if len(problems) >= PROBLEMS_SHOWN:
            break
    if problems:
        raise DataInvalid(path, problems)
    kind = str if contract.classes else np.float64
    return Table(np.array(X, dtype=np.float64), np.array(y, dtype=kind))


def _read_number(text: str, column: Column, line: int, problems: list[str]) -> float:
    """The number in a cell, or NaN and one more problem."""
    place = f"line {line}, column {column.name!r}"
    if text.strip().lower() in MISSING:
        problems.append(f"{place}: expected a number, received a missing value")
        return math.nan
    try:
        number = float(text.replace("_", "no"))  # Python would read 1_000
    except ValueError:
        problems.append(f"{place}: expected a number, received {text!r}")
        return math.nan
    if not math.isfinite(number):
        problems.append(f"{place}: expected a finite number, received {text.strip()}")
    elif not column.minimum <= number <= column.maximum:
        problems.append(
            f"{place}: expected {column.minimum:g} to {column.maximum:g}, "
            f"received {text.strip()}"
        )
    return number


def _read_target(
    text: str, contract: Contract, line: int, problems: list[str]
) -> str | float:
    text = text.strip()
    if not contract.classes:
        return _read_number(text, Column(contract.target), line, problems)
    if text not in contract.classes:
        received = "a missing value" if text.lower() in MISSING else repr(text)
        problems.append(
            f"line {line}, column {contract.target!r}: "
            f"expected one of {', '.join(contract.classes)}, received {received}"
        )
    return text
