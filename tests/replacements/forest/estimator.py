"""A random forest of scikit-learn's, served without scikit-learn.

scikit-learn does the learning; `to_arrays` reads the trees out, so that no pickle is
needed. A forest can't go on learning, so there is no `update`.
"""

from itertools import accumulate
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils.validation import check_is_fitted, validate_data

from .arrays import Floats


class Estimator(ClassifierMixin, BaseEstimator):
    """trees: how many.  random_state: seed of the rows and columns that each sees.

    Learned: classes_ (k,), and forest_, which knows them by their numbers.
    """

    classes_: NDArray[Any]

    def __init__(self, trees: int = 50, random_state: int | None = 0) -> None:
        self.trees = trees
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from nothing. X: (n, d) finite numbers.  y: (n,) labels."""
        rows, labels = validate_data(self, X, y, dtype=np.float64, order="C")
        forest = RandomForestClassifier(self.trees, random_state=self.random_state)
        self.forest_ = forest.fit(rows, labels)
        self.classes_ = forest.classes_
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probability of each class, (n, k), in the order of `classes_`."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, order="C", reset=False)
        shares: Floats = self.forest_.predict_proba(rows)
        return shares

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class of each row, (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        likeliest: NDArray[Any] = self.classes_[best]
        return likeliest

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The nodes of all trees in a row; their numbers count along that row."""
        trees = [each.tree_ for each in self.forest_.estimators_]
        sizes = [tree.node_count for tree in trees]
        roots = list(accumulate(sizes[:-1], initial=0))
        first = np.repeat(roots, sizes)
        left = np.concatenate([tree.children_left for tree in trees])
        right = np.concatenate([tree.children_right for tree in trees])
        return {
            "roots": np.array(roots),
            "feature": np.concatenate([tree.feature for tree in trees]),
            "threshold": np.concatenate([tree.threshold for tree in trees]),
            "left": np.where(left < 0, left, left + first),
            "right": np.where(right < 0, right, right + first),
            "share": np.concatenate([tree.value[:, 0, :] for tree in trees]),
        }
