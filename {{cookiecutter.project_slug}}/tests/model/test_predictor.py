"""What serving runs: the files of a version, in the hands of the engine."""

import numpy as np
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


def test_rows_are_independent_of_each_other(artifact: Artifact, table: Table) -> None:
    predictor = artifact.predictor()
    together = predictor.predict(table.X[:40])
    for name, answer in together.items():
        alone = [predictor.predict(row[None, :])[name][0] for row in table.X[:40]]
        if name == "label":
            assert answer.tolist() == alone
        else:
            np.testing.assert_allclose(answer, alone, rtol=1e-12)


def test_nothing_is_compiled_after_the_warm_up(
    artifact: Artifact, table: Table
) -> None:
    predictor = artifact.predictor()
    predictor.warm_up()
    before = compilations()
    for rows in (1, 2, 3, len(table.X)):
        predictor.predict(table.X[:rows].copy())
    assert compilations() == before


def test_files_of_another_engine_are_refused() -> None:
    with pytest.raises(ArtifactCorrupt, match="made by another engine"):
        Predictor(["a"], ["b", "c"], {"model.pkl": b""})


def test_what_is_asked_for_and_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_a_line(monkeypatch)
    with pytest.raises(ArtifactCorrupt, match="values named slope, received no 'slo"):
        Predictor(["a"], [], engine.files({"offset": np.zeros(1)}))


def test_an_answer_of_one_column_is_a_regression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_a_line(monkeypatch)
    files = engine.files({"slope": np.array([2.0, 3.0])})
    predictor = Predictor(["a", "b"], [], files)
    outputs = predictor.predict(np.array([[1.0, 1.0], [0.0, 2.0]]))
    assert predictor.outputs == ("value",)
    assert outputs["value"].tolist() == [5.0, 6.0]


def test_an_answer_of_another_shape_is_refused_before_it_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_a_line(monkeypatch)
    predictor = Predictor(["a"], ["b", "c"], engine.files({"slope": np.ones(1)}))
    with pytest.raises(ArtifactCorrupt) as refusal:
        predictor.warm_up()
    assert str(refusal.value) == (
        f"{engine.WRITTEN_IN}: expected probabilities of shape (1, 2) for 1 rows, "
        "received (1,)"
    )
