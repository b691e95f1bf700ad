"""What a version says of itself: signature, examples, provenance, one answer."""

import hashlib
import math
import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
)
from {{cookiecutter.__package_name}}.model.estimator import (
    Estimator,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.record import (
    examples,
    git_commit,
)


def test_examples_are_spread_over_the_target_and_never_more_than_there_are() -> None:
    table = Table(np.arange(9.0)[:, None], np.arange(9.0)[::-1].copy())
    assert [each.target for each in examples(3, table)] == [1.0, 4.0, 7.0]
    assert [each.values for each in examples(3, table)] == [(7.0,), (4.0,), (1.0,)]
    assert len(examples(20, table)) == 9
    assert examples(0, table) == ()


def test_the_signature_holds_what_the_contract_allows(
    artifact: Artifact, contract: Contract
) -> None:
    """A limit that is none is infinite in the contract, which JSON can't hold."""
    features = artifact.manifest.signature.features
    for feature, column in zip(features, contract.features, strict=True):
        low, high = (
            None if math.isinf(limit) else limit
            for limit in (column.minimum, column.maximum)
        )
        told = (feature.lowest, feature.highest, feature.missing)
        assert told == (low, high, column.missing), column.name


def test_the_manifest_says_where_the_version_comes_from(
    artifact: Artifact, sample: Path, contract: Contract, table: Table
) -> None:
    provenance = artifact.manifest.provenance
    assert provenance.data_source == "sample.csv"
    assert provenance.data_sha256 == hashlib.sha256(sample.read_bytes()).hexdigest()
    left_out = provenance.split["repeated_rows_left_out"]
    seen = provenance.train_rows + artifact.manifest.evaluation.rows
    assert seen + left_out == len(table.y)
    method = "stratified" if contract.classes else "at random"
    if contract.key:
        method = f"by {'group' if contract.group else 'time'} {contract.key}"
    assert provenance.split == {
        "method": method,
        "test_share": 0.25,
        "seed": 0,
        "repeated_rows_left_out": left_out,
    }
    if len(np.unique(table.X, axis=0)) == len(table.X):
        assert left_out == 0
    assert provenance.parameters.keys() == Estimator().get_params().keys()
    recorded = ["python", "numpy", *engine.PACKAGES, "scikit-learn"]
    assert list(provenance.versions) == recorded
    assert provenance.versions["python"] == platform.python_version()
    assert provenance.continued_from is None


def test_a_version_records_its_answer_to_a_row_of_medians(artifact: Artifact) -> None:
    expected = artifact.manifest.expected
    features = artifact.manifest.signature.features
    assert expected is not None
    assert expected.row == [feature.median for feature in features]
    outputs = artifact.predictor().predict(np.array([expected.row]))
    assert expected.outputs == {
        name: answer.ravel().tolist() for name, answer in outputs.items()
    }


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that belongs to no repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def git(*words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def test_the_commit_is_that_of_the_working_folder_and_says_when_files_differ(
    outside: Path,
) -> None:
    git("init", "--quiet")
    (outside / "model.py").write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    assert git_commit() == git("rev-parse", "HEAD")
    (outside / "model.py").write_text("2")
    assert git_commit() == git("rev-parse", "HEAD") + "-dirty"


def test_outside_git_there_is_no_commit(outside: Path) -> None:
    assert git_commit() is None


def test_without_git_there_is_no_commit(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(outside))
    assert git_commit() is None
