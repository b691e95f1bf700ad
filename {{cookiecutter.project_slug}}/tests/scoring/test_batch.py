"""Tables in, parts out: aligned with the input, resumable, and nothing is lost."""

import csv
import http.server
import io
import math
import pickle
import threading
from collections.abc import (
    Iterator,
)
from pathlib import (
    Path,
)
from types import (
    SimpleNamespace,
)

import distributed
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    MISSING,
)
from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
    ProjectError,
    SettingInvalid,
)
from {{cookiecutter.__package_name}}.scoring import (
    batch,
    cluster,
    tables,
)
from {{cookiecutter.__package_name}}.scoring import (
    plan as planning,
)
from {{cookiecutter.__package_name}}.scoring.batch import (
    Done,
    Summary,
    finish,
    make_plan,
    open_output,
    score_here,
)
from {{cookiecutter.__package_name}}.scoring.places import (
    check_apart,
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
    model = model or Sum()
    rules = options.pop("rules", RULES)
    plan = make_plan(str(source), "v1", rules, model.classes, **options)
    place, done = open_output(str(output), plan)
    todo = [part for part in plan.parts if part.number not in done]

    def report(each: Done) -> None:
        done[each.number] = each

    score_here(plan, todo, str(output), model, report)
    return finish(plan, place, done), plan


def lines(output: Path) -> list[list[str]]:
    """All rows of all parts, in order, without their headers."""
    parts = sorted(output.glob("part-*.csv"))
    return [
        row[:-1]
        for part in parts
        for row in list(csv.reader(io.StringIO(part.read_text("utf-8"))))[1:]
    ]


def bad(output: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO((output / "bad.csv").read_text("utf-8"))))[1:]


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
    with pytest.raises(DataInvalid, match=r"thesis\.txt: .*exists"):
        run(many, tmp_path / "mine" / "thesis.txt")


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
    text = "a,b\n" + "\n".join(cells for cells, _, _ in CELLS) + "\n"
    source.write_text(text, encoding="utf-8")
    summary, _ = run(source, tmp_path / "out")
    wanted = [[value and str(float(value))] for _, value, _ in CELLS]
    got = [[value and str(float(value))] for (value,) in lines(tmp_path / "out")]
    assert got == wanted
    reasons = {str(i): why for i, (_, _, why) in enumerate(CELLS, start=1) if why}
    assert {row: why for _, row, why in bad(tmp_path / "out")} == reasons
    text = (tmp_path / "out" / "part-00000.csv").read_text("utf-8")
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
    ({"a.csv": "a,b\n"}, "a.csv: expected rows, received none"),
    ({"a.csv": "a,b\n", "b.csv": "a,b\n"}, "in: expected rows, received none"),
    ({"a.csv": 'a,"b\n"\n1,2\n'}, "a.csv: expected a header of CSV on one line"),
    ({"a.csv": "a,b" + "b" * 2**20}, "expected a header of at most 1048576 bytes"),
    ({"a.csv": 'a,b\n1,"2\n1,2\n'}, "a quoted cell that is never closed"),
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


def test_a_store_that_cannot_be_reached_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT", "ftp://127.0.0.1:1")
    with pytest.raises(DataInvalid) as error:
        make_plan("s3://bucket/in.csv", "v1", RULES, ())
    assert "\n" not in str(error.value)
    assert "s3://bucket" in str(error.value)


