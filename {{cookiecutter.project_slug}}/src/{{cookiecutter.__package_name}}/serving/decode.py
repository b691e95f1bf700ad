"""Request bytes in, a query out: the two protocols, in JSON and in binary.

A large body of the usual shape is read by quick.py; all others by careful.py, which
says exactly what is wrong with them and where.
"""

import re
from typing import Any

import msgspec
import numpy as np

from ..errors import FieldInvalid, Malformed
from ..model.arrays import Floats
from .careful import (
    check_size,
    decode_json,
    in_our_words,
    parts,
    refuse_malformed,
    set_apart,
)
from .numbers import DATATYPES, from_bytes, from_lists
from .quick import Place, first, numbers_at_once, rows_at_once

INPUT = "features"
DATA = f"inputs.{INPUT}.data"
LARGE = 4096  # above so many bytes the quick way pays off
IN_OBJECT = re.compile(r"instances\[(\d+)\]\[\.\.\.\]:")  # as msgspec writes it
RAGGED = [[0.0], 0.0]  # stands for data that was read in parts and is no table

Json = dict[str, Any]
Data = Floats | list[Any]


class Query(msgspec.Struct):
    """X: (n, d) float64 in C order.  outputs: name → whether binary; None means all."""

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


class V1Rows(msgspec.Struct):
    """As V1Body, with each row as the JSON that was sent."""

    instances: list[msgspec.Raw]


v1_body = msgspec.json.Decoder(V1Body)
v1_rows = msgspec.json.Decoder(V1Rows)
members = msgspec.json.Decoder(dict[str, msgspec.Raw])
number = msgspec.json.Decoder(float)
v2_body = msgspec.json.Decoder(V2Body)


def decode_v1(body: bytes, features: tuple[str, ...], max_rows: int) -> Query:
    """TensorFlow Serving's row form: lists, or objects by feature name.

    Fails: Malformed, FieldInvalid, BodyTooLarge.
    """
    X = large_v1(body, features, max_rows) if len(body) > LARGE else None
    return Query(read_rows(body, features) if X is None else X)


def large_v1(body: bytes, features: tuple[str, ...], max_rows: int) -> Floats | None:
    """The rows, read quickly or some at a time; None when they can't be."""
    width = len(features)
    found = set_apart(body, b"instances", v1_body)
    X = rows_at_once(body, found[1], width, max_rows) if found else None
    if X is not None:
        return X
    check_size(body, width, max_rows)
    tables, n = [], 0
    try:
        for part in parts(body, found[1]) if found else ():
            tables.append(read_rows(part, features, n))
            n += len(tables[-1])
    except Malformed:  # a part by itself; the whole may be right
        tables = []
    if not tables:
        refuse_malformed(v1_body, body, b"instances")
    return np.concatenate(tables) if tables else None


def read_rows(body: bytes, features: tuple[str, ...], before: int = 0) -> Floats:
    """before: how many rows came in earlier parts of the request."""
    try:
        rows = decode_json(v1_body, body, before).instances
    except FieldInvalid as error:
        raise fault_by_name(body, features, before, error) or error from None
    if not rows:
        raise FieldInvalid("instances", "one row or more", "none")
    width = len(features)
    table = np.empty((len(rows), width))
    for i, row in enumerate(rows, before):
        if isinstance(row, dict):
            row = by_name(row, features, i)
        if len(row) != width:
            raise FieldInvalid(f"instances[{i}]", f"{width} numbers", len(row))
        table[i - before] = row
    return table


def by_name(row: dict[str, float], features: tuple[str, ...], i: int) -> list[float]:
    if row.keys() != set(features):
        for name in features:
            if name not in row:
                place = f"instances[{i}]"
                raise FieldInvalid(place, f"feature {name!r}", "none", missing=name)
        raise unknown(next(name for name in row if name not in features), features, i)
    return [row[name] for name in features]


