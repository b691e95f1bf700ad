"""What serving runs: stored arrays bound to the compiled kernel."""

import numpy as np
import oracle
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
from {{cookiecutter.__package_name}}.model.predictor import (
    Predictor,
    compilations,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)


def test_it_answers_as_the_oracle_does(artifact: Artifact, table: Table) -> None:
    arrays = artifact.arrays
    expected = oracle.predict(
        table.X,
        *(arrays[name] for name in ("mean", "scale", "coef", "intercept")),
    )
    outputs = artifact.predictor().predict(table.X)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-12)
    classes = np.array(artifact.manifest.signature.classes)
    assert list(outputs["label"]) == list(classes[expected.argmax(axis=1)])


def test_rows_are_independent_of_each_other(artifact: Artifact, table: Table) -> None:
    predictor = artifact.predictor()
    together = predictor.predict(table.X)["probabilities"]
    alone = [predictor.predict(row[None, :])["probabilities"][0] for row in table.X]
    np.testing.assert_array_equal(together, alone)


def test_nothing_is_compiled_after_the_warm_up(
    artifact: Artifact, table: Table
) -> None:
    predictor = artifact.predictor()
    predictor.warm_up()
    before = compilations()
    assert before > 0
    for rows in (1, 2, 3, 178):
        predictor.predict(table.X[:rows].copy())
    assert compilations() == before


def test_a_missing_array_is_named(artifact: Artifact) -> None:
    arrays = artifact.arrays
    del arrays["scale"]
    with pytest.raises(ArtifactCorrupt, match="expected arrays named mean, scale, "):
        Predictor(["a"], ["b", "c"], arrays)


def test_a_kernel_of_one_column_is_a_regression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def predict(X, slope):
        return X @ slope

    monkeypatch.setattr(kernels, "predict", predict)
    predictor = Predictor(["a", "b"], [], {"slope": np.array([2.0, 3.0])})
    outputs = predictor.predict(np.array([[1.0, 1.0], [0.0, 2.0]]))
    assert predictor.outputs == ("value",)
    assert outputs["value"].tolist() == [5.0, 6.0]
