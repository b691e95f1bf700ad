"""Score a plan part by part; a finished part is kept, whatever happens next.

<output>/plan.json            all that determines the output
<output>/part-00000.csv       a row for each row of the input, in its order
<output>/bad-00000.csv        which rows of the part are bad, and why
<output>/done-00000.json      written last: its part is finished
<output>/bad.csv              all bad rows, by file and row
<output>/summary.json         written last of all: everything is finished
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from ..errors import DataInvalid, SettingInvalid
from ..model.arrays import Floats
from ..model.predictor import Predictor
from .places import SHARED, Place, check_unchanged, find_tables
from .plan import PART_BYTES, Part, Plan, Rule, look_into, make_parts
from .tables import Batch, read_part

PLAN = "plan.json"
SUMMARY = "summary.json"
OWN_NAMES = r"(plan|summary|bad|(part|bad|done)-\d+)\.(json|csv|parquet)"


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of one part."""

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
    classes: Sequence[str],
    keep: Sequence[str] = (),
    output_kind: str | None = None,
    part_bytes: int = PART_BYTES,
) -> Plan:
    """Look at the input files and divide them into parts.

    Fails: DataInvalid when a file can't be scored or its header differs from that of
    the first, SettingInvalid when a column would be in the output twice.
    """
    check_kept(keep, classes)
    place, sources, kind = find_tables(uri)
    output_kind = output_kind or kind
    begins = []
    header: list[str] = []
    for source in sources:
        found, begin = look_into(place, source, kind, rules, keep, output_kind)
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
            "output_kind": output_kind,
            "parts": make_parts(place, sources, kind, begins, part_bytes, len(header)),
        },
        Plan,
    )


def check_kept(keep: Sequence[str], classes: Sequence[str]) -> None:
    """Fails: SettingInvalid when a column would be in the output twice."""
    own = output_columns(classes)
    for name in keep:
        if name in own:
            raise SettingInvalid("--keep", f"none of the output's own {own}", name)
        if keep.count(name) > 1:
            raise SettingInvalid("--keep", "each column once", [*keep])


def output_columns(classes: Sequence[str]) -> list[str]:
    """The columns that follow those that are kept."""
    shares = [f"probability_{name}" for name in classes]
    return ["label", *shares, "problem"] if classes else ["value", "problem"]


def open_output(uri: str, plan: Plan) -> tuple[Place, dict[int, Done]]:
    """The output's place, and the parts that an earlier run has finished there.

    Fails: DataInvalid when it holds the results of another plan, or other files.
    """
    place = Place(uri, create=True)
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
    else:
        place.sweep(OWN_NAMES)
    done = {}
    for part in plan.parts:
        files = _files(plan, part)
        if names.issuperset(files):
            content = place.read(files[-1])
            done[part.number] = msgspec.json.decode(content, type=Done)
    return place, done


def _files(plan: Plan, part: Part) -> tuple[str, str, str]:
    """The files of a part; with the last of them it is finished."""
    number = f"{part.number:05d}"
    return (
        f"part-{number}.{plan.output_kind}",
        f"bad-{number}.csv",
        f"done-{number}.json",
    )


def score_part(plan: Plan, part: Part, output: str, predictor: Predictor) -> Done:
    """Read, score and write one part; its last write marks it as finished."""
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
    answers, bad_rows, finished = _files(plan, part)
    target.put(answers, content.getvalue())
    target.put(bad_rows, _csv(["row", "reason"], reasons))
    target.put(finished, msgspec.json.encode(done))
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
    """Collect all bad rows in one file, by their file and row in the input.

    Fails: DataInvalid when results are missing, or the input has changed.
    """
    _check_all_there(plan, place)
    check_unchanged(Place(plan.input), plan.sources)
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


def _check_all_there(plan: Plan, place: Place) -> None:
    """Results are missing if a worker sees another folder under the output's name."""
    names = {found.name for found in place.list()}
    wanted = [name for part in plan.parts for name in _files(plan, part)]
    if lacking := [name for name in wanted if name not in names]:
        raise DataInvalid(
            place.uri,
            [
                f"expected the results of all parts, lacks {lacking[0]} and "
                f"{len(lacking) - 1} other files; {SHARED}"
            ],
        )


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

        columns = [_text(batch.kept[name]) for name in self.plan.keep]
        outputs = self._predict(batch.X)
        if self.predictor.classes:
            labels = outputs["label"]
            columns += [
                pa.array(labels, pa.string(), mask=batch.bad, from_pandas=False),
                *(pa.array(p, mask=batch.bad) for p in outputs["probabilities"].T),
            ]
        else:
            columns.append(pa.array(outputs["value"], mask=batch.bad))
        problems = np.full(len(batch.bad), None, dtype=object)
        problems[batch.bad] = batch.reasons
        columns.append(pa.array(problems, pa.string()))
        names = [*self.plan.keep, *output_columns(self.predictor.classes)]
        return pa.table(columns, names=names)

    def _predict(self, X: Floats) -> dict[str, Any]:
        """A batch may have no rows, as when all lines are blank; the model gets one."""
        some = X if len(X) else np.zeros((1, X.shape[1]))
        outputs = self.predictor.predict(some)
        return {name: values[: len(X)] for name, values in outputs.items()}


def _text(column: Any) -> Any:
    """A column as text, if it came as bytes from a CSV file."""
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
