"""Serves a model that nobody trained: `python made_up_models.py NAME`, on PORT.

Run by a rendered project's own Python, since it takes the project's parts.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from wine_classifier import MODEL_NAME
from wine_classifier.app import create_api
from wine_classifier.artifacts.artifact import (
    Artifact,
    Evaluation,
    Example,
    Feature,
    Provenance,
    Signature,
    build,
)
from wine_classifier.model import kernels
from wine_classifier.model.arrays import WEIGHTS, pack
from wine_classifier.serving.edge import Edge
from wine_classifier.serving.server import run
from wine_classifier.serving.service import Service
from wine_classifier.settings import Settings

MADE = Provenance("made-up.csv", "0" * 64, 100, {}, {}, None, {})
ADOPTED = Provenance("made-up.csv", "0" * 64, 0, {}, {}, None, {})


def rent() -> Artifact:
    """One input, a number for an answer: twice as much. Learned who knows where."""
    kernels.predict = lambda X, slope: X @ slope  # noqa: N803
    signature = Signature(
        "regression",
        "rent",
        (Feature("floor_area", "m²", 20.0, 75.0, 240.0, missing=60.0),),
        (),
        target_range=(40.0, 480.0),
        examples=(Example((100.0,), 210.0),),
    )
    judged = Evaluation(rows=50, metrics={"mae": 8.0, "r2": 0.91, "rmse": 10.0})
    files = {WEIGHTS: pack({"slope": np.array([2.0])})}
    return build(MODEL_NAME, files, signature, judged, judged, [], ADOPTED)


def faults() -> Artifact:
    """Two hundred inputs, thirty classes: the one with the largest input wins."""

    def predict(X: np.ndarray, share: np.ndarray) -> np.ndarray:  # noqa: N803
        rising = np.exp(X[:, :30] - X[:, :30].max(axis=1, keepdims=True)) * share
        return rising / rising.sum(axis=1, keepdims=True)

    kernels.predict = predict
    features = tuple(
        Feature(f"x{place}", "bar", -1.0, place / 1000, 9.0) for place in range(200)
    )
    classes = tuple(f"fault {place}" for place in range(30))
    judged = Evaluation(rows=50, metrics={"accuracy": 0.9})
    signature = Signature("classification", "fault", features, classes)
    files = {WEIGHTS: pack({"share": np.ones(30)})}
    return build(MODEL_NAME, files, signature, judged, judged, [], MADE)


if __name__ == "__main__":
    settings = Settings(port=int(os.environ["PORT"]), drain_s=0.0)
    artifact = {"rent": rent, "faults": faults}[sys.argv[1]]()
    run(Edge(Service(settings, load=lambda: artifact), create_api), settings, {})
