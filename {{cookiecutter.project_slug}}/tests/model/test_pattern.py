"""The learning pattern, which any estimator keeps: yours too."""

import numpy as np
import pytest
from sklearn.base import (
    is_classifier,
)
from sklearn.utils.estimator_checks import (
    parametrize_with_checks,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    to_files,
    to_state,
)
from {{cookiecutter.__package_name}}.model.estimator import (
    Estimator,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Predictor,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)


def answers(estimator: Estimator, table: Table) -> np.ndarray:
    classifies = is_classifier(estimator)
    ask = estimator.predict_proba if classifies else estimator.predict
    return ask(table.X)


@parametrize_with_checks([Estimator()])
def test_scikit_learn_accepts_it(estimator: Estimator, check) -> None:
    check(estimator)


def test_fit_forgets_what_was_learned_before(table: Table) -> None:
    once = Estimator().fit(table.X, table.y)
    twice = Estimator().fit(table.X[::-2], table.y[::-2]).fit(table.X, table.y)
    np.testing.assert_array_equal(answers(twice, table), answers(once, table))


def test_what_is_served_is_what_was_learned(table: Table, artifact: Artifact) -> None:
    estimator = Estimator().fit(table.X, table.y)
    classes = artifact.manifest.signature.classes
    names = [feature.name for feature in artifact.manifest.signature.features]
    served = Predictor(names, classes, engine.files(estimator.to_arrays()))
    answer = served.predict(table.X)["probabilities" if classes else "value"]
    np.testing.assert_allclose(answer, answers(estimator, table), rtol=1e-9, atol=1e-12)
    if classes:
        said = served.predict(table.X)["label"]
        assert said.tolist() == estimator.predict(table.X).tolist()


@pytest.mark.skipif(
    not hasattr(Estimator, "from_arrays"), reason="this model can't go on learning"
)
def test_a_stored_estimator_comes_back_and_learns_on(table: Table) -> None:
    first = Estimator().fit(table.X, table.y)
    stored = to_state(to_files(first.to_arrays()))
    second = Estimator().from_arrays(stored, list(getattr(first, "classes_", ())))
    np.testing.assert_array_equal(answers(second, table), answers(first, table))
    for estimator in (first, second):
        estimator.update(table.X[:5], table.y[:5])
    np.testing.assert_array_equal(answers(second, table), answers(first, table))
