"""A CSV file and its contract in; arrays, or the line and column of what is wrong."""

import datetime
import re
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from known import (
    CLASSES,
    FEATURES,
    known,
)

from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
    ProjectError,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Column,
    Contract,
    Table,
    check_learned,
    digest,
    read_batches,
    read_contract,
    read_table,
)

PLANTS = Contract(
    target="kind",
    features=(Column("length", "cm", minimum=0), Column("width", "cm", 0, 10)),
    classes=("reed", "sedge"),
)
YIELDS = Contract(target="yield", features=(Column("length"),))


def plants(*rows: str) -> str:
    return "\n".join(["length,width,kind", *rows, ""])


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "plants.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path, contract: Contract = PLANTS) -> str:
    """The message without the path that it begins with."""
    with pytest.raises(DataInvalid) as refused:
        read_table(path, contract)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_cells_become_numbers_and_labels(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, plants("1,2.5,reed", "1e1,0,sedge")), PLANTS)
    np.testing.assert_array_equal(table.X, [[1.0, 2.5], [10.0, 0.0]])
    assert (table.X.dtype, table.y.tolist()) == (np.float64, ["reed", "sedge"])


def test_a_target_without_classes_becomes_numbers(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "length,yield\n1,2.5\n2,-3\n"), YIELDS)
    assert (table.y.dtype, table.y.tolist()) == (np.float64, [2.5, -3.0])


@pytest.mark.parametrize(
    "text",
    [
        "width,kind,length\n2,reed,1\n",
        "kind,length,width\nreed,1,2\n",
        " length , width,kind \n 1 , 2 , reed \n",
        '"length","width","kind"\r\n"1","2","reed"\r\n',
        "length,width,kind\n\n1,2,reed\n\n",
    ],
)
def test_columns_come_in_any_order_and_the_usual_spellings(
    tmp_path: Path, text: str
) -> None:
    table = read_table(write(tmp_path, text), PLANTS)
    assert (table.X.tolist(), table.y.tolist()) == ([[1.0, 2.0]], ["reed"])


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + plants("1,2,reed").encode())
    assert len(read_table(path, PLANTS).y) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "length,kind\n1,reed\n",
            "header: expected column 'width', received none",
        ),
        (
            "length,width,kind,colour\n1,2,reed,green\n",
            "header: column 'colour' is not in the contract",
        ),
        (
            "length,width,kind,width\n1,2,reed,2\n",
            "header: expected column 'width' once, received it twice",
        ),
        (
            plants("1,2,reed", "1,wide,reed"),
            "line 3, column 'width': expected a number, received 'wide'",
        ),
        (
            plants("1,,reed"),
            "line 2, column 'width': expected a number, received a missing value; "
            "`missing` in the contract can say what to put there",
        ),
        (
            plants("1,2,"),
            "line 2, column 'kind': expected one of reed, sedge, "
            "received a missing value",
        ),
        (
            plants("1,2,moss"),
            "line 2, column 'kind': expected one of reed, sedge, received 'moss'",
        ),
        (
            plants("-1,2,reed"),
            "line 2, column 'length': expected 0 to inf, received -1",
        ),
        (
            plants("1,10.5,reed"),
            "line 2, column 'width': expected 0 to 10, received 10.5",
        ),
        (
            plants("1,2,reed", "", "1,2"),
            "line 4: expected 3 cells, received 2",
        ),
        (
            plants("1,2,reed", "1,2,reed,3"),
            "line 3: expected 3 cells, received 4",
        ),
        (
            plants(),
            "expected rows below the header, received none",
        ),
        (
            plants('1,"2,reed'),
            "line 2: expected CSV: unexpected end of data",
        ),
    ],
)
def test_a_problem_is_named_by_line_and_column(
    tmp_path: Path, text: str, message: str
) -> None:
    assert refusal(write(tmp_path, text)) == message


@pytest.mark.parametrize("text", ["", "NA", "n/a", "NaN", " null ", "None", "?"])
def test_what_people_write_for_a_missing_value_is_not_a_number(
    tmp_path: Path, text: str
) -> None:
    path = write(tmp_path, plants(f"{text},2,reed"))
    assert "expected a number, received a missing value; " in refusal(path)


