"""The quick way through a large body: it never reads what the careful one would not."""

import json
import subprocess
import sys
from collections.abc import (
    Callable,
)
from contextlib import (
    nullcontext,
)
from functools import (
    partial,
)
from importlib.util import (
    find_spec,
)
from itertools import (
    product,
)

import msgspec
import numpy as np
import pytest

from {{cookiecutter.__package_name}}.errors import (
    FieldInvalid,
    RequestError,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.serving import (
    careful,
    decode,
    quick,
)

NAMES = ("a", "b", "c")
MOST = 10_000
ONES = b", ".join([b"1"] * 1500)
ROWS = b", ".join([b"[1, 1, 1]"] * 500)
PARSERS = [quick.by_msgspec, *([quick.by_simdjson] if find_spec("simdjson") else [])]


def large(data: object, **changes: object) -> bytes:
    """A V2 body that is long enough for the quick way."""
    usual = {"name": "features", "shape": [500, 3], "datatype": "FP64", "data": data}
    tensor = {name: v for name, v in {**usual, **changes}.items() if v is not None}
    return json.dumps({"inputs": [tensor], "id": "x"}).encode()


SLICES = [*product([quick.SLICE, 40, 1], [quick.parse]), (40, quick.by_msgspec)]


@pytest.fixture(params=SLICES)
def any_slice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is; and so that every few numbers, or each one, are in another slice."""
    size, parse = request.param
    monkeypatch.setattr(quick, "SLICE", size)
    monkeypatch.setattr(quick, "parse", parse)


def carefully(decoder: Callable[..., decode.Query], *arguments: object) -> decode.Query:
    """What the careful decoder makes of a body, whatever its size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "LARGE", sys.maxsize)
        return decoder(*arguments)


def refusal(
    decoder: Callable[..., decode.Query], *arguments: object
) -> tuple[str, object]:
    """Its words, and the feature that is missing by them."""
    with pytest.raises(RequestError) as failure:
        decoder(*arguments)
    return str(failure.value), getattr(failure.value, "missing", None)


@pytest.mark.usefixtures("any_slice")
def test_both_parsers_read_the_same_numbers() -> None:
    random = np.random.default_rng(20261122)
    scales = 10.0 ** random.integers(-300, 300, size=(500, 3))
    X = random.normal(size=(500, 3)) * scales
    body = json.dumps({"instances": X.tolist()}).encode()
    np.testing.assert_array_equal(decode.decode_v1(body, NAMES, MOST).X, X)
    expected = carefully(decode.decode_v1, body, NAMES, MOST)
    np.testing.assert_array_equal(expected.X, X)


@pytest.mark.usefixtures("any_slice")
def test_the_quick_way_reads_what_is_usual() -> None:
    data = [i / 7 for i in range(1500)]
    X = np.reshape(data, (500, 3))
    wishes = [{"name": "label", "parameters": {"binary_data": True}}]
    wishing = json.dumps({"outputs": wishes, **json.loads(large(data))}).encode()
    for body in (large(data), large(X.tolist()), wishing):
        assert decode.large_v2(body, 3, MOST) is not None
        query = decode.decode_v2(body, 3, MOST)
        np.testing.assert_array_equal(query.X, X)
        expected = carefully(decode.decode_v2, body, 3, MOST)
        assert (query.id, query.outputs) == (expected.id, expected.outputs)
    rows, beside = json.dumps(X.tolist()).encode(), b'"signature_name": "[x]"'
    for body in (
        b'{"instances": %b, %b}' % (rows, beside),
        b'{ %b, "instances": %b}' % (beside, rows),
    ):
        assert careful.set_apart(body, b"instances", decode.v1_body) is not None
        np.testing.assert_array_equal(decode.decode_v1(body, NAMES, MOST).X, X)


@pytest.mark.usefixtures("any_slice")
@pytest.mark.parametrize(
    "changes",
    [
        {"name": "x"},
        {"datatype": "BYTES"},
        {"data": [300] * 1500, "datatype": "INT8"},
        {"shape": [500.5, 3]},
        {"shape": [500, 4]},
        {"shape": [500]},
        {"shape": [-500, 3]},
        {"data": [1] * 1499 + ["1"]},
        {"data": [1] * 1499 + [None]},
        {"data": [1] * 1499 + [[1]]},
        {"data": None},
        {"data": "abc"},
        {"data": []},
        {"data": [[1, 2, 3]] * 499},
        {"data": [[1, 2, 3]] * 498 + [[1, 2], [1, 2, 3, 4]]},
        {"data": [1] * 1499},
        {"data": [[]] * 1500},
        {"data": [{"data": 1}] * 500},
        {"data": None, "parameters": {"data": [1] * 1500}},
    ],
)
def test_what_is_unusual_is_refused_in_the_same_words(
    changes: dict[str, object],
) -> None:
    body = large(**{"data": [1] * 1500, **changes})
    expected = refusal(partial(carefully, decode.decode_v2), body, 3, MOST)
    assert refusal(decode.decode_v2, body, 3, MOST) == expected


