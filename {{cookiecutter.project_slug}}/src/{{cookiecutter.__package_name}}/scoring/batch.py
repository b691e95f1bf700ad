"""Score a plan part by part; a finished part is kept, whatever happens next.

<output>/plan.json            all that decides what comes out
<output>/part-00000.csv       a row for each row of the input, in its order
<output>/bad-00000.csv        which rows of the part, and why
<output>/done-00000.json      with this one the part is finished
<output>/bad.csv              all bad rows, by file and row
<output>/summary.json         with this one all is finished
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from ..errors import DataInvalid
from ..model.predictor import Predictor
from .places import Place, find_tables
from .plan import PART_BYTES, Part, Plan, Rule, check_header, make_parts, read_header
from .tables import Batch, read_part

PLAN = "plan.json"
SUMMARY = "summary.json"
OUTPUTS = {"label", "value", "problem"}


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of one part."""

    number: int
    rows: int
    bad: int


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    parts: int
    rows: int
    bad: int


def make_plan(
    uri: str,
    version: str,
    rules: Sequence[Rule],
    keep: Sequence[str] = (),
    output_kind: str | None = None,
    part_bytes: int = PART_BYTES,
) -> Plan:
    """Look at what there is. Fails: DataInvalid when files differ in their header."""
    place, sources, kind = find_tables(uri)
    begins = []
    header: list[str] = []
    for source in sources:
        found, begin = read_header(place, source, kind)
        check_header(source.name, found, rules, keep)
        for name in OUTPUTS & set(keep):
            raise DataInvalid(source.name, [f"{name!r} is a column of the output too"])
        if header and found != header:
            problem = f"expected the columns of {sources[0].name}, in their order"
            raise DataInvalid(source.name, [problem])
        header = found
        begins.append(begin)
    return msgspec.convert(
        {
            "input": place.uri,
            "kind": kind,
            "sources": tuple(sources),
            "header": tuple(header),
            "version": version,
            "rules": tuple(rules),
            "keep": tuple(keep),
            "output_kind": output_kind or kind,
            "parts": make_parts(place, sources, kind, begins, part_bytes),
        },
        Plan,
    )


def open_output(uri: str, plan: Plan) -> tuple[Place, dict[int, Done]]:
    """The output's place, and the parts that an earlier run has finished there.

    Fails: DataInvalid when it holds the results of another plan, or other files.
    """
    place = Place(uri)
    place.sweep()
    names = {found.name for found in place.list()}
    content = msgspec.json.encode(plan, order="deterministic")
    if PLAN not in names:
        if names:
            expected = "expected an empty folder or the results of an earlier run"
            raise DataInvalid(uri, [f"{expected}, received {min(names)}"])
        place.put(PLAN, content)
    elif place.read(PLAN) != content:
        raise DataInvalid(
            uri,
            [
                "holds results of another input, version or set of options; "
                "choose another folder, or remove this one"
            ],
        )
    finished = [
        msgspec.json.decode(place.read(name), type=Done)
        for name in sorted(names)
        if name.startswith("done-")
    ]
    return place, {done.number: done for done in finished}


def score_part(plan: Plan, part: Part, output: str, predictor: Predictor) -> Done:
    """One part from reading to writing; its last write is what finishes it."""
    target = Place(output)
    rows = bad = 0
    reasons: list[tuple[int, str]] = []
    content = io.BytesIO()
    with _Writer(content, plan, predictor) as writer:
        for batch in read_part(Place(plan.input), plan, part):
            writer.write(batch)
            places = (rows + int(row) for row in np.flatnonzero(batch.bad))
            reasons += zip(places, batch.reasons, strict=True)
            rows += len(batch.bad)
            bad += len(batch.reasons)
    done = Done(part.number, rows, bad)
    target.put(f"part-{part.number:05d}.{plan.output_kind}", content.getvalue())
    target.put(f"bad-{part.number:05d}.csv", _csv(["row", "reason"], reasons))
    target.put(f"done-{part.number:05d}.json", msgspec.json.encode(done))
    return done


def score_here(
    plan: Plan,
    parts: Sequence[Part],
    output: str,
    predictor: Predictor,
    report: Callable[[Done], None],
) -> None:
    """In this process, one part after the other."""
    for part in parts:
        report(score_part(plan, part, output, predictor))


def finish(plan: Plan, place: Place, done: dict[int, Done]) -> Summary:
    """All bad rows in one file, by the file and row that they have in the input."""
    rows_before: dict[str, int] = dict.fromkeys((s.name for s in plan.sources), 0)
    lines: list[tuple[str, int, str]] = []
    for part in plan.parts:
        if done[part.number].bad:
            text = place.read(f"bad-{part.number:05d}.csv").decode()
            before = rows_before[part.source] + 1
            for row, reason in list(csv.reader(io.StringIO(text)))[1:]:
                lines.append((part.source, before + int(row), reason))
        rows_before[part.source] += done[part.number].rows
    place.put("bad.csv", _csv(["file", "row", "reason"], lines))
    summary = Summary(
        version=plan.version,
        parts=len(plan.parts),
        rows=sum(each.rows for each in done.values()),
        bad=sum(each.bad for each in done.values()),
    )
    place.put(SUMMARY, msgspec.json.encode(summary))
    return summary


class _Writer:
    """Kept columns and predictions, as CSV or Parquet, into a file in memory."""

    def __init__(self, file: io.BytesIO, plan: Plan, predictor: Predictor) -> None:
        self.file = file
        self.plan = plan
        self.predictor = predictor
        self._writer: Any = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, batch: Batch) -> None:
        table = self._table(batch)
        if self._writer is None:
            self._writer = self._open(table.schema)
        self._writer.write_table(table)

    def _open(self, schema: Any) -> Any:
        if self.plan.output_kind == "parquet":
            import pyarrow.parquet as pq

            return pq.ParquetWriter(self.file, schema)
        import pyarrow.csv

        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        return pyarrow.csv.CSVWriter(self.file, schema, write_options=options)

    def _table(self, batch: Batch) -> Any:
        import pyarrow as pa

        columns = {name: _text(batch.kept[name]) for name in self.plan.keep}
        outputs = self.predictor.predict(batch.X)
        if self.predictor.classes:
            columns["label"] = pa.array(
                outputs["label"], pa.string(), mask=batch.bad, from_pandas=False
            )
            for name, share in zip(
                self.predictor.classes, outputs["probabilities"].T, strict=True
            ):
                columns[f"probability_{name}"] = pa.array(share, mask=batch.bad)
        else:
            columns["value"] = pa.array(outputs["value"], mask=batch.bad)
        problems = np.full(len(batch.bad), None, dtype=object)
        problems[batch.bad] = batch.reasons
        columns["problem"] = pa.array(problems, pa.string())
        return pa.table(columns)


def _text(column: Any) -> Any:
    """What came as bytes from a CSV file, as text."""
    import pyarrow as pa

    if column.type != pa.binary():
        return column
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        cells = column.to_pylist()
        texts = [cell and cell.decode("utf-8", "replace") for cell in cells]
        return pa.array(texts, pa.string())


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
