"""A random forest of scikit-learn's, served without scikit-learn.

`fit` and `predict_proba` are scikit-learn's own; `to_arrays` reads the trees out, so
that no pickle is needed. A forest can't go on learning, so there is no `update`.
"""

from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier


class Estimator(RandomForestClassifier):
    """n_estimators: how many trees.  random_state: seed of their rows and columns."""

    def __init__(self, n_estimators: int = 50, random_state: int | None = 0) -> None:
        super().__init__(n_estimators=n_estimators, random_state=random_state)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The nodes of all trees in a row; their numbers count along that row."""
        trees = [each.tree_ for each in self.estimators_]
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
