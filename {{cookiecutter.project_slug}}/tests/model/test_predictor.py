"""What serving runs: the files of a version, in the hands of the engine."""

import numpy as np
import oracle
import pytest
from line import (
    put_a_line,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    ArtifactCorrupt,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
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


EXTREMES = [1.7e308, -1.7e308, 5e-324, 0.0, 1e6]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 178, 5000])
def test_any_number_of_rows_is_answered_as_the_oracle_does(
    artifact: Artifact, table: Table, rows: int
) -> None:
    arrays = artifact.arrays
    state = [arrays[name] for name in ("mean", "scale", "coef", "intercept")]
    random = np.random.default_rng(20261122)
    X = table.X[random.integers(0, len(table.X), size=rows)]
    X[::7] = random.choice(EXTREMES, size=X[::7].shape)
    P = artifact.predictor().predict(X)["probabilities"]
    assert (P.shape, P.dtype) == ((rows, 3), np.float64)
    np.testing.assert_allclose(P, oracle.predict(X, *state), atol=1e-9)


def test_rows_are_independent_of_each_other(artifact: Artifact, table: Table) -> None:
    predictor = artifact.predictor()
    together = predictor.predict(table.X)["probabilities"]
    alone = [predictor.predict(row[None, :])["probabilities"][0] for row in table.X]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


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
        Predictor(["a"], ["b", "c"], engine.files(arrays))


def test_files_of_another_engine_are_refused() -> None:
    with pytest.raises(ArtifactCorrupt, match="made by another engine"):
        Predictor(["a"], ["b", "c"], {"model.pkl": b""})


def test_an_answer_of_one_column_is_a_regression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_a_line(monkeypatch)
    files = engine.files({"slope": np.array([2.0, 3.0])})
    predictor = Predictor(["a", "b"], [], files)
    outputs = predictor.predict(np.array([[1.0, 1.0], [0.0, 2.0]]))
    assert predictor.outputs == ("value",)
    assert outputs["value"].tolist() == [5.0, 6.0]