@pytest.mark.parametrize("text", ["inf", "-inf", "1e999", "+nan"])
def test_a_number_that_is_not_finite_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"length,yield\n{text},1\n")
    assert refusal(path, YIELDS) == (
        f"line 2, column 'length': expected a finite number, received {text}"
    )


def test_a_missing_number_to_predict_is_refused(tmp_path: Path) -> None:
    """And nothing can fill it."""
    said = "column 'yield': expected a number, received a missing value"
    path = write(tmp_path, "length,yield\n1,\n")
    assert refusal(path, YIELDS) == f"line 2, {said}"
    path = parquet(tmp_path, length=[1.0, 1.0], **{"yield": [1.0, None]})
    assert refusal(path, YIELDS) == f"row 2, {said}"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, plants("x,2,moss", "1,2,reed", "1", "1,99,reed"))
    assert refusal(path) == (
        "4 problems\n"
        "  line 2, column 'length': expected a number, received 'x'\n"
        "  line 2, column 'kind': expected one of reed, sedge, received 'moss'\n"
        "  line 4: expected 3 cells, received 1\n"
        "  line 5, column 'width': expected 0 to 10, received 99"
    )


def test_a_hopeless_file_is_given_up_after_ten_problems(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, plants(*["x,2,reed"] * 1000)))
    assert message.startswith("10 problems\n  line 2, ")
    assert message.splitlines()[-1].startswith("  line 11, ")


def test_an_empty_file_lacks_every_column(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "")) == (
        "3 problems\n"
        "  header: expected column 'length', received none\n"
        "  header: expected column 'width', received none\n"
        "  header: expected column 'kind', received none"
    )


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, plants("1,2,reed").encode() + b"1,2,Schilfgr\xe4ser")
    assert refusal(path).startswith("expected UTF-8 text: ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.csv") == "can't be read: No such file or directory"


def test_batches_together_are_the_whole(
    sample: Path, contract: Contract, table: Table
) -> None:
    batches = list(read_batches(sample, contract, 50))
    sizes = [len(batch.y) for batch in batches]
    assert (max(sizes), sizes[-1]) == (50, (len(table.y) - 1) % 50 + 1)
    np.testing.assert_array_equal(np.vstack([batch.X for batch in batches]), table.X)
    np.testing.assert_array_equal(np.hstack([batch.y for batch in batches]), table.y)


def test_a_problem_in_a_later_batch_has_its_own_line(tmp_path: Path) -> None:
    path = write(tmp_path, plants("1,2,reed", "1,2,reed", "1,2,reed", "1,x,reed"))
    batches = read_batches(path, PLANTS, 2)
    assert len(next(batches).y) == 2
    with pytest.raises(DataInvalid, match="line 5, column 'width'"):
        next(batches)


@pytest.mark.parametrize("text", ["width,length\n2,1\n", plants("1,2,moss")])
def test_rows_to_predict_need_no_target(tmp_path: Path, text: str) -> None:
    table = read_table(write(tmp_path, text), PLANTS, labelled=False)
    assert (table.X.tolist(), table.y.tolist()) == ([[1.0, 2.0]], [])


def test_the_sample_keeps_its_contract(table: Table, contract: Contract) -> None:
    assert table.X.shape == (len(table.y), len(contract.features))
    assert len(table.y) > 0
    if contract.classes:
        assert set(table.y) == set(contract.classes)


FILLED = Contract("yield", (Column("length", missing=1.5), Column("width")))


def test_a_missing_value_is_what_the_contract_says(tmp_path: Path) -> None:
    path = write(tmp_path, "length,width,yield\n,2,1\nNA,3,1\n4,5,1\n")
    assert read_table(path, FILLED).X.tolist() == [[1.5, 2], [1.5, 3], [4, 5]]


GROUPED = Contract("yield", (Column("length"),), group="bed", ignored=("note",))
TIMED = Contract("yield", (Column("length"),), time="day")


