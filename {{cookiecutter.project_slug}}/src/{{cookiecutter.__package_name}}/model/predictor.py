"""What serving loads: the files of a version in, `predict` with named outputs out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactCorrupt
from . import engine
from .arrays import Files, Floats

Outputs = dict[str, NDArray[Any]]


class Predictor:
    """The engine's `load`, bound to the names of one stored version.

    features: names of the d columns.  classes: names of the k classes, none for a
    regression.  files: those that `engine.files` made.
    """

    def __init__(
        self, features: Sequence[str], classes: Sequence[str], files: Files
    ) -> None:
        self.features = tuple(features)
        self.classes = tuple(classes)
        self.outputs = ("label", "probabilities") if classes else ("value",)
        self._labels = np.array(classes, dtype=object)
        self._run = engine.load(files)

    def predict(self, X: Floats) -> Outputs:
        """X: (n, d) float64, finite, C order.  Returns {output name: (n, …) array}.

        A classifier gives `label` (n,) and `probabilities` (n, k) in the order of
        `classes`; a regression gives `value` (n,).
        """
        answer = self._run(X)
        if not self.classes:
            return {"value": answer}
        return {"label": self._labels[answer.argmax(axis=1)], "probabilities": answer}

    def warm_up(self) -> None:
        """Compile, or load from the cache, everything that a request will run.

        Fails: ArtifactCorrupt when the answers have the wrong shape.
        """
        for rows in engine.WARM_UP_ROWS:
            X = np.zeros((rows, len(self.features)))
            expected = (rows, len(self.classes)) if self.classes else (rows,)
            received = np.shape(self._run(X))
            if received != expected:
                raise ArtifactCorrupt(
                    engine.WRITTEN_IN,
                    f"{self.outputs[-1]} of shape {expected} for {rows} rows",
                    received,
                )
            self.predict(X)


def compilations() -> int:
    """How many times the engine has compiled something, or loaded compiled code."""
    return engine.compilations()


def compiled_anew() -> int:
    """How many of these had to be compiled, as nothing compiled ahead could be used."""
    return engine.compiled_anew()
