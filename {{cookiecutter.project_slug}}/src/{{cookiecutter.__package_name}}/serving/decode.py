"""Request bytes in, a query out: the two protocols, in JSON and in binary.

msgspec reads a body and says exactly what is wrong with it and where. A large body of
the usual shape goes to simdjson first, which puts its numbers straight into an array.
"""

import re
import threading
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import simdjson
from numpy.typing import NDArray

from ..errors import BodyTooLarge, FieldInvalid, Malformed, MediaUnsupported
from ..model.kernels import Floats

INPUT = "features"
NUMBERS: dict[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
}
LARGE = 4096  # bytes from which on the second parser pays
EXACT = 2.0**53  # float64 holds every whole number up to here


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
    parameters: dict[str, Any] = {}


class V2Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class V2Body(msgspec.Struct):
    inputs: list[V2Input]
    id: str | None = None
    outputs: list[V2Output] | None = None
    parameters: dict[str, Any] = {}


v1_body = msgspec.json.Decoder(V1Body)
v2_body = msgspec.json.Decoder(V2Body)


class Parsers(threading.local):
    """A simdjson parser reuses its memory, so each thread has its own."""

    def __init__(self) -> None:
        self.parse: Callable[[bytes], Any] = simdjson.Parser().parse


parsers = Parsers()


def decode_v1(body: bytes, features: tuple[str, ...]) -> Query:
    """TensorFlow Serving's row form: lists, or objects by feature name.

    Fails: Malformed, FieldInvalid.
    """
    width = len(features)
    if len(body) > LARGE:
        X = rows_at_once(body, width)
        if X is not None:
            return Query(X)
    rows = decode_json(v1_body, body).instances
    if not rows:
        raise FieldInvalid("instances", "one row or more", "none")
    table = np.empty((len(rows), width))
    for i, row in enumerate(rows):
        if isinstance(row, dict):
            row = by_name(row, features, i)
        if len(row) != width:
            raise FieldInvalid(f"instances[{i}]", f"{width} numbers", f"{len(row)}")
        table[i] = row
    return Query(table)


def rows_at_once(body: bytes, width: int) -> Floats | None:
    """The rows when they are lists of `width` numbers and nothing else, or None."""
    try:
        rows = parsers.parse(body)["instances"]
        n = len(rows)
        # One bracket for the list, one for each row: nothing is nested deeper.
        if n == 0 or body.count(b"[") != n + 1:
            return None
        if not all(map(width.__eq__, map(len, rows))):
            return None
        return np.frombuffer(rows.as_buffer(of_type="d")).reshape(n, width)
    except (ValueError, KeyError, TypeError, RuntimeError):
        return None


def by_name(row: dict[str, float], features: tuple[str, ...], i: int) -> list[float]:
    if row.keys() != set(features):
        for name in features:
            if name not in row:
                raise FieldInvalid(f"instances[{i}]", f"feature {name!r}", "none")
        unknown = next(name for name in row if name not in features)
        raise FieldInvalid(
            f"instances[{i}]", f"features {', '.join(features)}", f"{unknown!r}"
        )
    return [row[name] for name in features]


def decode_v2(body: bytes, width: int, json_length: int | None) -> Query:
    """Open Inference Protocol. json_length: bytes of JSON before the binary tensors.

    Fails: Malformed, FieldInvalid.
    """
    if json_length is None and len(body) > LARGE:
        query = flat_at_once(body, width)
        if query is not None:
            return query
    if json_length is None:
        head, tail = body, b""
    else:
        head, tail = body[:json_length], body[json_length:]
        if len(head) != json_length:
            raise FieldInvalid(
                "Inference-Header-Content-Length", f"at most {len(body)}", json_length
            )
    request = decode_json(v2_body, head)
    if [tensor.name for tensor in request.inputs] != [INPUT]:
        names = ", ".join(repr(tensor.name) for tensor in request.inputs) or "none"
        raise FieldInvalid("inputs", f"one tensor, {INPUT!r}", names)
    tensor = request.inputs[0]
    n = check_shape(tensor.shape, width)
    kind = NUMBERS.get(tensor.datatype)
    if kind is None:
        raise FieldInvalid(
            f"inputs.{INPUT}.datatype", ", ".join(NUMBERS), repr(tensor.datatype)
        )
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if tail:
            raise FieldInvalid(
                f"inputs.{INPUT}.parameters",
                "binary_data_size, since bytes follow the JSON",
                "none",
            )
        values = from_lists(tensor.data, n, width, kind)
    else:
        values = from_bytes(tail, size, n * width, kind, tensor.data)
    wants_binary = request.parameters.get("binary_data_output") is True
    outputs = None
    if request.outputs is not None:
        outputs = {
            output.name: output.parameters.get("binary_data", wants_binary) is True
            for output in request.outputs
        }
    X = values.astype(np.float64, order="C").reshape(n, width)
    return Query(X, request.id, outputs, wants_binary)


