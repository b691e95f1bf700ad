"""Bytes to queries: both parsers read the same, and every fault is named."""

import json

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.errors import (
    BodyTooLarge,
    FieldInvalid,
    Malformed,
    RequestError,
)
from {{cookiecutter.__package_name}}.serving import (
    decode,
)
from {{cookiecutter.__package_name}}.serving.numbers import (
    DATATYPES,
)

NAMES = ("a", "b", "c")
MOST = 10_000


def v1(text: str) -> decode.Query:
    return decode.decode_v1(text.encode(), NAMES, MOST)


def v2(header: object, tail: bytes | None = None) -> decode.Query:
    head = json.dumps(header).encode()
    if tail is None:
        return decode.decode_v2(head, 3, MOST)
    return decode.decode_v2(head + tail, 3, MOST, len(head))


def tensor(**changes: object) -> dict[str, object]:
    usual = {"name": "features", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}
    merged = {**usual, **changes}
    return {name: each for name, each in merged.items() if each is not None}


def test_what_is_decoded_can_be_given_to_the_kernel_as_it_is() -> None:
    for query in (
        v1('{"instances": [[1, 2, 3]]}'),
        v1('{"instances": [{"a": 1, "b": 2, "c": 3}]}'),
        v2({"inputs": [tensor()]}),
        v2({"inputs": [tensor(datatype="INT8")]}),
        v2(
            {"inputs": [tensor(data=None, parameters={"binary_data_size": 24})]},
            np.array([1.0, 2.0, 3.0]).tobytes(),
        ),
    ):
        assert query.X.tolist() == [[1.0, 2.0, 3.0]]
        assert query.X.dtype == np.float64
        assert query.X.flags.c_contiguous
        assert query.X.flags.writeable, "a read-only array would be compiled for anew"


@pytest.mark.parametrize("filler", ["[]", "{}", "1", "[1]"])
def test_a_body_that_costs_more_than_the_largest_allowed_is_refused(
    filler: str,
) -> None:
    many = ",".join([filler] * 40_000)
    with pytest.raises(BodyTooLarge, match="at most 10000 rows of 3 values, got more"):
        v1('{"instances": [' + many + "]}")
    with pytest.raises(BodyTooLarge, match="at most 10000 rows of 3 values, got more"):
        v1('{"instances": [[1, 2, 3]], "more": [' + many + "]}")
    whole = tensor(data=[])
    body = json.dumps({"inputs": [whole]}).replace("[]", f"[{many}]")
    with pytest.raises(BodyTooLarge, match="at most 10000 rows of 3 values, got more"):
        decode.decode_v2(body.encode(), 3, MOST)


def test_what_is_null_is_as_if_it_were_not_there() -> None:
    query = v2(
        {
            "id": None,
            "inputs": [{**tensor(), "parameters": None}],
            "outputs": None,
            "parameters": None,
        }
    )
    assert (query.id, query.outputs, query.binary) == (None, None, False)
    outputs = [{"name": "label", "parameters": None}]
    assert v2({"inputs": [tensor()], "outputs": outputs}).outputs == {"label": False}
    assert v2({"inputs": [tensor()], "outputs": []}).outputs is None


def test_an_answer_never_repeats_more_than_a_line() -> None:
    with pytest.raises(FieldInvalid) as failure:
        v2({"inputs": [tensor(name="x" * 100_000)]})
    assert len(str(failure.value)) < 200
    with pytest.raises(FieldInvalid, match="shape: expected"):
        decode.decode_v2(
            json.dumps({"inputs": [tensor()]})
            .replace("[1, 3]", "[" + "9" * 4300 + ", 3]")
            .encode(),
            3,
            MOST,
        )


@pytest.mark.parametrize("width", [2, 4])
def test_ragged_rows_are_seen_in_a_large_body_too(width: int) -> None:
    """The total is right; only the length of each row can tell."""
    rows = [[1.0] * 3] * 1000
    rows[500] = [1.0] * width
    rows[501] = [1.0] * (6 - width)
    with pytest.raises(FieldInvalid) as failure:
        v1(json.dumps({"instances": rows}))
    assert str(failure.value) == f"instances[500]: expected 3 numbers, received {width}"