@pytest.mark.usefixtures("any_slice")
@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        [1, 2],
        [1, None, 3],
        [1, "2", 3],
        {"a": 1, "b": 2},
        {"a": 1, "b": None, "c": 3},
        {"a": 1, "b": 2, "d": 3},
        {"a": 1, "b": 2, "c": 3, "d": 4},
        {"a": 1, "b": "2", "c": 3},
    ],
)
@pytest.mark.parametrize("usual", [[1, 2, 3], {"a": 1, "b": 2, "c": 3}])
def test_a_row_that_is_wrong_keeps_its_number(usual: object, wrong: object) -> None:
    rows = [usual] * 1000
    rows[700] = wrong
    body = json.dumps({"instances": rows, "signature_name": "x"}).encode()
    expected = refusal(partial(carefully, decode.decode_v1), body, NAMES, MOST)
    assert expected[0].startswith("instances[700]")
    assert refusal(decode.decode_v1, body, NAMES, MOST) == expected


@pytest.mark.usefixtures("any_slice")
@pytest.mark.parametrize(
    ("usual", "instead"),
    [
        (b"]", b",]"),
        (b"[1.5", b"[,1.5"),
        (b"7, ", b"7,, "),
        (b"7, ", b"7 "),
        (b"7, ", b'7, "", '),
        (b"7, ", b"7], [1, 2, "),
        (b"7, ", b"7}, {"),
        (b"7, ", b"7\x0c, "),
        (b"2]", b"2]\x0c"),
        (b"7, ", b"07, "),
        (b"7, ", b"1e400, "),
        (b"7, ", b"NaN, "),
        (b"7, ", b"7, , "),
        (b"7, ", b"7, \xff"),
        (b"{", b"\xef\xbb\xbf{"),
        (b"{", b'{"\xff": 1, '),
        (b"}", b"}}"),
        (b"}", b""),
    ],
)
def test_what_is_no_json_is_never_read_quickly(usual: bytes, instead: bytes) -> None:
    """Wherever it is: a slice of it alone could be whole."""
    numbers = b"[1.5" + b", 7" * 1498 + b", 2]"
    rows = b"[[1.5, 7, 2]" + b", [1, 7, 2]" * 499 + b"]"
    around = b'{"inputs": [{"name": "features", "shape": [500, 3], "datatype": "FP64", '
    for body, decoder, columns in (
        (around + b'"data": %b}]}' % numbers, decode.decode_v2, 3),
        (around + b'"data": %b}]}' % rows, decode.decode_v2, 3),
        (b'{"instances": %b}' % rows, decode.decode_v1, NAMES),
    ):
        parts = body.split(usual)
        assert len(parts) > 1
        for at in {1, len(parts) // 2, len(parts) - 1}:
            wrong = usual.join(parts[:at]) + instead + usual.join(parts[at:])
            expected = refusal(partial(carefully, decoder), wrong, columns, MOST)
            assert refusal(decoder, wrong, columns, MOST) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [%b], "instances": [[1, 2, 3]]}' % ROWS,
        b'{"instances": [%b], "inst\\u0061nces": [[1, 2, 3]]}' % ROWS,
        b'{"instances": [[1, 2, 3]], "x": {"instances": [%b]}}' % ROWS,
        b'{"x": {"y": [{"instances": [%b]}]}, "instances": [[1, 2, 3]]}' % ROWS,
    ],
)
def test_both_ways_take_the_same_of_several_lists_of_rows(body: bytes) -> None:
    expected = carefully(decode.decode_v1, body, NAMES, MOST)
    np.testing.assert_array_equal(decode.decode_v1(body, NAMES, MOST).X, expected.X)


@pytest.mark.parametrize(
    "members",
    [
        b'"data": [%b], "data": [1, 2, 3]' % ONES,
        b'"data": [%b], "d\\u0061ta": [1, 2, 3]' % ONES,
        b'"data": [1, 2, 3], "parameters": {"data": [%b]}' % ONES,
        b'"data": [1, 2, 3], "parameters": {}}], "x": [{"data": [%b]' % ONES,
    ],
)
def test_both_ways_take_the_same_of_several_data(members: bytes) -> None:
    usual = b'{"name": "features", "shape": [1, 3], "datatype": "FP64", '
    body = b'{"inputs": [' + usual + members + b"}]}"
    expected = carefully(decode.decode_v2, body, 3, MOST)
    np.testing.assert_array_equal(decode.decode_v2(body, 3, MOST).X, expected.X)


