"""A data file and its contract in, checked arrays out, whole or in batches."""

import csv
import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifacts.artifact import MISSING as MISSING
from ..errors import DataInvalid
from ..model.arrays import Floats
from . import parquet
from .contract import Column as Column
from .contract import Contract as Contract
from .contract import check_learned as check_learned
from .contract import read_contract as read_contract

PROBLEMS_SHOWN = 10
PARQUET = {".parquet", ".pq"}
FILL = "; `missing` in the contract can say what to put there"


@dataclass(frozen=True)
class Table:
    """X: (n, d) float64 in the order of the contract.  y: (n,) labels or float64.

    key: (n,) groups as text, or times in seconds, if the contract names such a column;
    else (0,).
    """

    X: Floats
    y: NDArray[Any]
    key: NDArray[Any] = field(default_factory=lambda: np.empty(0))

    def __getitem__(self, rows: NDArray[Any]) -> "Table":
        key = self.key[rows] if len(self.key) else self.key
        return Table(self.X[rows], self.y[rows], key)


def digest(path: Path) -> str:
    """sha256 of the file's bytes: the version of the data."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_table(path: Path, contract: Contract, *, labelled: bool = True) -> Table:
    """The whole file at once; fails as `read_batches` does."""
    (table,) = read_batches(path, contract, None, labelled=labelled)
    return table


def read_batches(
    path: Path, contract: Contract, batch_rows: int | None, *, labelled: bool = True
) -> Iterator[Table]:
    """Tables of at most `batch_rows` rows, in the order of the file.

    The file's suffix tells Parquet from CSV. Columns may come in any order. With
    labelled=False the target and the key may be absent and are not read; y is empty.
    Fails: DataInvalid, naming the line (CSV) or row (Parquet) and column of up to
    PROBLEMS_SHOWN faulty cells.
    """
    if path.suffix.lower() in PARQUET:
        yield from _read_parquet(path, contract, batch_rows, labelled)
        return
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


def _wanted(contract: Contract, labelled: bool) -> list[str]:
    key = [contract.key] if contract.key else []
    return contract.names + ([contract.target, *key] if labelled else [])


def _find_columns(
    path: Path, header: list[str], contract: Contract, labelled: bool
) -> dict[str, int]:
    header = [name.strip() for name in header]
    wanted = _wanted(contract, labelled)
    allowed = {*_wanted(contract, True), *contract.ignored}
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
    X, y, key, problems = [], [], [], []
    for line, row in rows:
        if len(row) != width:
            problems.append(f"line {line}: expected {width} cells, received {len(row)}")
            continue
        X.append(
            [
                _read_number(row[places[column.name]], column, f"line {line}", problems)
                for column in contract.features
            ]
        )
        if labelled:
            y.append(
                _read_target(
                    row[places[contract.target]], contract, f"line {line}", problems
                )
            )
            if contract.key:
                text = row[places[contract.key]]
                key.append(_read_key(text, contract, f"line {line}", problems))
        if len(problems) >= PROBLEMS_SHOWN:
            break
    if problems:
        raise DataInvalid(path, problems)
    kind = str if contract.classes else np.float64
    return Table(np.array(X, dtype=np.float64), np.array(y, dtype=kind), np.array(key))


def _read_parquet(
    path: Path, contract: Contract, batch_rows: int | None, labelled: bool
) -> Iterator[Table]:
    try:
        header = parquet.header(path)
    except OSError as error:
        raise DataInvalid(path, [f"can't be read: {error.strerror}"]) from None
    places = _find_columns(path, header, contract, labelled)
    theirs = {name: header[place] for name, place in places.items()}
    found = False
    for first, read in parquet.read_columns(path, list(theirs.values()), batch_rows):
        found = True
        columns = {name: read[each] for name, each in theirs.items()}
        problems: list[str] = []
        X = [
            _check_numbers(columns[column.name], column, first, problems)
            for column in contract.features
        ]
        y: NDArray[Any] = np.empty(0)
        keys: NDArray[Any] = np.empty(0)
        if labelled:
            target = columns[contract.target]
            if contract.classes:
                y = np.array(
                    [
                        _read_target(text, contract, f"row {row}", problems)
                        for row, text in enumerate(parquet.texts(target), first)
                    ]
                )
            else:
                column = Column(contract.target)
                y = _check_numbers(target, column, first, problems, remedy="")
            if contract.key:
                texts = parquet.texts(columns[contract.key])
                keys = np.array(
                    [
                        _read_key(text, contract, f"row {row}", problems)
                        for row, text in enumerate(texts, first)
                    ]
                )
        if problems:
            raise DataInvalid(path, problems[:PROBLEMS_SHOWN])
        yield Table(np.column_stack(X), y, keys)
    if not found:
        raise DataInvalid(path, ["expected rows, received none"])


def _check_numbers(
    values: Any, column: Column, first: int, problems: list[str], remedy: str = FILL
) -> NDArray[np.float64]:
    """A whole column, missing values filled in; problems name each invalid value."""
    found = parquet.numbers(values, f"column {column.name!r}", problems)
    if column.missing is not None:
        found = np.where(np.isnan(found), column.missing, found)
    # Written so that NaN, which compares as False, is wrong too.
    right = (found >= column.minimum) & (found <= column.maximum) & np.isfinite(found)
    for row in np.flatnonzero(~right)[:PROBLEMS_SHOWN].tolist():
        value = float(found[row])  # in full: rounded, it might be within the range
        text = "" if np.isnan(value) else repr(value).removesuffix(".0")
        _read_number(text, column, f"row {first + row}", problems, remedy)
    return found


def _read_key(
    text: str, contract: Contract, place: str, problems: list[str]
) -> str | float:
    """A group as it is; a time in seconds, from a number or ISO 8601 (default UTC)."""
    text = text.strip()
    where = f"{place}, column {contract.key!r}"
    if text.lower() in MISSING:
        problems.append(f"{where}: expected a value, received a missing one")
        return math.nan if contract.time else ""
    if contract.group:
        return text
    try:
        return float(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        expected = "a number, 2024-05-31 or 2024-05-31T12:30"
        problems.append(f"{where}: expected {expected}, received {text!r}")
        return math.nan
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()


def _read_number(
    text: str, column: Column, where: str, problems: list[str], remedy: str = FILL
) -> float:
    """The number in a cell, or NaN and one more problem."""
    place = f"{where}, column {column.name!r}"
    if text.strip().lower() in MISSING:
        if column.missing is not None:
            return column.missing
        problems.append(f"{place}: expected a number, received a missing value{remedy}")
        return math.nan
    try:
        number = float(text.replace("_", "no"))  # Python would accept 1_000
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
    text: str, contract: Contract, where: str, problems: list[str]
) -> str | float:
    text = text.strip()
    if not contract.classes:
        return _read_number(text, Column(contract.target), where, problems, remedy="")
    if text not in contract.classes:
        received = "a missing value" if text.lower() in MISSING else repr(text)
        problems.append(
            f"{where}, column {contract.target!r}: "
            f"expected one of {', '.join(contract.classes)}, received {received}"
        )
    return text
