"""Ridge regression that goes on learning exactly: batches add up to the whole."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from . import kernels
from .arrays import Floats


class Estimator(RegressorMixin, BaseEstimator):
    """l2: weight of the penalty on the squared coefficients, in standardised units.

    Learned: coef_ (d,) and intercept_ in the target's unit; A_ and v_, the sums that
    they are made from.
    """

    def __init__(self, l2: float = 1e-3) -> None:
        self.l2 = l2

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from nothing. X: (n, d) finite numbers.  y: (n,) finite numbers."""
        return self._learn(X, y, first=True)

    def update(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Go on from what is known; the order and size of batches do not matter."""
        return self._learn(X, y, first=not hasattr(self, "A_"))

    partial_fit = update

    def predict(self, X: ArrayLike) -> Floats:
        """The expected target of each row, (n,)."""
        check_is_fitted(self)
        X_: Floats = validate_data(self, X, dtype=np.float64, order="C", reset=False)
        return kernels.predict(X_, self.coef_, self.intercept_)

    def to_arrays(self) -> dict[str, Any]:
        """All that was learned: arrays, and one number."""
        return {
            "coef": self.coef_,
            "intercept": self.intercept_,
            "A": self.A_,
            "v": self.v_,
        }

    def from_arrays(self, state: Mapping[str, Any], classes: Sequence[str]) -> Self:
        """Go on from what `to_arrays` returned; a number has no classes."""
        if classes:
            raise ValueError(f"classes: expected none, received {list(classes)}")
        self.A_, self.v_ = state["A"].copy(), state["v"].copy()
        self.n_features_in_ = len(self.v_) - 1
        return self._solve()

    def _learn(self, X: ArrayLike, y: ArrayLike, *, first: bool) -> Self:
        checked: tuple[Floats, Floats] = validate_data(
            self, X, y, dtype=np.float64, order="C", reset=first, y_numeric=True
        )
        # Numba would compile once more for an array that can't be written to.
        rows, target = (np.require(each, float, ["C", "W"]) for each in checked)
        if first:
            width = self.n_features_in_ + 1
            self.A_, self.v_ = np.zeros((width, width)), np.zeros(width)
        kernels.add_rows(rows, target, self.A_, self.v_)
        return self._solve()

    def _solve(self) -> Self:
        """Coefficients from the sums, each feature weighed by its own spread."""
        count, sums = self.A_[0, 0], self.A_[0, 1:]
        mean = sums / count
        covariance = self.A_[1:, 1:] / count - np.outer(mean, mean)
        spread = np.sqrt(np.maximum(covariance.diagonal(), 1e-12))
        target = self.v_[0] / count
        slopes = (self.v_[1:] / count - target * mean) / spread
        within = covariance / np.outer(spread, spread)
        solved = np.linalg.solve(within + self.l2 * np.eye(len(spread)), slopes)
        self.coef_ = solved / spread
        self.intercept_ = float(target - self.coef_ @ mean)
        return self
