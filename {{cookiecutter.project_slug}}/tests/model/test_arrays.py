"""What a model learned as bytes: it comes back as it was, and no pickle is ever run."""

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
    StateRefused,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    WEIGHTS,
    named,
    need,
    pack,
    to_files,
    to_state,
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


def test_arrays_alone_are_one_file() -> None:
    assert list(to_files({"coef": np.zeros(2), "count": np.float64(3)})) == [WEIGHTS]


def test_what_is_not_an_array_comes_back_as_it_was() -> None:
    state = {
        "neighbours": 5,
        "rate": 0.5,
        "metric": "manhattan",
        "sparse": False,
        "limit": None,
        "vocabulary": {"oak": 0, "Fässer": 1},
        "steps": [["scale", 1.0], ["clip", 2.5]],
    }
    files = to_files(state | {"coef": np.arange(3.0)})
    assert list(files) == [WEIGHTS, "state.json"]
    back = to_state(files)
    np.testing.assert_array_equal(back.pop("coef"), [0.0, 1.0, 2.0])
    assert back == state


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (np.array(["a", None], dtype=object), "an array of Python objects"),
        (Path("model.bin"), f"{type(Path()).__module__}.{type(Path()).__name__}"),
        ({"oak"}, "builtins.set"),
        (("a", 1), "builtins.tuple"),
        ([{"a": (1, 2)}], "builtins.list"),
        ({1: "a"}, "builtins.dict"),
        ([np.zeros(2)], "builtins.list"),
        (b"abc", "builtins.bytes"),
        (float("nan"), "builtins.float"),
        (len, "builtins.builtin_function_or_method"),
    ],
)
def test_what_would_not_come_back_as_it_was_is_refused(
    value: object, received: str
) -> None:
    with pytest.raises(StateRefused) as refusal:
        to_files({"coef": np.zeros(2), "extra": value})
    message = str(refusal.value)
    assert message.startswith("model state 'extra': expected an array of numbers or ")
    assert f", received {received}. Anything else needs pickle" in message


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


def test_a_kernel_gets_numbers_bare_and_arrays_in_one_piece() -> None:
    state = {"k": 3, "count": np.array(7.0), "coef": np.zeros((4, 4))[:, ::2]}
    given = named(state, ["count", "coef", "k"])
    assert (given["k"], given["count"], type(given["count"])) == (3, 7.0, float)
    assert list(given) == ["count", "coef", "k"]
    assert given["coef"].flags.c_contiguous


def test_a_missing_array_is_named() -> None:
    with pytest.raises(ArtifactCorrupt) as refusal:
        named({"mean": np.zeros(2)}, ["mean", "scale"])
    assert str(refusal.value) == (
        "model state: expected values named mean, scale, received no 'scale'"
    )


def test_a_file_of_another_engine_is_named() -> None:
    with pytest.raises(ArtifactCorrupt) as refusal:
        need({"weights.npz": b""}, "model.onnx")
    assert str(refusal.value) == (
        "version: expected a file model.onnx, received weights.npz; it was adopted "
        "or made by another engine, train anew"
    )