def test_numbers_hidden_in_deeper_lists_are_seen_in_a_large_body_too() -> None:
    rows = [[1.0, 2.0, 3.0]] * 1000
    rows[7] = [[1.0], 2.0, 3.0]  # type: ignore[list-item]
    with pytest.raises(FieldInvalid, match=r"instances\[7\]\[0\]: expected a number"):
        v1(json.dumps({"instances": rows}))


def test_objects_may_name_the_features_in_any_order() -> None:
    query = v1('{"instances": [{"c": 3, "a": 1, "b": 2}, [4, 5, 6]]}')
    assert query.X.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_nested_and_flat_data_are_the_same() -> None:
    flat = v2({"inputs": [tensor(shape=[2, 3], data=[1, 2, 3, 4, 5, 6])]})
    nested = v2({"inputs": [tensor(shape=[2, 3], data=[[1, 2, 3], [4, 5, 6]])]})
    np.testing.assert_array_equal(flat.X, nested.X)


def test_id_outputs_and_binary_wishes_are_kept() -> None:
    query = v2(
        {
            "id": "seven",
            "inputs": [tensor()],
            "outputs": [
                {"name": "label", "parameters": {"binary_data": False}},
                {"name": "probabilities"},
            ],
            "parameters": {"binary_data_output": True, "anything": {"else": 1}},
        }
    )
    assert query.id == "seven"
    assert query.outputs == {"label": False, "probabilities": True}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"instances": []}', "instances: expected one row or more, received none"),
        ('{"instances": [[1, 2]]}', "instances[0]: expected 3 numbers, received 2"),
        (
            '{"instances": [[1, 2, 3], [1, 2, 3, 4], [1, 2]]}',
            "instances[1]: expected 3 numbers, received 4",
        ),
        (
            '{"instances": [[1, "2", 3]]}',
            "instances[0][1]: expected a number, received a string",
        ),
        (
            '{"instances": [[1, true, 3]]}',
            "instances[0][1]: expected a number, received true or false",
        ),
        (
            '{"instances": [[1, null, 3]]}',
            "instances[0][1]: expected a number, received null",
        ),
        (
            '{"instances": [[[1], 2, 3]]}',
            "instances[0][0]: expected a number, received a list",
        ),
        (
            '{"instances": [[1, 1e400, 3]]}',
            "instances[0][1]: expected a number within float64, "
            "received number out of range",
        ),
        (
            '{"instances": [{"a": 1, "b": 2}]}',
            "instances[0]: expected feature 'c', received none",
        ),
        (
            '{"instances": [{"a": 1, "b": null, "c": 3}]}',
            "instances[0].b: expected a number, received null",
        ),
        (
            '{"instances": [{"a": "high", "b": null, "c": 3}]}',
            "instances[0].a: expected a number, received a string",
        ),
        (
            '{"instances": [[1, 2, 3], {"c": 3, "b" : [2] , "a": 1}]}',
            "instances[1].b: expected a number, received a list",
        ),
        (
            '{"instances": [{"a": 1, "b": 1e400, "c": 3}]}',
            "instances[0].b: expected a number within float64, "
            "received number out of range",
        ),
        (
            '{"instances": [{"a": 1, "b": 2, "c": 3, "d": "4"}]}',
            "instances[0]: expected features a, b, c, received 'd'",
        ),
        (
            '{"instances": [{"a": "1", "a": 1e, "b": 2, "c": 3}]}',
            "instances[0][...]: expected a number, received a string",
        ),
        (
            '{"instances": [{"a": 1, "b": "2", "c": null}], [',
            "instances[0][...]: expected a number, received a string",
        ),
        (
            '{"instances": [{"a": 1, "b": 2, "c": 3, "d": 4}]}',
            "instances[0]: expected features a, b, c, received 'd'",
        ),
        (
            '{"instances": [1, 2, 3]}',
            "instances[0]: expected an object or a list, received a whole number",
        ),
        ('{"rows": [[1, 2, 3]]}', "body: expected field 'instances', received none"),
        ("[[1, 2, 3]]", "body: expected an object, received a list"),
    ],
)
def test_a_fault_in_a_v1_body_is_named(body: str, message: str) -> None:
    with pytest.raises(FieldInvalid) as failure:
        v1(body)
    assert str(failure.value) == message