def flat_at_once(body: bytes, width: int) -> Query | None:
    """The query when it is one flat tensor of numbers that JSON holds, or None."""
    try:
        request = parsers.parse(body)
        # Three brackets: inputs, shape and data; nothing nested, no outputs named.
        if body.count(b"[") != 3 or "parameters" in request:
            return None
        inputs = request["inputs"]
        tensor = inputs[0]
        n, d = tensor["shape"]
        if (
            len(inputs) != 1
            or tensor["name"] != INPUT
            or tensor["datatype"] != "FP64"
            or d != width
            or "parameters" in tensor
        ):
            return None
        name = request.get("id", None)
        if name is not None and not isinstance(name, str):
            return None
        values = np.frombuffer(tensor["data"].as_buffer(of_type="d"))
        return Query(values.reshape(n, width), name) if n > 0 else None
    except (ValueError, KeyError, TypeError, RuntimeError, IndexError):
        return None


def check_shape(shape: list[int], width: int) -> int:
    if len(shape) != 2 or shape[0] < 1 or shape[1] != width:
        raise FieldInvalid(f"inputs.{INPUT}.shape", f"[rows, {width}]", f"{shape}")
    return shape[0]


def from_lists(
    data: list[float | list[float]] | None, n: int, width: int, kind: np.dtype[Any]
) -> NDArray[Any]:
    """Flat or nested lists. Fails: FieldInvalid when they miss shape or datatype."""
    field = f"inputs.{INPUT}.data"
    if data is None:
        raise FieldInvalid(field, f"{n * width} numbers", "none")
    try:
        values = np.array(data, dtype=np.float64)
    except ValueError:
        expected = f"{n * width} numbers or {n} lists of {width}"
        raise FieldInvalid(field, expected, "lists that differ in length") from None
    if values.shape not in ((n * width,), (n, width)):
        received = " x ".join(map(str, values.shape))
        raise FieldInvalid(field, f"{n * width} or {n} x {width} numbers", received)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        low, high = max(limits.min, -EXACT), min(limits.max, EXACT)
        check_all(
            (values >= low) & (values <= high) & (values == np.trunc(values)),
            values,
            f"whole numbers from {low:.0f} to {high:.0f}",
        )
    return values


def from_bytes(
    tail: bytes, size: Any, count: int, kind: np.dtype[Any], data: object
) -> NDArray[Any]:
    """The binary tensor that follows the JSON, little-endian, in row order."""
    field = f"inputs.{INPUT}.parameters.binary_data_size"
    if data is not None:
        raise FieldInvalid(f"inputs.{INPUT}.data", "none beside binary data", "data")
    expected = count * kind.itemsize
    if type(size) is not int or size != expected:
        raise FieldInvalid(field, f"{expected}", f"{size!r}")
    if len(tail) != expected:
        raise FieldInvalid("body", f"{expected} bytes of tensor", f"{len(tail)}")
    values = np.frombuffer(tail, dtype=kind)
    if kind.kind == "f":
        check_all(np.isfinite(values), values, "finite numbers")
    elif kind.itemsize == 8:
        held = values.astype(np.float64).astype(kind) == values
        check_all(held, values, "numbers that float64 holds exactly")
    return values


def check_all(good: NDArray[np.bool_], values: NDArray[Any], expected: str) -> None:
    if not good.all():
        first = int(np.argmin(good))
        raise FieldInvalid(
            f"inputs.{INPUT}.data[{first}]", expected, f"{values[first]}"
        )


def decode_json(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    """Fails: Malformed when it is no JSON, FieldInvalid naming the place of a fault."""
    try:
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


def explain(text: str) -> FieldInvalid | Malformed:
    """msgspec's words in the form of our own: place, expected, received."""
    reason, _, place = text.partition(" - at `$")
    place = place.strip("`.") or "body"
    if match := re.fullmatch(r"Expected `(.+)`, got `(.+)`", reason):
        expected = " or ".join(WORDS.get(w, w) for w in match[1].split(" | "))
        return FieldInvalid(place, expected, WORDS.get(match[2], match[2]))
    if match := re.search(r"missing required field `(.+)`", reason):
        return FieldInvalid(place, f"field {match[1]!r}", "none")
    return FieldInvalid(place, "a number within float64", reason.lower())


def inflate(body: bytes, encoding: bytes, limit: int) -> bytes:
    """A gzip body as plain bytes.

    The size is measured first, chunk by chunk, so that a bomb never fills the memory.
    Fails: MediaUnsupported, Malformed, BodyTooLarge.
    """
    if encoding != b"gzip":
        raise MediaUnsupported(
            "content-encoding", "gzip or none", encoding.decode("latin-1")
        )
    try:
        size, rest, measure = 0, body, zlib.decompressobj(wbits=31)
        while rest and not measure.eof:
            size += len(measure.decompress(rest, 65_536))
            if size > limit:
                raise BodyTooLarge("body", limit, "bytes when inflated", f"{size}+")
            rest = measure.unconsumed_tail
        if not measure.eof or measure.unused_data:
            raise Malformed("one whole gzip stream", "a part, or more than one")
        return zlib.decompress(body, wbits=31, bufsize=max(size, 1))
    except zlib.error as error:
        raise Malformed("gzip", str(error)) from None