def unknown(name: str, features: tuple[str, ...], i: int) -> FieldInvalid:
    expected = f"features {', '.join(features)}"
    return FieldInvalid(f"instances[{i}]", expected, repr(name))


def fault_by_name(
    body: bytes, features: tuple[str, ...], before: int, fault: FieldInvalid
) -> FieldInvalid | None:
    """msgspec doesn't say which member of an object is wrong, so find it here."""
    place = IN_OBJECT.match(str(fault))
    if place is None:
        return None
    i = int(place[1])
    try:
        row = members.decode(v1_rows.decode(body).instances[i - before])
        for name, value in row.items():
            text = bytes(value)
            if found := no_number(text):
                if name not in features:
                    return unknown(name, features, i)
                field = f"instances[{i}].{name}"
                if text == b"null":
                    return FieldInvalid(field, "a number", "null", missing=name)
                return in_our_words(f"{found} - at `$.{field}`", 0)
    except (msgspec.DecodeError, RecursionError, LookupError):
        pass  # other faults, after the one that was found
    return None


def no_number(value: bytes) -> str | None:
    """Why the value is not a number, in msgspec's words; None if it is one."""
    try:
        number.decode(value)
    except msgspec.ValidationError as error:
        return str(error)
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
    large = large_v2(head, width, max_rows) if len(head) > LARGE else None
    request, data = large or (decode_json(v2_body, head), None)
    X = read_tensor(request.inputs, tail, width, data)
    if not request.outputs and not request.parameters:
        return Query(X, request.id)
    wants_binary = (request.parameters or {}).get("binary_data_output") is True
    outputs = {
        output.name: (output.parameters or {}).get("binary_data", wants_binary) is True
        for output in request.outputs or ()
    }
    return Query(X, request.id, outputs or None, wants_binary)


def large_v2(head: bytes, width: int, max_rows: int) -> tuple[V2Body, Data] | None:
    """The request and, read quickly or in parts, its data; None when they can't be."""
    found = set_apart(head, b"data", v2_body)
    # The list that was found may belong to something else.
    if found is None or [tensor.data for tensor in found[0].inputs] != [[]]:
        check_size(head, width, max_rows)
        refuse_malformed(v2_body, head, b"data")
        return None
    request, place = found
    data: Data | None
    if first(head, place[0]) == b"[":
        data = rows_at_once(head, place, width, max_rows)
    else:
        data = numbers_at_once(head, place, max_rows * width)
    if data is None:
        check_size(head, width, max_rows)
        data = numbers_in_parts(head, place)
    return None if data is None else (request, data)


def numbers_in_parts(head: bytes, place: Place) -> Data | None:
    arrays, n = [], 0
    try:
        for part in parts(head, place):
            data = decode_json(v2_body, part, n).inputs[0].data
            arrays.append(np.array(data, dtype=np.float64))
            n += len(data)
        return np.concatenate(arrays)
    except ValueError:
        return RAGGED
    except Malformed:  # a part by itself; the whole may be right
        refuse_malformed(v2_body, head, b"data")
        return None


def read_tensor(
    inputs: list[V2Input], tail: bytes, width: int, data: Data | None
) -> Floats:
    """The one input tensor, from its lists or from the bytes after the JSON.

    data: its numbers, if they have been read already.
    """
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
        lists = tensor.data if data is None else data
        return from_lists(DATA, lists, shape[0], width, kind)
    if tensor.data is not None:
        raise FieldInvalid(DATA, "none beside binary_data_size", "data")
    expected_size = shape[0] * width * kind.itemsize
    if type(size) is not int or size != expected_size:
        field = f"inputs.{INPUT}.parameters.binary_data_size"
        raise FieldInvalid(field, str(expected_size), repr(size))
    if len(tail) != expected_size:
        raise FieldInvalid("body", f"{expected_size} bytes of tensor", len(tail))
    return from_bytes(DATA, tail, shape[0], width, kind)