def test_the_group_of_a_row_is_read_and_notes_are_not(tmp_path: Path) -> None:
    path = write(tmp_path, "note,bed,length,yield\nx, b1 ,1,2\n?,b2,3,4\n")
    assert read_table(path, GROUPED).key.tolist() == ["b1", "b2"]
    unlabelled = write(tmp_path, "length\n1\n")
    assert read_table(unlabelled, GROUPED, labelled=False).key.tolist() == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86400.0),
        ("1970-01-01T00:00:01", 1.0),
        ("1970-01-01 01:00:00+01:00", 0.0),
        ("1987", 1987.0),
    ],
)
def test_a_time_is_a_date_or_a_number(
    tmp_path: Path, text: str, seconds: float
) -> None:
    path = write(tmp_path, f"length,yield,day\n1,2,{text}\n")
    assert read_table(path, TIMED).key.tolist() == [seconds]


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "length,yield,day\n1,2,31/05/2024\n1,2,\n")
    assert refusal(path, TIMED) == (
        "2 problems\n"
        "  line 2, column 'day': expected a number, 2024-05-31 or 2024-05-31T12:30, "
        "received '31/05/2024'\n"
        "  line 3, column 'day': expected a value, received a missing one"
    )


def parquet(folder: Path, **columns: object) -> Path:
    path = folder / "plants.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


@pytest.mark.parametrize("batch_rows", [None, 2, 4, 100])
def test_a_parquet_file_reads_as_the_same_csv(
    tmp_path: Path, sample: Path, contract: Contract, batch_rows: int | None
) -> None:
    path = tmp_path / "sample.parquet"
    table = pacsv.read_csv(sample).slice(0, 20)
    pq.write_table(table.select(table.column_names[::-1]), path, row_group_size=7)
    whole = read_table(sample, contract)
    batches = list(read_batches(path, contract, batch_rows))
    assert [len(batch.y) for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    np.testing.assert_array_equal(
        np.vstack([batch.X for batch in batches]), whole.X[:20]
    )
    assert np.hstack([batch.y for batch in batches]).tolist() == whole.y[:20].tolist()


def test_a_parquet_cell_is_named_by_row_and_column(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        length=[1.0, None, -1.0, 2.0, float("inf")],
        width=[1, 2, 3, 11, 5],
        kind=["reed", "sedge", "moss", None, "reed"],
    )
    assert refusal(path) == (
        "6 problems\n"
        "  row 2, column 'length': expected a number, received a missing value; "
        "`missing` in the contract can say what to put there\n"
        "  row 3, column 'length': expected 0 to inf, received -1\n"
        "  row 5, column 'length': expected a finite number, received inf\n"
        "  row 4, column 'width': expected 0 to 10, received 11\n"
        "  row 3, column 'kind': expected one of reed, sedge, received 'moss'\n"
        "  row 4, column 'kind': expected one of reed, sedge, received a missing value"
    )
    batches = read_batches(path, PLANTS, 1)
    next(batches)
    with pytest.raises(DataInvalid, match="row 2, column 'length'"):
        next(batches)


def test_parquet_knows_missing_values_keys_and_unlabelled_rows(tmp_path: Path) -> None:
    path = parquet(tmp_path, length=[None, 2.0], **{"yield": [1, 2]}, width=[0, 0])
    assert read_table(path, FILLED).X.tolist() == [[1.5, 0], [2, 0]]
    days = [datetime.date(1970, 1, 2), datetime.date(1970, 1, 1)]
    path = parquet(tmp_path, length=[1.0, 2.0], **{"yield": [1, 2]}, day=days)
    timed = read_table(path, TIMED)
    assert (timed.y.tolist(), timed.key.tolist()) == ([1, 2], [86400, 0])
    path = parquet(tmp_path, length=[1.0, 2.0])
    assert read_table(path, TIMED, labelled=False).X.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"length": [1.0]}, "header: expected column 'yield', received none"),
        (
            {"length": ["1"], "yield": [1.0]},
            "column 'length': expected numbers, received string",
        ),
        (
            {"length": pa.array([], "f8"), "yield": pa.array([], "f8")},
            "expected rows, received none",
        ),
    ],
)
def test_a_parquet_file_that_breaks_the_contract_is_refused(
    tmp_path: Path, columns: dict[str, object], message: str
) -> None:
    assert refusal(parquet(tmp_path, **columns), YIELDS) == message


def test_a_parquet_value_is_judged_in_full(tmp_path: Path) -> None:
    """Rounded to what a message used to show, ten of these hid what followed."""
    contract = Contract(target="yield", features=(Column("length", maximum=14.0),))
    lengths = [14.00001] * 10 + [1e9]
    path = parquet(tmp_path, length=lengths, **{"yield": [1.0] * 11})
    assert "received 14.00001\n" in refusal(path, contract)


