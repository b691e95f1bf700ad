"""Which bytes or row groups make up which part: fixed before the first row is scored.

The same input, version and options give the same plan, and the same plan gives the same
output, however often a run was killed in between.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec

from ..errors import DataInvalid
from .places import Place, Reading, Source
from .rows import BLOCK_BYTES, row_ends

SCHEMA = 2
PART_BYTES = 32 * 2**20
HEAD_BYTES = 2**20


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature's column, and which values it may hold.

    missing: replaces a missing value; if not given, the row is bad.
    """

    name: str
    minimum: float = -math.inf
    maximum: float = math.inf
    missing: float | None = None


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes of a CSV file, or row groups of a Parquet file, from start up to stop."""

    number: int
    source: str
    start: int
    stop: int


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that determines the output."""

    input: str
    kind: Literal["csv", "parquet"]
    sources: tuple[Source, ...]
    header: tuple[str, ...]
    version: str
    rules: tuple[Rule, ...]
    keep: tuple[str, ...]
    output_kind: Literal["csv", "parquet"]
    parts: tuple[Part, ...]
    schema: int = SCHEMA


def check_header(
    name: str, header: Sequence[str], rules: Sequence[Rule], keep: Sequence[str]
) -> None:
    """Fails: DataInvalid when a wanted column is not there exactly once."""
    problems = [
        f"header: expected column {wanted!r} once, "
        f"received it {header.count(wanted) or 'not at all'}"
        + ("" if header.count(wanted) < 2 else " times")
        for wanted in [*(rule.name for rule in rules), *keep]
        if header.count(wanted) != 1
    ]
    if problems:
        raise DataInvalid(name, problems)


def look_into(
    place: Place,
    source: Source,
    kind: str,
    rules: Sequence[Rule],
    keep: Sequence[str],
    output_kind: str,
) -> tuple[list[str], int]:
    """Names of the columns, and where in a CSV file the rows begin.

    Fails: DataInvalid when a column is missing or has a type that can't be used.
    """
    if kind == "csv":
        header, begin = _read_header(place, source)
        check_header(source.name, header, rules, keep)
        return header, begin
    schema = open_parquet(place, source).schema_arrow
    check_header(source.name, schema.names, rules, keep)
    _check_types(source.name, schema, rules, keep if output_kind == "csv" else ())
    return list(schema.names), 0


def _read_header(place: Place, source: Source) -> tuple[list[str], int]:
    head = place.read(source.name, 0, min(HEAD_BYTES, source.size))
    line, end, *_ = [*re.split(rb"(\r\n|\r|\n)", head, maxsplit=1), b""]
    if not end and source.size > HEAD_BYTES:
        problem = f"expected a header of at most {HEAD_BYTES} bytes"
        raise DataInvalid(source.name, [problem])
    try:
        header = next(csv.reader([line.decode("utf-8-sig")], strict=True), [])
    except UnicodeDecodeError as error:
        raise DataInvalid(source.name, [f"expected UTF-8 text: {error}"]) from None
    except csv.Error as error:
        problem = f"expected a header of CSV on one line: {error}"
        raise DataInvalid(source.name, [problem]) from None
    return [name.strip() for name in header], len(line) + len(end)


def _check_types(
    name: str, schema: Any, rules: Sequence[Rule], keep: Sequence[str]
) -> None:
    """keep: columns to be written as CSV, which can't hold lists and the like."""
    import pyarrow as pa

    problems = []
    for rule in rules:
        kind = schema.field(rule.name).type
        # A column without any value has the type null.
        if not (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_null(kind)
        ):
            problem = f"column {rule.name!r}: expected numbers, received {kind}"
            problems.append(problem)
    for column in keep:
        field = schema.field(column)
        if not _fits_csv(field):
            problems.append(
                f"column {column!r}: expected what CSV can hold, received {field.type};"
                " leave it out of --keep, or write --format parquet"
            )
    if problems:
        raise DataInvalid(name, problems)


def _fits_csv(field: Any) -> bool:
    import pyarrow as pa
    import pyarrow.csv

    try:
        pyarrow.csv.write_csv(pa.schema([field]).empty_table(), io.BytesIO())
    except pa.ArrowException:
        return False
    return True


def open_parquet(place: Place, source: Source) -> Any:
    """Fails: DataInvalid when it is not a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pa.PythonFile(Reading(place, source), mode="r")
        return pq.ParquetFile(file, pre_buffer=False)
    except pa.ArrowInvalid as error:
        words = str(error).splitlines()[0]
        raise DataInvalid(source.name, [f"expected Parquet: {words}"]) from None


def make_parts(
    place: Place,
    sources: Sequence[Source],
    kind: str,
    begins: Sequence[int],
    size: int,
    columns: int,
) -> tuple[Part, ...]:
    """Parts of about `size` bytes each, in the order of the rows."""
    parts: list[Part] = []
    for source, begin in zip(sources, begins, strict=True):
        if kind == "csv":
            cuts = _cut_csv(place, source, begin, size, columns)
        else:
            cuts = _cut_row_groups(open_parquet(place, source).metadata, size)
        for start, stop in pairwise(cuts):
            if start < stop:
                parts.append(Part(len(parts), source.name, start, stop))
    if not parts:
        named = sources[0].name if len(sources) == 1 else place.uri
        raise DataInvalid(named, ["expected rows, received none"])
    return tuple(parts)


def _cut_csv(
    place: Place, source: Source, begin: int, size: int, columns: int
) -> list[int]:
    """Where each part begins and the last one ends; nothing when all lines are blank.

    This reads the whole file: which line breaks are within a quoted cell can only be
    told from its start on.
    """
    # In a table of one column, a blank line is a row with a missing value.
    blank = columns > 1

    def blocks() -> Iterator[bytes]:
        nonlocal blank
        for start in range(begin, source.size, BLOCK_BYTES):
            stop = min(start + BLOCK_BYTES, source.size)
            block = place.read(source.name, start, stop)
            blank = blank and not block.strip(b"\r\n")
            yield block

    ends = [begin + end for end in row_ends(source.name, blocks(), size)]
    return [] if blank else [begin, *ends, source.size]


def _cut_row_groups(metadata: Any, size: int) -> list[int]:
    """As `_cut_csv`, but in numbers of row groups instead of bytes."""
    cuts, rows, held = [0], 0, 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows += group.num_rows
        held += group.total_byte_size
        if rows and held >= size:
            cuts.append(number + 1)
            rows = held = 0
    return [*cuts, metadata.num_row_groups] if rows else cuts
