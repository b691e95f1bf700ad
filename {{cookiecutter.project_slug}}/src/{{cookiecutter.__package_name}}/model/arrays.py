"""Types of a model's data; turns learned state into files and back, without pickle.

Arrays go into weights.npz; anything else that a model keeps, into state.json.
"""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactCorrupt, StateRefused

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Arrays = Mapping[str, NDArray[Any]]
State = Mapping[str, Any]  # arrays, numbers, text, and lists or dicts of these
Files = Mapping[str, bytes]

WEIGHTS = "weights.npz"
STATE = "state.json"  # only when a model keeps more than arrays


def to_files(state: State) -> dict[str, bytes]:
    """state: what the estimator's `to_arrays` returned, by name.

    Fails: StateRefused on a value that would come back from the files changed.
    """
    check_state(state)
    files = {WEIGHTS: pack({k: np.asarray(v) for k, v in state.items() if is_array(v)})}
    if rest := {k: v for k, v in state.items() if not is_array(v)}:
        files[STATE] = msgspec.json.encode(rest)
    return files


def to_state(files: Files) -> dict[str, Any]:
    """The whole stored state, by name, unchanged. Fails: ArtifactCorrupt."""
    rest = msgspec.json.decode(files.get(STATE, b"{}"))
    return {**unpack(need(files, WEIGHTS)), **rest}


def check_state(state: State) -> None:
    """Fails: StateRefused on what only pickle could store."""
    for name, value in state.items():
        if is_array(value):
            if value.dtype.hasobject:
                raise StateRefused(name, "an array of Python objects")
        elif not survives_json(value):
            kind = type(value)
            raise StateRefused(name, f"{kind.__module__}.{kind.__qualname__}")


def is_array(value: object) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def survives_json(value: Any) -> bool:
    """Whether JSON gives it back equal; not so a tuple, a set, a key 1 or NaN."""
    try:
        return bool(msgspec.json.decode(msgspec.json.encode(value)) == value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False


def pack(arrays: Arrays) -> bytes:
    """All the arrays as the bytes of one npz archive."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Fails: ArtifactCorrupt on Python objects, or when content is no archive."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactCorrupt(
            WEIGHTS, "an archive of arrays without Python objects", f"one: {error}"
        ) from None


def need(files: Files, name: str) -> bytes:
    """One file of a version. Fails: ArtifactCorrupt when the version lacks it."""
    if name not in files:
        raise ArtifactCorrupt(
            "version",
            f"a file {name}",
            f"{', '.join(files) or 'none'}; it was adopted or made by another engine, "
            "train anew",
        )
    return files[name]


def named(state: State, names: list[str]) -> dict[str, Any]:
    """The named values, ready for a kernel: plain numbers, contiguous arrays.

    Fails: ArtifactCorrupt when one is missing.
    """
    if missing := [name for name in names if name not in state]:
        raise ArtifactCorrupt(
            "model state", f"values named {', '.join(names)}", f"no {missing[0]!r}"
        )
    return {name: bare(state[name]) for name in names}


def bare(value: Any) -> Any:
    if not is_array(value):
        return value
    return np.ascontiguousarray(value) if value.ndim else value.item()
