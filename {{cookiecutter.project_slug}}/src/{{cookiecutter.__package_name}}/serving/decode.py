"""Request bytes in, a query out: the two protocols, in JSON and in binary.

msgspec reads a body, and says exactly what is wrong with it and where. A large body of
the usual shape goes the quick way first.
"""

import re
from typing import Any

import msgspec
import numpy as np

from ..errors import BodyTooLarge, FieldInvalid, Malformed
from ..model.arrays import Floats
from .numbers import DATATYPES, from_bytes, from_lists
from .quick import count, rows_at_once, tensor_at_once

INPUT = "features"
DATA = f"inputs.{INPUT}.data"
LARGE = 4096  # bytes from which on the quick way pays
SPARE = 64  # brackets and commas that are not data

Json = dict[str, Any]


class Query(msgspec.Struct):
    """X: (n, d) float64 in C order.  outputs: name → wanted as binary; None is all."""

    X: Floats
    id: str | None = None
    outputs: dict[str, bool] | None = None
    binary: bool = False


class V1Body(msgspec.Struct):
    instances: list[list[float] | dict[str, float]]


class V2Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float | list[float]] | None = None
    parameters: Json | None = None


class V2Output(msgspec.Struct):
    name: str
    parameters: Json | None = None


class V2Body(msgspec.Struct):
    inputs: list[V2Input]
    id: str | None = None
    outputs: list[V2Output] | None = None
    parameters: Json | None = None


v1_body = msgspec.json.Decoder(V1Body)
v2_body = msgspec.json.Decoder(V2Body)


def decode_v1(body: bytes, features: tuple[str, ...], max_rows: int) -> Query:
    """TensorFlow Serving's row form: lists, or objects by feature name.

    Fails: Malformed, FieldInvalid, BodyTooLarge.
    """
    width = len(features)
    if len(body) > LARGE:
        X = rows_at_once(body, width, max_rows)
        if X is not None:
            return Query(X)
        check_size(body, width, max_rows)
    try:
        rows = decode_json(v1_body, body).instances
    except FieldInvalid as error:
        raise null_by_name(body, features) or error from None
    if not rows:
        raise FieldInvalid("instances", "one row or more", "none")
    table = np.empty((len(rows), width))
    for i, row in enumerate(rows):
        if isinstance(row, dict):
            row = by_name(row, features, i)
        if len(row) != width:
            raise FieldInvalid(f"instances[{i}]", f"{width} numbers", len(row))
        table[i] = row
    return Query(table)


def by_name(row: dict[str, float], features: tuple[str, ...], i: int) -> list[float]:
    if row.keys() != set(features):
        for name in features:
            if name not in row:
                place = f"instances[{i}]"
                raise FieldInvalid(place, f"feature {name!r}", "none", missing=name)
        unknown = next(name for name in row if name not in features)
        raise FieldInvalid(
            f"instances[{i}]", f"features {', '.join(features)}", repr(unknown)
        )
    return [row[name] for name in features]


def null_by_name(body: bytes, features: tuple[str, ...]) -> FieldInvalid | None:
    """msgspec doesn't say which member of an object is null, so look again."""
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None  # faults behind the one that was found
    rows = request.get("instances") if isinstance(request, dict) else None
    for i, row in enumerate(rows if isinstance(rows, list) else ()):
        for name in features if isinstance(row, dict) else ():
            if row.get(name, 0) is None:
                field = f"instances[{i}].{name}"
                return FieldInvalid(field, "a number", "null", missing=name)
    return None


