"""One part of a table in, columns out: numbers to predict from, and the bad rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifacts.artifact import MISSING
from ..model.arrays import Floats
from .places import Place, check_unchanged
from .plan import Part, Plan, Rule, open_parquet
from .rows import BLOCK_BYTES, row_ends

BATCH_ROWS = 65_536
BATCH_BYTES = 2**22
TEXT_SHOWN = 40
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
# Arrow's reader compares exactly; other spellings work too, by a slower way.
NULLS = sorted({"NaN", *MISSING, *map(str.upper, MISSING), *map(str.title, MISSING)})


@dataclass(frozen=True)
class Batch:
    """X: (n, d) float64 in the order of the rules, 0 where a row is bad.

    bad: (n,) bool.  reasons: one for each bad row, in order.  kept: other columns that
    are passed through.
    """

    X: Floats
    bad: NDArray[np.bool_]
    reasons: list[str]
    kept: Any


def read_part(place: Place, plan: Plan, part: Part) -> Iterator[Batch]:
    """Every row of a part, in order, in batches that fit into memory.

    Fails: DataInvalid when the file has changed since the parts were planned.
    """
    (source,) = (each for each in plan.sources if each.name == part.source)
    try:
        if plan.kind == "csv":
            content = place.read(part.source, part.start, part.stop)
            for batch in _cut(content, part.source):
                yield _read_csv(batch, plan)
        else:
            yield from _read_parquet(open_parquet(place, source), plan, part)
    finally:
        # Also when reading failed: a changed file is then the reason to report.
        check_unchanged(place, [source])


def _cut(content: bytes, name: str) -> Iterator[bytes]:
    """Whole rows, a batch at a time."""
    starts = range(0, len(content), BLOCK_BYTES)
    blocks = (content[start : start + BLOCK_BYTES] for start in starts)
    ends = row_ends(name, blocks, BATCH_BYTES)
    for start, stop in pairwise([0, *ends, len(content)]):
        if start < stop:
            yield content[start:stop]


def _read_csv(content: bytes, plan: Plan) -> Batch:
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [rule.name for rule in plan.rules]
    try:
        table, ragged = _parse(content, plan, pa.float64())
        # Arrow reads " nan" as a number; for training it is a missing value.
        if any(pc.any(pc.is_nan(table[name])).as_py() for name in names):
            raise pa.ArrowInvalid("nan")
        texts: dict[str, Any] = {}
    except pa.ArrowInvalid:  # some cell is not a number: look at each of them
        table, ragged = _parse(content, plan, pa.binary())
        texts = {name: table[name].combine_chunks() for name in names}
    numbers, faults = [], {}
    for rule in plan.rules:
        column = table[rule.name].combine_chunks()
        if texts:
            column, faults[rule.name] = _to_numbers(column)
        numbers.append(column)
    kept = table.select(plan.keep)
    batch = _check(numbers, plan.rules, kept, faults)
    return _with_ragged(batch, ragged)


def _parse(content: bytes, plan: Plan, kind: Any) -> tuple[Any, dict[int, str]]:
    """The wanted columns, and faults of rows of another width, by number from 0."""
    import pyarrow as pa
    import pyarrow.csv

    ragged: dict[int, str] = {}

    def note(row: Any) -> str:
        ragged[row.number - 1] = (
            f"expected {row.expected_columns} cells, received {row.actual_columns}"
        )
        return "skip"

    wanted = [rule.name for rule in plan.rules]
    types = {name: pa.binary() for name in plan.keep} | dict.fromkeys(wanted, kind)
    table = pyarrow.csv.read_csv(
        pa.BufferReader(content),
        read_options=pyarrow.csv.ReadOptions(
            column_names=list(plan.header),
            use_threads=False,
            block_size=max(len(content), 1) + 1,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            invalid_row_handler=note, ignore_empty_lines=len(plan.header) > 1
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[] if kind == pa.binary() else NULLS,
        ),
    )
    return table, ragged


def _to_numbers(column: Any) -> tuple[Any, Any]:
    """Numbers, with null for none; and the text of each cell that is not a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(_as_text(column))
    missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(sorted(MISSING)))
    wanted = pc.match_substring_regex(text, NUMBER)
    infinite = pc.match_substring_regex(text, r"(?i)^[+-]?inf(inity)?$")
    readable = pc.or_(wanted, infinite)
    faulty = pc.and_(pc.invert(readable), pc.invert(missing))
    cleaned = pc.if_else(readable, text, pa.scalar(None, pa.string()))
    return pc.cast(cleaned, pa.float64()), pc.if_else(
        faulty, text, pa.scalar(None, pa.string())
    )


