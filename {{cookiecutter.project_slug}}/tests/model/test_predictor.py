"""What serving runs: the files of a version bound to the kernel that is there."""

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    ArtifactCorrupt,
)
from {{cookiecutter.__package_name}}.model import (
    kernels,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    to_files,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Predictor,
    compilations,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)


def test_rows_are_independent_of_each_other(artifact: Artifact, table: Table) -> None:
    predictor = artifact.predictor()
    together = predictor.predict(table.X)
    for name, answer in together.items():
        alone = [predictor.predict(row[None, :])[name][0] for row in table.X[:40]]
        np.testing.assert_array_equal(answer[:40], alone)


def test_nothing_is_compiled_after_the_warm_up(
    artifact: Artifact, table: Table
) -> None:
    predictor = artifact.predictor()
    predictor.warm_up()
    before = compilations()
    for rows in (1, 2, 3, len(table.X)):
        predictor.predict(table.X[:rows].copy())
    assert compilations() == before


def test_a_kernel_of_one_column_is_a_regression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def predict(X, slope):
        return X @ slope

    monkeypatch.setattr(kernels, "predict", predict)
    predictor = Predictor(["a", "b"], [], to_files({"slope": np.array([2.0, 3.0])}))
    outputs = predictor.predict(np.array([[1.0, 1.0], [0.0, 2.0]]))
    assert predictor.outputs == ("value",)
    assert outputs["value"].tolist() == [5.0, 6.0]


def slope_of(monkeypatch: pytest.MonkeyPatch, classes: list[str], slope: object):
    monkeypatch.setattr(kernels, "predict", lambda X, slope: X * slope)
    return Predictor(["a"], classes, to_files({"slope": slope}))


def test_a_number_is_given_to_the_kernel_as_it_was_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs = slope_of(monkeypatch, [], 2.0).predict(np.ones(3))
    assert outputs["value"].tolist() == [2.0, 2.0, 2.0]


def test_what_the_kernel_asks_for_and_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernels, "predict", lambda X, slope, offset: X * slope)
    with pytest.raises(ArtifactCorrupt, match="named slope, offset, received no 'off"):
        Predictor(["a"], [], to_files({"slope": 2.0}))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], r"expected value of shape \(1,\) for 1 rows, received \(1, 1\)"),
        (["b", "c"], r"probabilities of shape \(1, 2\) for 1 rows, received \(1, 1"),
    ],
)
def test_an_answer_of_another_shape_is_refused_before_it_is_served(
    monkeypatch: pytest.MonkeyPatch, classes: list[str], message: str
) -> None:
    predictor = slope_of(monkeypatch, classes, 2.0)
    with pytest.raises(ArtifactCorrupt, match=message):
        predictor.warm_up()