class NoSuchBucket(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        said = (
            b"<?xml version='1.0'?>\n<Error><Message>No such bucket</Message></Error>"
        )
        self.send_response(404)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(said)

    do_GET = do_HEAD  # noqa: N815  the base class wants this name

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def no_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store that answers, and has no bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with http.server.HTTPServer(("127.0.0.1", 0), NoSuchBucket) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT", address)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("no_bucket")
def test_a_bucket_that_is_not_there_is_told_in_the_words_of_its_store(
    tmp_path: Path,
) -> None:
    said = "s3://bucket{}: can't be reached: No such bucket"
    for name in ("", "/in.csv"):
        with pytest.raises(DataInvalid) as error:
            make_plan(f"s3://bucket{name}", "v1", RULES, ())
        assert str(error.value) == said.format("")
    source = tmp_path / "in.csv"
    source.write_text("a,b\n1,2\n")
    with pytest.raises(DataInvalid) as error:
        open_output("s3://bucket/out", make_plan(str(source), "v1", RULES, ()))
    assert str(error.value) == said.format("/out")


def test_files_that_are_not_ours_are_neither_removed_nor_joined(tmp_path: Path) -> None:
    source, notes = tmp_path / "in.csv", tmp_path / "notes"
    source.write_text("a,b\n1,2\n")
    (notes / "#dir").mkdir(parents=True)
    for name in ("C# notes.txt", "a.txt", "part-00000.csv#1"):
        (notes / name).write_text("precious")
    with pytest.raises(DataInvalid, match="expected an empty folder or the results"):
        run(source, notes)
    assert len(list(notes.iterdir())) == 4
    run(source, tmp_path / "out")
    mine = tmp_path / "out" / "C#1"
    mine.write_text("precious")
    (tmp_path / "out" / "part-00000.csv#2").mkdir()
    run(source, tmp_path / "out")
    assert mine.read_text() == "precious"


def test_a_place_is_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("a,b\n1,2\n")
    plan = make_plan("in.csv", "v1", RULES, ())
    assert plan == make_plan("./in.csv", "v1", RULES, ())
    assert plan == make_plan(str(tmp_path / "in.csv"), "v1", RULES, ())
    place, _ = open_output("out", plan)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert plan == make_plan("../in.csv", "v1", RULES, ())
    score_here(plan, plan.parts, place.uri, Sum(), lambda _: None)
    assert not list(Path().iterdir())
    assert lines(tmp_path / "out") == [["3"]]


def test_results_that_went_to_another_folder_are_missed(tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out"
    source.write_text("a,b\n1,2\n")
    plan = make_plan(str(source), "v1", RULES, ())
    place, _ = open_output(str(output), plan)
    (tmp_path / "worker").mkdir()
    done: dict[int, Done] = {}
    score_here(
        plan,
        plan.parts,
        str(tmp_path / "worker"),
        Sum(),
        lambda each: done.update({each.number: each}),
    )
    with pytest.raises(DataInvalid, match=r"lacks part-00000\.csv and 2 other files"):
        finish(plan, place, done)
    assert [path.name for path in output.iterdir()] == ["plan.json"]


def test_a_machine_that_sees_no_such_folder_or_file_says_so_in_a_line(
    tmp_path: Path,
) -> None:
    source = tmp_path / "in" / "in.csv"
    source.parent.mkdir()
    source.write_text("a,b\n1,2\n")
    plan = make_plan(str(source), "v1", RULES, ())
    with pytest.raises(DataInvalid, match="out: expected a folder, received nothing"):
        score_here(plan, plan.parts, str(tmp_path / "out"), Sum(), lambda _: None)
    source.unlink()
    open_output(str(tmp_path / "out"), plan)
    with pytest.raises(DataInvalid) as error:
        score_here(plan, plan.parts, str(tmp_path / "out"), Sum(), lambda _: None)
    assert str(error.value) == (
        f"{source.parent}/{source.name}: expected a file, received nothing; "
        "check the name: every machine that scores must see it under this name"
    )
    source.parent.rmdir()
    with pytest.raises(DataInvalid, match="in: expected a folder, received nothing"):
        score_here(plan, plan.parts, str(tmp_path / "out"), Sum(), lambda _: None)
    assert not source.parent.exists()


def test_a_part_whose_results_were_removed_is_done_again(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n1,2\n")
    run(source, tmp_path / "out")
    (tmp_path / "out" / "part-00000.csv").unlink()
    run(source, tmp_path / "out")
    assert lines(tmp_path / "out") == [["3"]]


def test_a_cell_with_line_breaks_is_one_cell_wherever_a_part_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH_BYTES", 300)
    monkeypatch.setattr(planning, "BLOCK_BYTES", 50)
    monkeypatch.setattr(tables, "BLOCK_BYTES", 70)
    notes = [f'{i} a\nb "so"\n\nc' for i in range(300)]
    source = tmp_path / "in.csv"
    with source.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["note", "a", "b"])
        writer.writerows([note, i, 1] for i, note in enumerate(notes))
    summary, made = run(source, tmp_path / "out", keep=["note"], part_bytes=1000)
    assert len(made.parts) > 5
    assert (summary.rows, summary.bad) == (300, 0)
    got = lines(tmp_path / "out")
    assert got == [[note, str(i + 1)] for i, note in enumerate(notes)]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("rows", [3, 50, 900])
def test_an_input_that_is_replaced_meanwhile_is_never_mixed(
    kind: str, rows: int, tmp_path: Path
) -> None:
    source = tmp_path / f"in.{kind}"
    write = pa.csv.write_csv if kind == "csv" else pa.parquet.write_table
    one = pa.table({"a": [1.5] * 50, "b": [1.0] * 50})
    other = pa.table({"a": [2.5] * rows, "b": [1.0] * rows})
    write(one, source)
    plan = make_plan(str(source), "v1", RULES, ())
    place, done = open_output(str(tmp_path / "out"), plan)
    write(other, source)
    with pytest.raises(DataInvalid, match="same file until all is scored"):
        score_here(plan, plan.parts, place.uri, Sum(), lambda _: None)
    assert [each.name for each in place.list()] == ["plan.json"]
    write(one, source)
    plan = make_plan(str(source), "v1", RULES, ())
    place, done = open_output(str(tmp_path / "late"), plan)
    done[0] = batch.score_part(plan, plan.parts[0], place.uri, Sum())
    write(other, source)
    with pytest.raises(DataInvalid, match="run again into another folder, or remove"):
        finish(plan, place, done)
    assert "summary.json" not in {each.name for each in place.list()}


def test_what_a_worker_fails_of_can_be_sent_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n1,2\n")
    plan = make_plan(str(source), "v1", RULES, ())
    model = SimpleNamespace(predictor=Sum())
    worker = SimpleNamespace(plugins={"v1": model})
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    output = str(tmp_path / "out")
    with pytest.raises(ProjectError) as error:
        cluster._score(plan.parts[0], plan=plan, output=output)
    sent = pickle.loads(pickle.dumps(error.value))
    assert str(sent).startswith(f"{output}: expected a folder, received nothing; every")
    open_output(output, plan)
    assert cluster._score(plan.parts[0], plan=plan, output=output) == Done(0, 1, 0)


NOT_KEPT = [
    (["value"], (), "none of the output's own ['value', 'problem'], received 'value'"),
    (["probability_x"], ("x", "y"), "received 'probability_x'"),
    (["problem"], ("x", "y"), "received 'problem'"),
    (["id", "id"], (), "--keep: expected each column once, received ['id', 'id']"),
]


@pytest.mark.parametrize(("keep", "classes", "problem"), NOT_KEPT)
def test_no_column_is_in_the_output_twice(
    keep: list[str], classes: tuple[str, ...], problem: str, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"a,b,{keep[0]}\n1,2,3\n")
    with pytest.raises(SettingInvalid) as error:
        run(source, tmp_path / "out", Sum(*classes), keep=keep)
    assert problem in str(error.value)
    assert not (tmp_path / "out").exists()


def test_what_another_model_puts_out_can_be_kept(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b,label\n1,2,3\n")
    run(source, tmp_path / "out", keep=["label"])
    assert lines(tmp_path / "out") == [["3", "3"]]


@pytest.mark.parametrize(
    "cell",
    sorted(MISSING | {"?", " NA ", "Null", "NaN", "N/a", " nan", "nan "}),
)
def test_a_cell_is_missing_where_training_takes_it_for_missing(
    cell: str, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"a,b\n{cell},1\n3,1\n")
    rules = (Rule("a", missing=5.0), Rule("b"))
    run(source, tmp_path / "out", rules=rules)
    assert lines(tmp_path / "out") == [["6"], ["4"]]


def test_what_is_no_number_in_parquet_is_missing_too(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    table = pa.table({"a": [math.nan, 3.0, None], "b": [1.0] * 3})
    pa.parquet.write_table(table, source)
    rules = (Rule("a", missing=5.0), Rule("b"))
    run(source, tmp_path / "out", rules=rules, output_kind="csv")
    assert lines(tmp_path / "out") == [["6"], ["4"], ["6"]]


def test_blank_lines_are_no_rows_but_in_a_table_of_one_column(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n\n1,2\n\n7\n\n4,5\n\n")
    summary, _ = run(source, tmp_path / "out")
    assert (summary.rows, summary.bad) == (3, 1)
    assert lines(tmp_path / "out") == [["3"], [""], ["9"]]
    assert [row for _, row, _ in bad(tmp_path / "out")] == ["2"]
    source.write_text("a\n1\n\n2\n")
    summary, _ = run(source, tmp_path / "one", rules=(Rule("a", missing=5.0),))
    assert lines(tmp_path / "one") == [["1"], ["5"], ["2"]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_part_of_blank_lines_has_no_rows(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n1,2\n" + "\n" * 9)
    summary, made = run(source, tmp_path / "out", output_kind=kind, part_bytes=4)
    assert len(made.parts) > 1
    assert summary == Summary("v1", len(made.parts), 1, 0)
    if kind == "parquet":
        parts = (tmp_path / "out").glob("part-*")
        assert sum(pa.parquet.read_table(part).num_rows for part in parts) == 1


def test_lines_may_end_as_they_did_on_old_machines(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b"a,b\r1,2\r3,4\r")
    run(source, tmp_path / "out")
    assert lines(tmp_path / "out") == [["3"], ["7"]]


def test_types_are_looked_at_before_the_first_row_is_scored(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = pa.table({"a": [1.0], "b": [1.0], "id": [[1]]})
    pa.parquet.write_table(good, folder / "a.parquet")
    with pytest.raises(
        DataInvalid, match="column 'id': expected what CSV can hold, re"
    ):
        run(folder, tmp_path / "out", keep=["id"], output_kind="csv")
    summary, _ = run(folder, tmp_path / "lists", keep=["id"])
    assert summary.bad == 0
    run(folder, tmp_path / "text", keep=["a"], output_kind="csv")
    assert lines(tmp_path / "text") == [["1", "2"]]
    text = pa.table({"a": ["1"], "b": [1.0], "id": [[1]]})
    pa.parquet.write_table(text, folder / "b.parquet")
    with pytest.raises(DataInvalid, match="'a': expected numbers, received string"):
        run(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_column_without_any_value_is_one_of_missing_values(tmp_path: Path) -> None:
    table = pa.table({"a": pa.nulls(2), "b": [1.0, 2.0], "id": pa.nulls(2)})
    pa.parquet.write_table(table, tmp_path / "in.parquet")
    rules = (Rule("a", missing=5.0), Rule("b"))
    run(tmp_path / "in.parquet", tmp_path / "out", rules=rules, output_kind="csv")
    assert lines(tmp_path / "out") == [["6"], ["7"]]
    summary, _ = run(tmp_path / "in.parquet", tmp_path / "all", keep=["id"])
    assert summary.bad == 2


def test_an_empty_table_is_named_before_anything_is_written(tmp_path: Path) -> None:
    empty = pa.table({"a": pa.array([], pa.float64()), "b": pa.array([], pa.float64())})
    pa.parquet.write_table(empty, tmp_path / "in.parquet")
    (tmp_path / "in.csv").write_text("a,b\n\n\n")
    for name in ("in.parquet", "in.csv"):
        with pytest.raises(DataInvalid, match=f"{name}: expected rows, received none"):
            run(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_row_groups_without_rows_make_no_parts(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0, 2.0], "b": [1.0, 1.0]})
    with pa.parquet.ParquetWriter(tmp_path / "in.parquet", table.schema) as writer:
        for piece in (table.slice(0, 0), table, table.slice(0, 0)):
            writer.write_table(piece)
    summary, made = run(tmp_path / "in.parquet", tmp_path / "out", part_bytes=1)
    assert (summary.rows, len(made.parts)) == (2, 1)


def test_names_of_tables_are_read_as_predict_and_ls_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("ONE.CSV", ".hid.csv", ".ipynb_checkpoints/one.csv"):
        (folder / name).write_text("a,b\n1,2\n")
    for source in (folder, folder / "ONE.CSV", folder / ".hid.csv"):
        plan = make_plan(str(source), "v1", RULES, ())
        assert (plan.kind, len(plan.sources)) == ("csv", 1)
    pa.parquet.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "in.pq")
    assert make_plan(str(tmp_path / "in.pq"), "v1", RULES, ()).kind == "parquet"


APART = [
    ("data", "data", True),
    ("data", "data/out", True),
    ("data", "data/../data/out", True),
    ("data", str(Path("data", "out")), True),  # as Windows writes it, there
    (Path.cwd().anchor, "out", True),
    ("data", "data-out", False),
    ("data/in.csv", "data/out", False),
    ("s3://bucket", "s3://bucket/out/", True),
    ("s3://bucket/in/", "s3://bucket/out", False),
    ("data", "s3://bucket/data/out", False),
]


@pytest.mark.parametrize(("source", "output", "refused"), APART)
def test_results_may_not_lie_among_the_tables(
    source: str, output: str, refused: bool
) -> None:
    if refused:
        with pytest.raises(DataInvalid, match="a folder outside of"):
            check_apart(source, output)
    else:
        check_apart(source, output)
