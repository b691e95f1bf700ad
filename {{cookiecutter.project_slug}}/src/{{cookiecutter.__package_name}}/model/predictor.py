"""What serving loads: the files of a version in, `predict` with named outputs out."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactCorrupt
from . import kernels
from .arrays import Files, Floats, named, to_state

Outputs = dict[str, NDArray[Any]]


class Predictor:
    """`kernels.predict` bound to the state of one stored version.

    features: names of the d columns.  classes: names of the k classes, none for a
    regression.  files: of the version; of the state in them, what is named like an
    argument of `kernels.predict` is passed to it.
    """

    def __init__(
        self, features: Sequence[str], classes: Sequence[str], files: Files
    ) -> None:
        wanted = list(inspect.signature(kernels.predict).parameters)[1:]
        self.features = tuple(features)
        self.classes = tuple(classes)
        self.outputs = ("label", "probabilities") if classes else ("value",)
        self._labels = np.array(classes, dtype=object)
        self._state = tuple(named(to_state(files), wanted).values())

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
        """Compile, or load from the cache, all that a request will run.

        Fails: ArtifactCorrupt when answers come in another shape than they should.
        """
        for rows in (1, 2):
            X = np.zeros((rows, len(self.features)))
            expected = (rows, len(self.classes)) if self.classes else (rows,)
            received = np.shape(kernels.predict(X, *self._state))
            if received != expected:
                raise ArtifactCorrupt(
                    "predict in model/kernels.py",
                    f"{self.outputs[-1]} of shape {expected} for {rows} rows",
                    received,
                )
            self.predict(X)


def compilations() -> int:
    """How many signatures Numba has compiled or loaded so far, over all kernels."""
    return sum(len(getattr(f, "signatures", ())) for f in vars(kernels).values())
