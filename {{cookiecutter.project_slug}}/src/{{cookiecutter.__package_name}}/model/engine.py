"""The engine: a version holds arrays; `kernels.predict`, compiled by Numba, runs."""

import inspect
from collections.abc import Callable

from ..errors import AdoptionRefused
from . import kernels
from .arrays import Files, Floats, State, named, to_files, to_state

NAME = "numba"
PACKAGES = IMPORTS = ("numba",)  # what it needs beside NumPy where it serves
WRITTEN_IN = "model/kernels.py"  # where you say how rows become answers
WARM_UP_ROWS = (1, 2)


def files(state: State) -> dict[str, bytes]:
    """What a version stores. state: what the estimator's `to_arrays` gave, by name.

    Fails: StateRefused on what only pickle could store.
    """
    return to_files(state)


def load(files: Files) -> Callable[[Floats], Floats]:
    """X (n, d) to probabilities (n, k) or values (n,).

    Of the stored state, what is named like an argument of `kernels.predict` is passed.
    Fails: ArtifactCorrupt when something is missing.
    """
    wanted = list(inspect.signature(kernels.predict).parameters)[1:]
    state = tuple(named(to_state(files), wanted).values())
    return lambda X: kernels.predict(X, *state)


def adopt(*_: object) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Fails: AdoptionRefused, always: this engine runs kernels and no graphs."""
    raise AdoptionRefused(
        "engine",
        "onnx, which runs models from elsewhere",
        NAME,
        "render a project with the engine onnx, or write the model as kernels",
    )


def compilations() -> int:
    """How many signatures Numba has compiled or loaded so far, over all kernels."""
    return sum(len(getattr(f, "signatures", ())) for f in vars(kernels).values())


def compiled_anew() -> int:
    """How many of them no cache held."""
    stats = (getattr(f, "stats", None) for f in vars(kernels).values())
    return sum(sum(each.cache_misses.values()) for each in stats if each)
