"""The learning pattern: fit, update, predict. Yours to replace; see the README.

`fit` starts from nothing and may pass over the data many times; `update` continues
from the learned state and sees each row once; `predict` never changes anything. The
class passes scikit-learn's own `check_estimator`, so its tools (pipelines, searches,
cross-validation) work with it.
"""

import logging
import time
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from . import kernels
from .arrays import Floats

log = logging.getLogger(__name__)

PATIENCE = 5  # passes without improvement after which `fit` stops


class Estimator(ClassifierMixin, BaseEstimator):
    """Standardise, then softmax regression by stochastic gradient descent.

    epochs: maximum passes over the data in `fit`.  tolerance: `fit` stops when five
    passes in a row have not improved the mean log loss by this much (nats).
    learning_rate: size of the first step.  l2: weight of the penalty |W|^2 / 2.
    random_state: seed of the row order in `fit`.

    Learned: classes_ (k,), coef_ (k, d) and intercept_ (k,) in standardised units;
    mean_ (d,), m2_ (d,) and count_, the running moments; steps_ taken so far.
    """

    classes_: NDArray[Any]
    coef_: Floats
    intercept_: Floats
    mean_: Floats
    m2_: Floats
    count_: float
    steps_: float
    n_iter_: int

    def __init__(
        self,
        epochs: int = 100,
        tolerance: float = 1e-3,
        learning_rate: float = 0.05,
        l2: float = 1e-3,
        random_state: int | None = 0,
    ) -> None:
        self.epochs = epochs
        self.tolerance = tolerance
        self.learning_rate = learning_rate
        self.l2 = l2
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn anew. X: (n, d) finite numbers.  y: (n,) labels of 2 classes or more.

        Fails: ValueError when X is not finite, shapes differ or y has only one class.
        """
        X, y = self._checked(X, y, first=True)
        self._start(np.unique(y), X.shape[1])
        codes = np.searchsorted(self.classes_, y)
        self.count_ = kernels.moments(X, 0.0, self.mean_, self.m2_)
        Z = kernels.standardise(X, self.mean_, self.scale_)
        order = np.arange(len(Z))
        random = check_random_state(self.random_state)
        best, best_epoch = np.inf, 0
        said = time.monotonic()
        for epoch in range(1, self.epochs + 1):
            random.shuffle(order)
            self.steps_, loss = kernels.sgd_epoch(
                Z,
                codes,
                order,
                self.coef_,
                self.intercept_,
                self.learning_rate,
                self.l2,
                self.steps_,
            )
            self.n_iter_ = epoch
            if loss < best - self.tolerance:
                best, best_epoch = loss, epoch
            elif epoch - best_epoch >= PATIENCE:
                break
            if time.monotonic() - said > 1.0:
                log.info("epoch %d of %d: log loss %.4f", epoch, self.epochs, loss)
                said = time.monotonic()
        return self

    def update(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None
    ) -> Self:
        """Learn from each row once, in order, continuing from the learned state.

        Two updates leave exactly the state that one update with all their rows leaves.
        `classes` (k,) names every label that may ever come; the first call needs it.
        Fails: ValueError as in `fit`, and on a label or width not in the first call.
        """
        first = not hasattr(self, "classes_")
        X, y = self._checked(X, y, first=first)
        if first:
            if classes is None:
                raise ValueError("classes must be passed on the first call to update.")
            self._start(np.unique(np.asarray(classes)), X.shape[1])
        elif classes is not None and set(np.unique(classes)) != set(self.classes_):
            raise ValueError(
                f"classes: expected those of the first call, {list(self.classes_)}, "
                f"received {list(np.unique(classes))}"
            )
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y: expected labels among {list(self.classes_)}, "
                f"received {list(unknown)}"
            )
        self.steps_ = kernels.online_pass(
            X,
            np.searchsorted(self.classes_, y),
            self.count_,
            self.mean_,
            self.m2_,
            self.coef_,
            self.intercept_,
            self.learning_rate,
            self.l2,
            self.steps_,
        )
        self.count_ += len(X)
        return self

    partial_fit = update  # the name that scikit-learn's tools look for

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probability of each class, (n, k), in the order of `classes_`."""
        check_is_fitted(self)
        X_: Floats = validate_data(self, X, dtype=np.float64, order="C", reset=False)
        return kernels.predict(X_, self.mean_, self.scale_, self.coef_, self.intercept_)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class of each row, (n,)."""
        best = self.predict_proba(X).argmax(axis=1)  # first: checks that it is fitted
        likeliest: NDArray[Any] = self.classes_[best]
        return likeliest

    @property
    def scale_(self) -> Floats:
        """Standard deviation of each feature, (d,); 1 where it has not varied."""
        return np.array([kernels.deviation(m2, self.count_) for m2 in self.m2_])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The learned state as named arrays: what a stored version holds."""
        check_is_fitted(self)
        return {
            "coef": self.coef_,
            "intercept": self.intercept_,
            "mean": self.mean_,
            "scale": self.scale_,
            "m2": self.m2_,
            "count": np.array(self.count_),
            "steps": np.array(self.steps_),
        }

    def from_arrays(self, arrays: dict[str, NDArray[Any]], classes: list[str]) -> Self:
        """The inverse of `to_arrays`, to go on learning from a stored version."""
        self._start(np.array(classes), arrays["coef"].shape[1])
        self.coef_ = arrays["coef"].copy()
        self.intercept_ = arrays["intercept"].copy()
        self.mean_ = arrays["mean"].copy()
        self.m2_ = arrays["m2"].copy()
        self.count_ = float(arrays["count"])
        self.steps_ = float(arrays["steps"])
        self.n_features_in_ = self.coef_.shape[1]
        return self

    def _checked(
        self, X: ArrayLike, y: ArrayLike, *, first: bool
    ) -> tuple[Floats, NDArray[Any]]:
        checked: tuple[Floats, NDArray[Any]] = validate_data(
            self, X, y, dtype=np.float64, order="C", reset=first
        )
        check_classification_targets(checked[1])
        # Numba would compile again for a read-only array.
        return np.require(checked[0], requirements="W"), checked[1]

    def _start(self, classes: NDArray[Any], d: int) -> None:
        if len(classes) < 2:
            raise ValueError(
                f"y: expected labels of two classes or more, received one class only: "
                f"{str(classes[0])!r}"
            )
        k = len(classes)
        self.classes_ = classes
        self.coef_ = np.zeros((k, d))
        self.intercept_ = np.zeros(k)
        self.mean_ = np.zeros(d)
        self.m2_ = np.zeros(d)
        self.count_ = 0.0
        self.steps_ = 0.0