@pytest.mark.parametrize(
    ("row", "missing"),
    [
        ('{"a": 1, "b": null , "c": 3}', "b"),
        ('{"a": 1, "b": "2", "c": null}', None),
        ('{"a": 1, "b": 2, "c": 3, "d": null}', None),
    ],
)
def test_only_what_is_null_counts_as_missing(row: str, missing: str | None) -> None:
    with pytest.raises(FieldInvalid) as failure:
        v1('{"instances": [' + row + "]}")
    assert failure.value.missing == missing


def test_a_fault_by_name_is_placed_in_a_large_body_too() -> None:
    rows: list[dict[str, object]] = [{"a": 1.5, "b": 2.5, "c": 3.5}] * 5_000
    rows[4_321] = {"a": 1.5, "b": "high", "c": 3.5}
    with pytest.raises(FieldInvalid) as failure:
        v1(json.dumps({"instances": rows}))
    assert str(failure.value) == (
        "instances[4321].b: expected a number, received a string"
    )


@pytest.mark.parametrize("body", ["", "{", "\ufeff{}", '{"instances": [[NaN, 1, 2]]}'])
def test_what_is_not_json_is_malformed(body: str) -> None:
    with pytest.raises(Malformed, match="body: expected JSON, received"):
        v1(body)


def test_bad_utf_8_is_malformed_or_named() -> None:
    with pytest.raises(RequestError):
        decode.decode_v1(b'{"instances": [[1, 2, "\xff"]]}', NAMES, MOST)
    with pytest.raises(Malformed, match="can't decode byte"):
        decode.decode_v1(b'{"instances": [[1, 2, 3]], "\xff": 1}', NAMES, MOST)


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(RequestError):
        v1('{"instances": ' + "[" * 5_000 + "]" * 5_000 + "}")
    with pytest.raises(RequestError):  # how deep is too deep varies with Python
        v1('{"instances": [], "more": ' + "[" * 5_000 + "]" * 5_000 + "}")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "inputs: expected one tensor, 'features', received none"),
        (
            [tensor(), tensor()],
            "inputs: expected one tensor, 'features', received 'features', 'features'",
        ),
        (
            [tensor(name="x")],
            "inputs: expected one tensor, 'features', received 'x'",
        ),
        (
            [tensor(shape=[3])],
            "inputs.features.shape: expected [rows, 3], "
            "received another number of dimensions",
        ),
        (
            [tensor(shape=[-1, 3])],
            "inputs.features.shape: expected [rows, 3], received [-1, 3]",
        ),
        (
            [tensor(shape=[1, 4])],
            "inputs.features.shape: expected [rows, 3], received [1, 4]",
        ),
        (
            [tensor(shape=[2, 3])],
            "inputs.features.data: expected 6 numbers or 2 lists of 3, received 3",
        ),
        (
            [tensor(data=None)],
            "inputs.features.data: expected 3 numbers or 1 lists of 3, received none",
        ),
        (
            [tensor(data=[[1, 2], [3]])],
            "inputs.features.data: expected 3 numbers or 1 lists of 3, "
            "received lists that differ in length, or a mixture",
        ),
        (
            [tensor(datatype="BOOL")],
            "inputs.features.datatype: expected FP16, FP32, FP64, INT8, INT16, INT32, "
            "INT64, UINT8, UINT16, UINT32, UINT64, received 'BOOL'",
        ),
        (
            [tensor(datatype="UINT8", data=[1, 256, 3])],
            "inputs.features.data[1]: expected whole numbers from 0 to 255, "
            "received 256.0",
        ),
        (
            [tensor(datatype="INT32", data=[1, 2.5, 3])],
            "inputs.features.data[1]: expected whole numbers from -2147483648 to "
            "2147483647, received 2.5",
        ),
        (
            [tensor(datatype="INT64", data=[1, 2, 2**53 + 1])],
            "inputs.features.data[2]: expected whole numbers from -9007199254740991 to "
            "9007199254740991, received 9007199254740992.0",
        ),
        (
            [tensor(datatype="FP16", data=[1, 2, 70000])],
            "inputs.features.data[2]: expected at most 65504 in size, received 70000.0",
        ),
    ],
)
def test_a_fault_in_a_v2_body_is_named(inputs: object, message: str) -> None:
    with pytest.raises(FieldInvalid) as failure:
        v2({"inputs": inputs})
    assert str(failure.value) == message


