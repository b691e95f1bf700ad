"""What serving loads: stored arrays in, a compiled `predict` with named outputs out."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactCorrupt
from . import kernels
from .kernels import Floats

Outputs = dict[str, NDArray[Any]]


class Predictor:
    """`kernels.predict` bound to the arrays of one stored version.

    features: names of the d columns.  classes: names of the k classes, none for a
    regression.  arrays: by name; those named like arguments of `kernels.predict` are
    passed to it.
    """

    def __init__(
        self,
        features: Sequence[str],
        classes: Sequence[str],
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:
        wanted = list(inspect.signature(kernels.predict).parameters)[1:]
        if missing := [name for name in wanted if name not in arrays]:
            raise ArtifactCorrupt(
                "weights", f"arrays named {', '.join(wanted)}", f"no {missing[0]!r}"
            )
        self.features = tuple(features)
        self.classes = tuple(classes)
        self.outputs = ("label", "probabilities") if classes else ("value",)
        self._labels = np.array(classes, dtype=object)
        self._state = tuple(np.ascontiguousarray(arrays[name]) for name in wanted)

    def predict(self, X: Floats) -> Outputs:
        """X: (n, d) float64, finite, C order.  Returns {output name: (n, …) array}.

        A classifier gives `label` (n,) and `probabilities` (n, k) in the order of
        `classes`; a regression gives `value` (n,).
        """
        answer = kernels.predict(X, *self._state)
        if not self.classes:
            return {"value": answer}
        return {"label": self._labels[answer.argmax(axis=1)], "probabilities": answer}

    def warm_up(self) -> None:
        """Compile, or load from the cache, all that a request will run."""
        for rows in (1, 2):
            self.predict(np.zeros((rows, len(self.features))))


def compilations() -> int:
    """How many signatures Numba has compiled or loaded so far, over all kernels."""
    return sum(len(getattr(f, "signatures", ())) for f in vars(kernels).values())


def compiled_anew() -> int:
    """How many of them no cache held."""
    stats = (getattr(f, "stats", None) for f in vars(kernels).values())
    return sum(sum(each.cache_misses.values()) for each in stats if each)
