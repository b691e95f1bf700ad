"""Tensor data in, exact float64 numbers out, or a refusal that names the place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FieldInvalid
from ..model.arrays import Floats

Kind = np.dtype[Any]

DATATYPES: dict[str, Kind] = {
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
# JSON's whole numbers were decoded as float64; up to this size no two of them become
# equal.
EXACT = 2.0**53 - 1


def from_lists(field: str, data: object, n: int, width: int, kind: Kind) -> Floats:
    """Flat or nested lists as (n, width). Fails: FieldInvalid."""
    received = "none"
    if data is not None:
        try:
            values = np.asarray(data, dtype=np.float64)
        except ValueError:
            received = "lists that differ in length, or a mixture"
        else:
            if values.shape in ((n * width,), (n, width)):
                check_held(field, values, kind)
                return values.reshape(n, width)
            received = " x ".join(map(str, values.shape))
    expected = f"{n * width} numbers or {n} lists of {width}"
    raise FieldInvalid(field, expected, received)


def check_held(field: str, values: Floats, kind: Kind) -> None:
    """Fails: FieldInvalid on a number that the datatype can't hold."""
    if kind == values.dtype:
        return
    if kind.kind == "f":
        largest = float(np.finfo(kind).max)
        good = np.abs(values) <= largest
        _check_all(field, good, values, f"at most {largest:g} in size")
        return
    limits = np.iinfo(kind)
    low, high = max(limits.min, -EXACT), min(limits.max, EXACT)
    good = (values >= low) & (values <= high) & (values == np.trunc(values))
    _check_all(field, good, values, f"whole numbers from {low:.0f} to {high:.0f}")


def from_bytes(field: str, content: bytes, n: int, width: int, kind: Kind) -> Floats:
    """Little-endian numbers in row order as (n, width). Fails: FieldInvalid."""
    values = np.frombuffer(content, dtype=kind)
    floats = values.astype(np.float64)
    if kind.kind == "f":
        _check_all(field, np.isfinite(values), values, "finite numbers")
    elif kind.itemsize == 8:
        # 2^63 and 2^64 can't be cast back: the result would be undefined.
        fits = floats < (2.0**63 if kind.kind == "i" else 2.0**64)
        back = np.where(fits, floats, 0.0).astype(kind)
        held = fits & (back == values)
        _check_all(field, held, values, "numbers that float64 holds exactly")
    return floats.reshape(n, width)


def _check_all(
    field: str, good: NDArray[np.bool_], values: NDArray[Any], expected: str
) -> None:
    if not good.all():
        first = int(np.argmin(good))
        received = values.ravel()[first]
        missing = first if np.isnan(received) else None
        raise FieldInvalid(f"{field}[{first}]", expected, received, missing)
