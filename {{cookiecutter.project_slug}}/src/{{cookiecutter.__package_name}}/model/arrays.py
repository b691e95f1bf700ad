"""Named arrays to the bytes of weights.npz and back, without pickle; their types."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactCorrupt

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
Files = Mapping[str, bytes]

WEIGHTS = "weights.npz"


def pack(arrays: Arrays) -> bytes:
    """Fails: TypeError on an array that only pickle could store."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(
                f"array {name!r}: expected numbers or fixed-length text, received "
                "Python objects; store them as arrays of numbers, as in to_arrays"
            )
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Fails: ArtifactCorrupt on what only pickle could read, and on no archive."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactCorrupt(
            WEIGHTS, "an archive of arrays without Python objects", f"one: {error}"
        ) from None


def need(files: Files, name: str) -> bytes:
    """One file of a version. Fails: ArtifactCorrupt when it was made without it."""
    if name not in files:
        raise ArtifactCorrupt(
            "version",
            f"a file {name}",
            f"{', '.join(files) or 'none'}; it was adopted or made by another engine, "
            "train anew",
        )
    return files[name]


def named(arrays: Arrays, names: list[str]) -> dict[str, NDArray[Any]]:
    """Those arrays that are asked for. Fails: ArtifactCorrupt when one is missing."""
    if missing := [name for name in names if name not in arrays]:
        raise ArtifactCorrupt(
            "weights", f"arrays named {', '.join(names)}", f"no {missing[0]!r}"
        )
    return {name: np.ascontiguousarray(arrays[name]) for name in names}
