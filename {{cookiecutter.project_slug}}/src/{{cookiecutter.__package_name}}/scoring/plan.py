"""Which bytes or row groups make which part: fixed before the first row is read.

The same input, version and options give the same plan, and the same plan the same
output, however often a run was killed in between.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec

from ..errors import DataInvalid
from .places import Place, Reading, Source

SCHEMA = 1
PART_BYTES = 32 * 2**20
LINE_BYTES = 64 * 2**10
HEAD_BYTES = 2**20


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature's column, and which values it may hold.

    missing: what is put in the place of a missing value; without it the row is bad.
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
    """All that decides what comes out."""

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
    """Fails: DataInvalid when a wanted column is not there, or there twice."""
    problems = [
        f"header: expected column {wanted!r} once, "
        f"received it {header.count(wanted) or 'not at all'}"
        + ("" if header.count(wanted) < 2 else " times")
        for wanted in [*(rule.name for rule in rules), *keep]
        if header.count(wanted) != 1
    ]
    if problems:
        raise DataInvalid(name, problems)


def read_header(place: Place, source: Source, kind: str) -> tuple[list[str], int]:
    """Names of the columns, and where in a CSV file the rows begin."""
    if kind == "parquet":
        return list(open_parquet(place, source).schema_arrow.names), 0
    head = place.read(source.name, 0, min(HEAD_BYTES, source.size))
    line, end, _ = head.partition(b"\n")
    if not end and source.size > HEAD_BYTES:
        problem = f"expected a header of at most {HEAD_BYTES} bytes"
        raise DataInvalid(source.name, [problem])
    try:
        text = line.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError as error:
        raise DataInvalid(source.name, [f"expected UTF-8 text: {error}"]) from None
    header = [name.strip() for name in next(csv.reader([text]), [])]
    return header, len(line) + len(end)


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
    place: Place, sources: Sequence[Source], kind: str, begins: Sequence[int], size: int
) -> tuple[Part, ...]:
    """Parts of about `size` bytes each, in the order of the rows."""
    parts: list[Part] = []
    for source, begin in zip(sources, begins, strict=True):
        if kind == "csv":
            cuts = [begin, *_line_ends(place, source, begin, size), source.size]
        else:
            cuts = _row_groups(open_parquet(place, source).metadata, size)
        for start, stop in pairwise(cuts):
            if start < stop:
                parts.append(Part(len(parts), source.name, start, stop))
    if not parts:
        raise DataInvalid(place.uri, ["expected rows, received none"])
    return tuple(parts)


def _line_ends(place: Place, source: Source, begin: int, size: int) -> Iterator[int]:
    """Places just behind a line's end, each the first beyond a multiple of `size`."""
    last = begin
    for wanted in range(begin + size, source.size, size):
        at = max(wanted, last)
        while at < source.size:
            piece = place.read(source.name, at, min(at + LINE_BYTES, source.size))
            found = piece.find(b"\n")
            if found >= 0:
                last = at + found + 1
                yield last
                break
            at += len(piece)


def _row_groups(metadata: Any, size: int) -> list[int]:
    cuts, held = [0], 0
    for group in range(metadata.num_row_groups):
        held += metadata.row_group(group).total_byte_size
        if held >= size:
            cuts.append(group + 1)
            held = 0
    return [*cuts, metadata.num_row_groups]
