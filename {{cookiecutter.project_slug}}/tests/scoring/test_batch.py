"""Tables in, parts out: aligned with the input, resumable, and nothing is lost."""

import csv
import io
import math
from pathlib import (
    Path,
)

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
)
from {{cookiecutter.__package_name}}.scoring import (
    batch,
)
from {{cookiecutter.__package_name}}.scoring.batch import (
    Done,
    Summary,
    finish,
    make_plan,
    open_output,
    score_here,
)
from {{cookiecutter.__package_name}}.scoring.plan import (
    Plan,
    Rule,
)

RULES = (Rule("a"), Rule("b", 0.0, 9.0))


class Sum:
    """A model whose answers can be told by looking: a + b, or which is larger."""

    def __init__(self, *classes: str) -> None:
        self.classes = classes
        self.calls = 0

    def predict(self, X: np.ndarray) -> dict[str, np.ndarray]:
        self.calls += 1
        if not self.classes:
            return {"value": X.sum(axis=1)}
        larger = X / X.sum(axis=1, keepdims=True).clip(1)
        labels = np.array(self.classes, dtype=object)[X.argmax(axis=1)]
        return {"label": labels, "probabilities": larger}


def run(
    source: Path, output: Path, model: Sum | None = None, **options: object
) -> tuple[Summary, Plan]:
    plan = make_plan(str(source), "v1", options.pop("rules", RULES), **options)
    place, done = open_output(str(output), plan)
    todo = [part for part in plan.parts if part.number not in done]

    def report(each: Done) -> None:
        done[each.number] = each

    score_here(plan, todo, str(output), model or Sum(), report)
    return finish(plan, place, done), plan


def lines(output: Path) -> list[list[str]]:
    """All rows of all parts, in order, without their headers."""
    parts = sorted(output.glob("part-*.csv"))
    return [
        row[:-1]
        for part in parts
        for row in list(csv.reader(io.StringIO(part.read_text())))[1:]
    ]