def _as_text(column: Any) -> Any:
    """Bytes as text; what is not UTF-8 becomes text that can't pass for a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(column, pa.string())
    except pa.ArrowInvalid:
        texts = [each.decode("utf-8", "replace") for each in column.to_pylist()]
        return pa.array(texts, pa.string())


def _read_parquet(file: Any, plan: Plan, part: Part) -> Iterator[Batch]:
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [rule.name for rule in plan.rules]
    for rows in file.iter_batches(
        BATCH_ROWS,
        row_groups=list(range(part.start, part.stop)),
        columns=[*names, *plan.keep],
        use_threads=False,
    ):
        numbers = [rows[name].cast(pa.float64(), safe=False) for name in names]
        numbers = [pc.if_else(pc.is_nan(each), None, each) for each in numbers]
        kept = pa.Table.from_batches([rows]).select(plan.keep)
        yield _check(numbers, plan.rules, kept, {})


def _check(
    numbers: list[Any], rules: tuple[Rule, ...], kept: Any, faults: dict[str, Any]
) -> Batch:
    import pyarrow.compute as pc

    X = np.empty((len(numbers[0]), len(rules)))
    for j, (column, rule) in enumerate(zip(numbers, rules, strict=True)):
        if rule.missing is not None and column.null_count:
            filled = pc.fill_null(column, rule.missing)
            text = faults.get(rule.name)
            # Text that is not a number is a fault, not a missing value.
            column = pc.if_else(pc.is_valid(text), None, filled) if text else filled
        X[:, j] = column.to_numpy(zero_copy_only=False)
    low = np.array([rule.minimum for rule in rules])
    high = np.array([rule.maximum for rule in rules])
    with np.errstate(invalid="ignore"):
        good = np.isfinite(X) & (low <= X) & (high >= X)
    bad: NDArray[np.bool_] = np.logical_not(good.all(axis=1))
    reasons = [
        _reason(rules[j], float(X[i, j]), faults.get(rules[j].name), int(i))
        for i in np.flatnonzero(bad)
        for j in [int(np.argmin(good[i]))]
    ]
    X[bad] = 0.0
    return Batch(X, bad, reasons, kept)


def _reason(rule: Rule, value: float, texts: Any, row: int) -> str:
    """What is wrong with the first faulty cell of a row."""
    place = f"column {rule.name!r}: expected "
    text = texts[row].as_py() if texts is not None else None
    if text is not None:
        return f"{place}a number, received {text[:TEXT_SHOWN]!r}"
    if np.isnan(value):
        return f"{place}a number, received a missing value"
    if np.isinf(value):
        return f"{place}a finite number, received {value}"
    received = repr(value).removesuffix(".0")  # in full: rounded, it might be in range
    return f"{place}{rule.minimum:g} to {rule.maximum:g}, received {received}"


def _with_ragged(batch: Batch, ragged: dict[int, str]) -> Batch:
    """Put the rows that the parser skipped back in their places, as bad rows."""
    if not ragged:
        return batch
    import pyarrow as pa

    count = len(batch.bad) + len(ragged)
    there = np.ones(count, dtype=bool)
    there[list(ragged)] = False
    X = np.zeros((count, batch.X.shape[1]))
    X[there] = batch.X
    bad = ~there
    bad[there] = batch.bad
    known = iter(batch.reasons)
    reasons = [
        ragged[row] if row in ragged else next(known)
        for row in map(int, np.flatnonzero(bad))
    ]
    places = np.full(count, -1)
    places[there] = np.arange(len(batch.bad))
    taken = pa.array(places, mask=~there)
    return Batch(X, bad, reasons, batch.kept.take(taken))