@pytest.mark.parametrize("wrong", [b"[]", b"[1, 2]", b"[[1]]", b"1"])
def test_a_single_feature_is_one_number_in_each_row(wrong: bytes) -> None:
    rows = [b"[1]"] * 2000
    body = b'{"instances": [%b]}' % b", ".join(rows)
    assert decode.decode_v1(body, ("a",), MOST).X.shape == (2000, 1)
    rows[1000] = wrong
    body = b'{"instances": [%b]}' % b", ".join(rows)
    with pytest.raises(FieldInvalid, match=r"instances\[1000\]"):
        decode.decode_v1(body, ("a",), MOST)


def test_the_quick_way_takes_no_more_rows_than_are_allowed() -> None:
    rows = json.dumps({"instances": [[1.0] * 3] * 1000}).encode()
    place = quick.find_list(rows, b"instances")
    assert place is not None
    assert quick.rows_at_once(rows, place, 3, 1000) is not None
    assert quick.rows_at_once(rows, place, 3, 999) is None
    data = large([1] * 1500)
    place = quick.find_list(data, b"data")
    assert place is not None
    assert quick.numbers_at_once(data, place, 1500) is not None
    assert quick.numbers_at_once(data, place, 1499) is None


@pytest.mark.parametrize("value", ['{"aaa": 1}', '"abc"', "1", "null", "[]", "[[]]"])
def test_the_quick_way_survives_anything_in_place_of_the_rows(value: str) -> None:
    body = b'{"instances": %b, "x": [[]], "y": "%b"}' % (value.encode(), b"y" * 5000)
    with pytest.raises(FieldInvalid):
        decode.decode_v1(body, NAMES, MOST)


@pytest.mark.usefixtures("any_slice")
def test_a_body_that_ends_too_soon_is_refused_in_the_same_words() -> None:
    whole = b'{"id": "x", "instances": [%b], "y": [1, {}]}' % ROWS
    for end in (5, 20, len(whole) // 2, *range(len(whole) - 30, len(whole))):
        expected = refusal(
            partial(carefully, decode.decode_v1), whole[:end], NAMES, MOST
        )
        received = refusal(decode.decode_v1, whole[:end], NAMES, MOST)
        assert received == expected, whole[:end][-40:]


def test_a_slice_without_numbers_hides_no_comma() -> None:
    blank = b" " * (quick.SLICE + 1)
    for data in (ONES + b", null", ONES):
        two_commas = b"%b,%b,%b" % (ONES, blank, data)
        body = large([]).replace(b"[]", b"[%b]" % two_commas)
        expected = refusal(partial(carefully, decode.decode_v2), body, 3, MOST)
        assert "received JSON is malformed" in expected[0]
        assert refusal(decode.decode_v2, body, 3, MOST) == expected


def test_where_simdjson_is_missing_msgspec_reads() -> None:
    """As with a Python that simdjson has no wheel for."""
    ask = [
        "import sys",
        "sys.modules['simdjson'] = None",
        f"import {quick.__name__} as quick",
        "sys.exit(quick.parse is not quick.by_msgspec)",
    ]
    subprocess.run([sys.executable, "-c", "; ".join(ask)], check=True)


FORMS = ["lists", "objects", "tensor", "cut", "no number", "ragged"]


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("form", FORMS)
def test_no_call_keeps_the_others_waiting_for_a_whole_body(
    form: str,
    parse: Callable[[bytes], Floats],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parsers keep the GIL, so what each is given at once has a limit."""
    n = 10_000
    lists = [[1.25, 2.5, 3.75]] * n
    objects = [dict(zip(NAMES, row, strict=True)) for row in lists]
    body = {
        "lists": json.dumps({"instances": lists}).encode(),
        "objects": json.dumps({"instances": objects}).encode(),
        "tensor": large(np.ravel(lists).tolist(), shape=[n, 3]),
        "cut": json.dumps({"instances": lists}).encode()[:-5],
        "no number": json.dumps({"instances": [*lists, [np.nan] * 3]}).encode(),
        "ragged": large([*lists[1:], [1.25, 2.5]], shape=[n, 3]),
    }[form]
    given = []
    decode_json = careful.decode_json
    monkeypatch.setattr(
        quick, "parse", lambda text: given.append(len(text)) or parse(text)
    )
    for module in (decode, careful):
        monkeypatch.setattr(
            module,
            "decode_json",
            lambda decoder, text, *more: given.append(len(text))
            or decode_json(decoder, text, *more),
        )

    class Noting:
        def decode(self, text: bytes) -> object:
            given.append(len(text))
            return msgspec.json.decode(text)

    monkeypatch.setattr(careful, "anything", Noting())
    wrong = pytest.raises(RequestError) if form in FORMS[3:] else nullcontext()
    with wrong:
        if b"inputs" in body:
            X = decode.decode_v2(body, 3, n).X
        else:
            X = decode.decode_v1(body, NAMES, n).X
        np.testing.assert_array_equal(X, lists)
    assert sum(given) > len(body) * 0.9
    assert max(given) < quick.SLICE + 200