def decode_v2(
    body: bytes, width: int, max_rows: int, json_length: int | None = None
) -> Query:
    """Open Inference Protocol. json_length: bytes of JSON before the binary tensor.

    Fails: Malformed, FieldInvalid, BodyTooLarge.
    """
    head, tail = body, b""
    if json_length is not None:
        head, tail = body[:json_length], body[json_length:]
        if len(head) != json_length:
            raise FieldInvalid(
                "Inference-Header-Content-Length", f"at most {len(body)}", json_length
            )
    if len(head) > LARGE:
        check_size(head, width, max_rows)
        found = tensor_at_once(head, INPUT, width) if not tail else None
        if found is not None:
            return Query(*found)
    request = decode_json(v2_body, head)
    X = read_tensor(request.inputs, tail, width)
    if not request.outputs and not request.parameters:
        return Query(X, request.id)
    wants_binary = (request.parameters or {}).get("binary_data_output") is True
    outputs = {
        output.name: (output.parameters or {}).get("binary_data", wants_binary) is True
        for output in request.outputs or ()
    }
    return Query(X, request.id, outputs or None, wants_binary)


def read_tensor(inputs: list[V2Input], tail: bytes, width: int) -> Floats:
    """The one input tensor, from its lists or from the bytes behind the JSON."""
    if len(inputs) != 1 or inputs[0].name != INPUT:
        names = ", ".join(repr(tensor.name) for tensor in inputs[:9]) or "none"
        raise FieldInvalid("inputs", f"one tensor, {INPUT!r}", names)
    tensor = inputs[0]
    shape = tensor.shape
    if len(shape) != 2 or not 1 <= shape[0] < 2**31 or shape[1] != width:
        received = "another number of dimensions" if len(shape) != 2 else str(shape)
        raise FieldInvalid(f"inputs.{INPUT}.shape", f"[rows, {width}]", received)
    kind = DATATYPES.get(tensor.datatype)
    if kind is None:
        raise FieldInvalid(
            f"inputs.{INPUT}.datatype", ", ".join(DATATYPES), repr(tensor.datatype)
        )
    size = (tensor.parameters or {}).get("binary_data_size")
    if size is None:
        if tail:
            expected = "binary_data_size, since bytes follow the JSON"
            raise FieldInvalid(f"inputs.{INPUT}.parameters", expected, "none")
        return from_lists(DATA, tensor.data, shape[0], width, kind)
    if tensor.data is not None:
        raise FieldInvalid(DATA, "none beside binary_data_size", "data")
    expected_size = shape[0] * width * kind.itemsize
    if type(size) is not int or size != expected_size:
        field = f"inputs.{INPUT}.parameters.binary_data_size"
        raise FieldInvalid(field, str(expected_size), repr(size))
    if len(tail) != expected_size:
        raise FieldInvalid("body", f"{expected_size} bytes of tensor", len(tail))
    return from_bytes(DATA, tail, shape[0], width, kind)


def check_size(body: bytes, width: int, max_rows: int) -> None:
    """Refuse a body that would cost more to decode than the largest that is allowed.

    A list of a million empty lists is two megabytes of text and a hundred of memory.
    Fails: BodyTooLarge.
    """
    lists, objects, commas = (count(mark, body) for mark in (b"[", b"{", b","))
    if lists + objects > max_rows + SPARE or commas > max_rows * width + SPARE:
        raise BodyTooLarge("body", max_rows, f"rows of {width} values", "more")


def decode_json(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    """Fails: Malformed when it is no JSON, FieldInvalid naming the place of a fault."""
    try:
        if not body.isascii():
            body.decode()  # msgspec doesn't look into names that it skips
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("JSON", str(error)) from None
    except RecursionError:
        raise Malformed("JSON", "lists nested too deep") from None


WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def explain(text: str) -> FieldInvalid:
    """msgspec's words in the form of our own: place, expected, received."""
    reason, _, place = text.partition(" - at `$")
    place = place.strip("`.") or "body"
    if match := re.fullmatch(r"Expected `(.+)`, got `(.+)`", reason):
        expected = " or ".join(WORDS.get(w, w) for w in match[1].split(" | "))
        received = WORDS.get(match[2], match[2])
        cell = re.search(r"\[(\d+)\]$", place) if received == "null" else None
        return FieldInvalid(place, expected, received, int(cell[1]) if cell else None)
    if match := re.search(r"missing required field `(.+)`", reason):
        return FieldInvalid(place, f"field {match[1]!r}", "none")
    return FieldInvalid(place, "a number within float64", reason.lower())
