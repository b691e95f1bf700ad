"""Named output arrays in, response bytes out, in the form of either protocol."""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..model.predictor import Outputs
from .decode import Query
from .failures import Reply

encode_json = msgspec.json.Encoder().encode


class Prediction(msgspec.Struct):
    label: str
    probabilities: list[float]


def encode_v1(outputs: Outputs) -> bytes:
    """`{"predictions": [...]}`: an object per row, or a number for a regression."""
    rows: Iterable[Any]
    if "value" in outputs:
        rows = outputs["value"].tolist()
    else:
        rows = map(
            Prediction, outputs["label"].tolist(), outputs["probabilities"].tolist()
        )
    return encode_json({"predictions": list(rows)})


def encode_v2(outputs: Outputs, query: Query, name: str, version: str) -> Reply:
    """The Open Inference Protocol's response; binary tensors follow the JSON."""
    wanted = query.outputs
    if wanted is None:
        wanted = dict.fromkeys(outputs, query.binary)
    response: dict[str, Any] = {"model_name": name, "model_version": version}
    if query.id is not None:
        response["id"] = query.id
    tensors = []
    tail = []
    for output, binary in wanted.items():
        values = outputs[output]
        tensor: dict[str, Any] = {
            "name": output,
            "shape": values.shape,
            "datatype": datatype(values),
        }
        if binary:
            content = to_bytes(values)
            tensor["parameters"] = {"binary_data_size": len(content)}
            tail.append(content)
        else:
            tensor["data"] = values.ravel().tolist()
        tensors.append(tensor)
    response["outputs"] = tensors
    head = encode_json(response)
    if not tail:
        return Reply(head, rows=len(query.X))
    return Reply(
        b"".join([head, *tail]),
        content_type=b"application/octet-stream",
        headers=[(b"inference-header-content-length", b"%d" % len(head))],
        rows=len(query.X),
    )


def datatype(values: NDArray[Any]) -> str:
    return "BYTES" if values.dtype.hasobject else "FP64"


def to_bytes(values: NDArray[Any]) -> bytes:
    """Little-endian numbers; each string with its length before it in four bytes."""
    if not values.dtype.hasobject:
        return values.astype("<f8").tobytes()
    texts = [text.encode() for text in values.tolist()]
    return b"".join(np.uint32(len(text)).tobytes() + text for text in texts)
