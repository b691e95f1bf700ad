"""Histograms of the rows that were learned from, in one piece or in many."""

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.artifacts.reference import (
    histogram,
)
from {{cookiecutter.__package_name}}.training import (
    reference,
)
from {{cookiecutter.__package_name}}.training.reference import (
    Histograms,
)


def test_a_version_knows_what_its_data_looked_like(artifact: Artifact) -> None:
    known = artifact.manifest.reference
    assert known
    assert len(known.features) == len(artifact.manifest.signature.features)
    for feature in known.features:
        assert sum(feature.counts) == artifact.manifest.provenance.train_rows
    assert sum(known.answers.counts) == artifact.manifest.evaluation.rows


def test_rows_in_batches_are_counted_as_rows_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = np.random.default_rng(5).normal(size=(500, 2))
    expected = (histogram(X[:, 0]), histogram(X[:, 1]))
    at_once = Histograms()
    at_once.add(X)
    assert at_once.found() == expected
    in_batches = Histograms()
    for part in (X[:0], X[:7], X[7:300], X[300:]):
        in_batches.add(part)
    assert in_batches.found() == expected


def test_bins_are_made_by_the_first_rows_and_count_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reference, "EDGES_FROM", 100)
    X = np.arange(1000.0)[:, None]
    found = Histograms()
    for part in np.split(X, 20):
        found.add(part)
    (feature,) = found.found()
    assert feature.edges == histogram(X[:100, 0]).edges
    assert sum(feature.counts) == 1000
    assert feature.counts[-1] == 910
