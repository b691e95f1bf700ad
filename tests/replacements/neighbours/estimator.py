"""Nearest neighbours with a kernel of our own; state that is more than arrays."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from . import kernels
from .arrays import Floats


class Estimator(ClassifierMixin, BaseEstimator):
    """neighbours: how many vote.  metric: "manhattan" or "euclidean".

    Learned: classes_ (k,), known_ (m, d) all rows in standardised units, label_ (m,)
    their class numbers, mean_ (d,) and scale_ (d,) of the features.
    """

    classes_: NDArray[Any]

    def __init__(self, neighbours: int = 7, metric: str = "manhattan") -> None:
        self.neighbours = neighbours
        self.metric = metric

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Remember the rows. X: (n, d) finite numbers.  y: (n,) labels."""
        checked: tuple[Floats, NDArray[Any]] = validate_data(
            self, X, y, dtype=np.float64, order="C"
        )
        rows, labels = checked
        check_classification_targets(labels)
        self.classes_, self.label_ = np.unique(labels, return_inverse=True)
        self.mean_ = rows.mean(axis=0)
        spread = rows.std(axis=0)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        self.known_ = (rows - self.mean_) / self.scale_
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Share of the votes for each class, (n, k), in the order of `classes_`."""
        check_is_fitted(self)
        X_: Floats = validate_data(self, X, dtype=np.float64, order="C", reset=False)
        return kernels.predict(X_, **self.to_arrays())

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class that most of the neighbours have, (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        winners: NDArray[Any] = self.classes_[best]
        return winners

    def to_arrays(self) -> dict[str, Any]:
        """Arrays, and a dict of settings, which is stored as JSON."""
        settings = {
            "neighbours": self.neighbours,
            "metric": self.metric,
            "classes": len(self.classes_),
        }
        return {
            "mean": self.mean_,
            "scale": self.scale_,
            "known": self.known_,
            "label": self.label_,
            "settings": settings,
        }