def test_a_blank_in_a_parquet_header_is_none(tmp_path: Path) -> None:
    path = parquet(tmp_path, **{" length ": [1.0], "yield": [2.0]})
    assert read_table(path, YIELDS).X.tolist() == [[1.0]]


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plants.parquet"
    assert refusal(path) == "can't be read: No such file or directory"
    path.write_bytes(b"length,width\n" * 9)
    assert refusal(path).startswith("expected Parquet: ")


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path, length=[1.0])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ProjectError, match="pyarrow is not installed; Parquet needs"):
        read_table(path, YIELDS)


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    assert digest(write(tmp_path, "abc")) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_contract_names_its_columns_in_order(contract: Contract) -> None:
    assert PLANTS.names == ["length", "width"]
    assert contract.names == [column.name for column in contract.features]


FEATURE = '[[features]]\nname = "length"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "target = ",
            'Invalid value (at end of document); text stands in quotes: "0", "yes"',
        ),
        (
            f'target = "kind"\nclasses = [yes, no]\n{FEATURE}',
            "Invalid value (at line 2, column 12); text stands in quotes: "
            '"0", "yes"',
        ),
        (
            f'target = "kind"\nclasses = [0, 1]\n{FEATURE}',
            "Expected `str`, got `int` - at `$.classes[0]`; text stands in quotes: "
            '"0", "yes"',
        ),
        (
            f'target = "kind"\n{FEATURE}classes = ["a", "b"]',
            "Object contains unknown field `classes` - at `$.features[0]`; "
            "all keys but features stand above the first [[features]]",
        ),
        ('target = "kind"', "Object missing required field `features`"),
        (
            'target = "kind"\nfeatures = []',
            "Expected `array` of length >= 1 - at `$.features`",
        ),
        (
            f'target = "kind"\n{FEATURE}colour = 1',
            "Object contains unknown field `colour` - at `$.features[0]`",
        ),
        (
            f'target = "length"\n{FEATURE}',
            "column 'length': expected once, received twice",
        ),
        (
            f'target = "kind"\nclasses = ["reed"]\n{FEATURE}',
            "classes: expected two or more different ones, or none for a number, "
            "received ['reed']",
        ),
        (
            f'target = "kind"\n{FEATURE}minimum = 2\nmaximum = 1',
            "column 'length': expected a minimum below the maximum, received 2 and 1",
        ),
        (
            f'target = "kind"\ngroup = "bed"\ntime = "day"\n{FEATURE}',
            "expected a group or a time to split by, received both",
        ),
        (
            f'target = "kind"\ngroup = "length"\n{FEATURE}',
            "column 'length': expected once, received twice",
        ),
        (
            f'target = "kind"\n{FEATURE}minimum = 0\nmissing = -1',
            "column 'length': expected missing between 0 and inf, received -1",
        ),
        (
            f'target = "kind"\nexamples = -1\n{FEATURE}',
            "Expected `int` >= 0 - at `$.examples`",
        ),
        (
            f'target = "length"\nclasses = ["a", "a"]\n{FEATURE}',
            "2 problems\n"
            "  column 'length': expected once, received twice\n"
            "  classes: expected two or more different ones, or none for a number, "
            "received ['a', 'a']",
        ),
    ],
)
def test_a_contract_that_breaks_a_rule_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "contract.toml"
    path.write_text(text)
    with pytest.raises(DataInvalid, match=re.escape(f"{path}: {message}") + "$"):
        read_contract(path)


def test_a_version_is_asked_in_the_order_that_it_learned() -> None:
    columns = tuple(Column(feature.name) for feature in FEATURES)
    learned = Contract("plant", columns, CLASSES)
    check_learned(learned, known().manifest)
    swapped = msgspec.structs.replace(learned, features=columns[::-1])
    with pytest.raises(DataInvalid, match="in their order"):
        check_learned(swapped, known().manifest)


def test_a_contract_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "contract.toml"
    path.write_bytes(b"target = '\xff'")
    with pytest.raises(DataInvalid, match=re.escape(f"{path}: 'utf-8' codec")):
        read_contract(path)


def test_a_missing_contract_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "contract.toml"
    with pytest.raises(DataInvalid) as refused:
        read_contract(path)
    assert str(refused.value) == f"{path}: expected a contract, received no file"