@pytest.mark.parametrize("name", sorted(DATATYPES))
def test_every_numeric_datatype_comes_in_as_bytes(name: str) -> None:
    values = np.array([1, 2, 3], dtype=DATATYPES[name])
    parameters = {"binary_data_size": values.nbytes}
    query = v2(
        {"inputs": [tensor(datatype=name, data=None, parameters=parameters)]},
        values.tobytes(),
    )
    assert query.X.tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("values", "datatype", "message"),
    [
        (np.array([1.0, np.nan, 3.0]), "FP64", r"data\[1\]: expected finite numbers"),
        (np.array([1, np.inf, 3], dtype="f4"), "FP32", r"data\[1\]: expected finite"),
        (
            np.array([1, 2, 2**53 + 1]),
            "INT64",
            r"data\[2\]: expected numbers that float64 holds exactly",
        ),
        (
            np.array([1, 2, 2**63 - 1]),
            "INT64",
            r"data\[2\]: expected numbers that float64 holds exactly",
        ),
        (
            np.array([1, 2**64 - 1, 3], dtype="u8"),
            "UINT64",
            r"data\[1\]: expected numbers that float64 holds exactly",
        ),
    ],
)
def test_numbers_that_would_be_lost_are_refused(
    values: np.ndarray, datatype: str, message: str
) -> None:
    parameters = {"binary_data_size": values.nbytes}
    header = {"inputs": [tensor(datatype=datatype, data=None, parameters=parameters)]}
    with pytest.raises(FieldInvalid, match=message):
        v2(header, values.tobytes())


@pytest.mark.parametrize(
    ("size", "tail", "message"),
    [
        (24, b"", "body: expected 24 bytes of tensor, received 0"),
        (16, b"0" * 16, "binary_data_size: expected 24, received 16"),
        ("24", b"0" * 24, "binary_data_size: expected 24, received '24'"),
        (24, b"0" * 25, "body: expected 24 bytes of tensor, received 25"),
    ],
)
def test_a_binary_tensor_must_be_as_long_as_it_says(
    size: object, tail: bytes, message: str
) -> None:
    header = {"inputs": [tensor(data=None, parameters={"binary_data_size": size})]}
    with pytest.raises(FieldInvalid, match=message):
        v2(header, tail)


def test_binary_and_listed_data_exclude_each_other() -> None:
    header = {"inputs": [tensor(parameters={"binary_data_size": 24})]}
    with pytest.raises(FieldInvalid, match="expected none beside binary_data_size"):
        v2(header, b"0" * 24)
    with pytest.raises(FieldInvalid, match="expected binary_data_size, since bytes"):
        v2({"inputs": [tensor()]}, b"0" * 24)


def test_the_json_part_must_not_be_longer_than_the_body() -> None:
    with pytest.raises(FieldInvalid, match="Inference-Header-Content-Length: expected"):
        decode.decode_v2(b"{}", 3, MOST, 3)
