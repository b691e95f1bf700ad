"""Named output arrays in, response bytes out, in the form of either protocol."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..model.predictor import Outputs
from .decode import Query
from .failures import Reply

# Rows, or numbers, encoded in one call, which no other thread can interrupt.
SLICE = 2000
NUMBERS = 8000

# How NaN and infinity are encoded. For a single row they are found by searching the
# text for this, which takes a fiftieth of the time.
NAN = b"null"

encode_json = msgspec.json.Encoder().encode


class Prediction(msgspec.Struct, gc=False):
    label: str
    probabilities: list[float]


class Tensor(msgspec.Struct, omit_defaults=True):
    name: str
    shape: tuple[int, ...]
    datatype: str
    data: Any = None
    parameters: dict[str, int] | None = None


class V2Response(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str | None = None


def encode_v1(outputs: Outputs) -> bytes:
    """`{"predictions": [...]}`: an object per row, or a number for a regression."""
    n = len(next(iter(outputs.values())))
    if n <= SLICE:
        rows = encode_json(v1_rows(outputs))
        if n > 1 or NAN in rows:
            check_finite(outputs)
        return b'{"predictions":%b}' % rows
    check_finite(outputs)
    parts = [
        encode_json(v1_rows({k: v[i : i + SLICE] for k, v in outputs.items()}))[1:-1]
        for i in range(0, n, SLICE)
    ]
    parts[0] = b'{"predictions":[' + parts[0]
    parts[-1] += b"]}"
    return b",".join(parts)  # copies everything only once


def v1_rows(outputs: Outputs) -> list[Any]:
    if "value" in outputs:
        values: list[Any] = outputs["value"].tolist()
        return values
    labels, probabilities = outputs["label"], outputs["probabilities"]
    return list(map(Prediction, labels.tolist(), probabilities.tolist()))


def encode_v2(outputs: Outputs, query: Query, name: str, version: str) -> Reply:
    """The Open Inference Protocol's response; binary tensors follow the JSON."""
    wanted = query.outputs
    if wanted is None:
        wanted = dict.fromkeys(outputs, query.binary)
    tensors, tail = [], []
    for output, binary in wanted.items():
        values = outputs[output]
        datatype = "BYTES" if values.dtype.hasobject else "FP64"
        if binary:
            tail.append(to_bytes(values))
            size = {"binary_data_size": len(tail[-1])}
            tensors.append(Tensor(output, values.shape, datatype, parameters=size))
        else:
            tensors.append(Tensor(output, values.shape, datatype, to_json(values)))
    head = encode_json(V2Response(name, version, tensors, query.id))
    if tail or len(query.X) > 1 or NAN in head:
        check_finite(outputs)
    if not tail:
        return Reply(head, rows=len(query.X))
    return Reply(
        b"".join([head, *tail]),
        content_type=b"application/octet-stream",
        headers=[(b"inference-header-content-length", b"%d" % len(head))],
        rows=len(query.X),
    )


def check_finite(outputs: Outputs) -> None:
    """Fails: FloatingPointError, a fault of the model, naming output and row."""
    for name, values in outputs.items():
        if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
            row = int(np.argwhere(~finite)[0, 0])
            raise FloatingPointError(f"the model's {name} of row {row} is not finite")


def to_json(values: NDArray[Any]) -> Any:
    """The flat data of a tensor, as a list or as JSON made slice by slice."""
    flat = values.ravel()
    if len(flat) <= NUMBERS:
        return flat.tolist()
    parts = [
        encode_json(flat[i : i + NUMBERS].tolist())[1:-1]
        for i in range(0, len(flat), NUMBERS)
    ]
    return msgspec.Raw(b"[%b]" % b",".join(parts))


def to_bytes(values: NDArray[Any]) -> bytes:
    """Little-endian numbers; or strings, each preceded by its length in four bytes."""
    if not values.dtype.hasobject:
        return values.astype("<f8").tobytes()
    texts = values.tolist()
    packed = {text: with_length(text.encode()) for text in set(texts)}
    return b"".join(map(packed.__getitem__, texts))


def with_length(text: bytes) -> bytes:
    return len(text).to_bytes(4, "little") + text
