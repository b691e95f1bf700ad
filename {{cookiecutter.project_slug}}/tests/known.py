"""Versions that only the tests know, in plain NumPy: whatever stands in `model/`,
the machinery's tests see one model with classes and one of numbers."""

import numpy as np

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Evaluation,
    Expected,
    Feature,
    Provenance,
    Signature,
    build,
)
from {{cookiecutter.__package_name}}.artifacts.reference import (
    Reference,
    answers_of,
    histogram,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
    to_files,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
    Predictor,
)

FEATURES = (
    Feature("length", "cm", -4.0, 1.0, 4.0),
    Feature("width", "mm", -4.0, 0.5, 4.0),
)
CLASSES = ("reed", "rush", "sedge")
WEIGHTS = np.array([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5]])
ROWS = np.random.default_rng(20261122).normal(size=(60, 2))


def values(X: Floats) -> Floats:
    return X @ np.array([2.0, -1.0])


def probabilities(X: Floats) -> Floats:
    scores = X @ WEIGHTS
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


class KnownPredictor(Predictor):
    def __init__(self, classes: tuple[str, ...]) -> None:
        self.features = tuple(feature.name for feature in FEATURES)
        self.classes = classes
        self.outputs = ("label", "probabilities") if classes else ("value",)

    def predict(self, X: Floats) -> Outputs:
        if not self.classes:
            return {"value": values(X)}
        P = probabilities(X)
        labels = np.array(self.classes, dtype=object)[P.argmax(axis=1)]
        return {"label": labels, "probabilities": P}

    def warm_up(self) -> None:
        """Nothing is compiled."""


class Known(Artifact, frozen=True):
    def predictor(self) -> Predictor:
        return KnownPredictor(self.manifest.signature.classes)


def known(classes: tuple[str, ...] = CLASSES) -> Artifact:
    """A version with these classes, or of numbers when there are none."""
    predict = KnownPredictor(classes).predict
    row = [feature.median for feature in FEATURES]
    outputs = predict(np.array([row])).items()
    made = build(
        MODEL_NAME,
        to_files({"weights": WEIGHTS}),
        Signature(
            "classification" if classes else "regression", "plant", FEATURES, classes
        ),
        Evaluation(rows=2, metrics={"accuracy": 1.0} if classes else {"mae": 0.0}),
        Evaluation(rows=2, metrics={"accuracy": 0.5} if classes else {"mae": 1.0}),
        [],
        Provenance("plants.csv", "abc", 6, {"method": "all"}, {}, None, {}),
        Expected(row, {name: each.ravel().tolist() for name, each in outputs}),
        Reference(
            tuple(map(histogram, ROWS.T)), answers_of(predict(ROWS), len(classes))
        ),
    )
    return Known(made.manifest, made.files)