def bad(output: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO((output / "bad.csv").read_text())))[1:]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Two files, 5,000 rows, some bad, ids that have to be kept."""
    folder = tmp_path / "in"
    folder.mkdir()
    random = np.random.default_rng(7)
    for name in ("one.csv", "two.csv"):
        rows = ["id,b,a"]
        for i in range(2500):
            a, b = random.normal(), random.uniform(0, 9)
            cell = "oops" if i % 500 == 17 else repr(a)
            rows.append(f"{name}-{i},{b!r},{cell}")
        (folder / name).write_text("\n".join(rows) + "\n")
    return folder


def test_every_row_of_the_input_has_its_row_in_the_output(
    many: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    summary, plan = run(many, output, keep=["id"], part_bytes=20_000)
    assert len(plan.parts) > 5
    assert summary == Summary("v1", len(plan.parts), 5000, 10)
    given = [
        row
        for name in ("one.csv", "two.csv")
        for row in list(csv.reader(io.StringIO((many / name).read_text())))[1:]
    ]
    for (kept, value), (id_, b, a) in zip(lines(output), given, strict=True):
        assert kept == id_
        assert (
            value == ""
            if a == "oops"
            else math.isclose(float(value), float(a) + float(b))
        )
    assert bad(output) == [
        [name, str(row), "column 'a': expected a number, received 'oops'"]
        for name in ("one.csv", "two.csv")
        for row in range(18, 2500, 500)
    ]


def test_a_run_that_was_killed_goes_on_and_ends_the_same(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, plan = run(many, tmp_path / "whole", part_bytes=20_000)

    class Killed(BaseException):
        pass

    real = batch.Place.put

    def put(place: batch.Place, name: str, content: bytes) -> None:
        if name == "bad-00003.csv":  # when half of a part has been written
            raise Killed
        real(place, name, content)

    output = tmp_path / "out"
    monkeypatch.setattr(batch.Place, "put", put)
    with pytest.raises(Killed):
        run(many, output, part_bytes=20_000)
    monkeypatch.setattr(batch.Place, "put", real)
    (output / "part-00004.csv#1").write_bytes(b"half a par")
    model = Sum()
    run(many, output, model, part_bytes=20_000)
    assert model.calls == len(plan.parts) - 3
    assert {path.name: path.read_bytes() for path in output.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()
    }
    model = Sum()
    run(many, output, model, part_bytes=20_000)
    assert model.calls == 0, "there was nothing left to do"


def test_results_of_another_plan_are_never_mixed_with_these(
    many: Path, tmp_path: Path
) -> None:
    run(many, tmp_path / "out")
    with pytest.raises(DataInvalid, match="results of another input, version or set"):
        run(many, tmp_path / "out", keep=["id"])
    with (many / "two.csv").open("a") as file:
        file.write("late,1,1\n")
    with pytest.raises(DataInvalid, match="results of another input"):
        run(many, tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(DataInvalid, match=r"expected an empty folder .* thesis\.txt"):
        run(many, tmp_path / "mine")


CELLS = [
    ("1,2", "3.0", ""),
    (" 1 , 2 ", "3.0", ""),
    ('"1",2e0', "3.0", ""),
    ("+1,.5", "1.5", ""),
    ("1", "", "expected 2 cells, received 1"),
    ("1,2,3", "", "expected 2 cells, received 3"),
    ("1_0,2", "", "column 'a': expected a number, received '1_0'"),
    ("0x1F,2", "", "column 'a': expected a number, received '0x1F'"),
    ("inf,2", "", "column 'a': expected a finite number, received inf"),
    (",2", "", "column 'a': expected a number, received a missing value"),
    ("1,NaN", "", "column 'b': expected a number, received a missing value"),
    ("1,99", "", "column 'b': expected 0 to 9, received 99"),
    ("\N{SNOWMAN},2", "", "column 'a': expected a number, received '\N{SNOWMAN}'"),
]


def test_each_bad_row_is_empty_and_told_with_its_reason(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n" + "\n".join(cells for cells, _, _ in CELLS) + "\n")
    summary, _ = run(source, tmp_path / "out")
    wanted = [[value and str(float(value))] for _, value, _ in CELLS]
    got = [[value and str(float(value))] for (value,) in lines(tmp_path / "out")]
    assert got == wanted
    reasons = {str(i): why for i, (_, _, why) in enumerate(CELLS, start=1) if why}
    assert {row: why for _, row, why in bad(tmp_path / "out")} == reasons
    text = (tmp_path / "out" / "part-00000.csv").read_text()
    told = list(csv.reader(io.StringIO(text)))
    assert [row[-1] for row in told] == ["problem", *(why for _, _, why in CELLS)]
    assert (summary.rows, summary.bad) == (len(CELLS), len(reasons))


def test_bytes_that_are_no_text_are_one_bad_row_more(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b"\xef\xbb\xbfid,a,b\r\n\xff,1,2\r\nx,\xfe,2\r\ny,3,4")
    run(source, tmp_path / "out", keep=["id"])
    assert [row[0] for row in lines(tmp_path / "out")] == ["\ufffd", "x", "y"]
    assert [row[1] for row in bad(tmp_path / "out")] == ["2"]


def test_a_missing_value_is_filled_where_the_contract_says_so(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n,1\n2,1\nnone,1\n")
    rules = (Rule("a", missing=5.0), Rule("b"))
    run(source, tmp_path / "out", rules=rules)
    assert [float(value) for (value,) in lines(tmp_path / "out")] == [6.0, 3.0, 6.0]
    source.write_text("a,b\n,1\noops,1\n")
    run(source, tmp_path / "other", rules=rules)
    assert [value for (value,) in lines(tmp_path / "other")] == ["6", ""]


def test_parquet_goes_in_and_out_and_gives_what_csv_gives(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    table = pa.table(
        {
            "id": pa.array(range(3000)),
            "a": pa.array(random.uniform(0, 9, 3000)),
            "b": pa.array([None, *random.uniform(0, 12, 2999)]),
        }
    )
    pa.parquet.write_table(table, tmp_path / "in.parquet", row_group_size=700)
    pa.csv.write_csv(table, tmp_path / "in.csv")
    options = {"keep": ["id"], "output_kind": "parquet", "part_bytes": 20_000}
    results = []
    for kind in ("parquet", "csv"):
        output = tmp_path / f"out-{kind}"
        summary, plan = run(
            tmp_path / f"in.{kind}", output, Sum("left", "right"), **options
        )
        assert len(plan.parts) > 1
        assert 0 < summary.bad < summary.rows == 3000
        parts = sorted(output.glob("part-*.parquet"))
        tables = [pa.parquet.read_table(part) for part in parts]
        results.append((pa.concat_tables(tables), bad(output)))
    (one, reasons), (other, others) = results
    names = ["label", "probability_left", "probability_right", "problem"]
    assert one.column_names == ["id", *names]
    assert one.select(names).equals(other.select(names))
    assert one["id"].to_pylist() == list(range(3000))
    assert [row[1:] for row in reasons] == [row[1:] for row in others]


REFUSED = [
    ({"in.txt": "a,b\n1,2\n"}, "expected .csv or .parquet files, of one kind"),
    ({"a.csv": "a,b\n1,2\n", "b.parquet": ""}, "received .csv and .parquet"),
    ({"a.csv": "a,c\n1,2\n"}, "column 'b' once, received it not at all"),
    ({"a.csv": "a,b,a\n1,2,3\n"}, "column 'a' once, received it 2 times"),
    ({"a.csv": "a,b\n1,2\n", "b.csv": "b,a\n1,2\n"}, "the columns of a.csv, in their"),
    ({"a.csv": "a,b\n"}, "expected rows, received none"),
    ({"a.csv": ""}, "column 'a' once, received it not at all"),
    ({"a.parquet": "PAR0"}, "a.parquet: expected Parquet"),
]


@pytest.mark.parametrize(("files", "problem"), REFUSED)
def test_input_that_cannot_be_scored_is_refused_before_anything_is_written(
    files: dict[str, str], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name, text in files.items():
        (tmp_path / "in" / name).write_text(text)
    with pytest.raises(DataInvalid) as error:
        run(tmp_path / "in", tmp_path / "out")
    assert problem in str(error.value)
    assert not (tmp_path / "out").exists()


def test_nothing_to_score_and_text_where_numbers_belong_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataInvalid, match="expected a file, a folder or a URI"):
        run(tmp_path / "nowhere", tmp_path / "out")
    table = pa.table({"a": ["1"], "b": [1.0]})
    pa.parquet.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(DataInvalid, match="column 'a': expected numbers, received str"):
        run(tmp_path / "in.parquet", tmp_path / "out")
    source = tmp_path / "in.csv"
    source.write_text("a,b,value\n1,2,3\n")
    with pytest.raises(DataInvalid, match="'value' is a column of the output"):
        run(source, tmp_path / "out", keep=["value"])


def test_a_store_that_cannot_be_reached_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT", "ftp://127.0.0.1:1")
    with pytest.raises(DataInvalid) as error:
        make_plan("s3://bucket/in.csv", "v1", RULES)
    assert "\n" not in str(error.value)
    assert "s3://bucket" in str(error.value)
