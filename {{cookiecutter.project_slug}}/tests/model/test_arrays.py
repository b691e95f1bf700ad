"""Arrays as bytes: what was packed comes back, and no pickle is ever run."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    ArtifactCorrupt,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    named,
    need,
    pack,
    unpack,
)


def test_arrays_come_back_as_they_were() -> None:
    arrays = {
        "coef": np.arange(6.0).reshape(2, 3),
        "count": np.array(133.0),
        "empty": np.empty((0, 3)),
        "names": np.array(["barolo", "Nebbiolo d'Alba"]),
    }
    back = unpack(pack(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_packing_twice_gives_the_same_bytes(artifact: Artifact) -> None:
    assert pack(artifact.arrays) == artifact.files["weights.npz"]


def test_python_objects_are_not_packed() -> None:
    with pytest.raises(TypeError) as refusal:
        pack({"coef": np.zeros(2), "names": np.array(["a", None], dtype=object)})
    assert str(refusal.value) == (
        "array 'names': expected numbers or fixed-length text, received Python "
        "objects; store them as arrays of numbers, as in to_arrays"
    )


OBJECTS = r"weights\.npz: expected an archive of arrays without Python objects"


class Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_among_the_arrays_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "run"
    buffer = io.BytesIO()
    np.savez(buffer, coef=np.array([Trap(trap)], dtype=object))
    with pytest.raises(ArtifactCorrupt, match=OBJECTS):
        unpack(buffer.getvalue())
    assert not trap.exists()


def test_a_pickle_in_place_of_the_arrays_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "run"
    with pytest.raises(ArtifactCorrupt, match=OBJECTS):
        unpack(pickle.dumps(Trap(trap)))
    assert not trap.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more"])
def test_what_is_no_archive_of_arrays_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactCorrupt, match=OBJECTS):
        unpack(content)


def test_a_missing_array_is_named() -> None:
    with pytest.raises(ArtifactCorrupt) as refusal:
        named({"mean": np.zeros(2)}, ["mean", "scale"])
    assert str(refusal.value) == (
        "weights: expected arrays named mean, scale, received no 'scale'"
    )


def test_a_file_of_another_engine_is_named() -> None:
    with pytest.raises(ArtifactCorrupt) as refusal:
        need({"weights.npz": b""}, "model.onnx")
    assert str(refusal.value) == (
        "version: expected a file model.onnx, received weights.npz; it was adopted "
        "or made by another engine, train anew"
    )
