"""Shared by the tests: the shipped data, a version learned from it, and its store."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ["SCIPY_ARRAY_API"] = "1"  # or one check of scikit-learn's would be skipped

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Contract,
    Table,
    read_contract,
    read_table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    Thresholds,
    read_thresholds,
)
from {{cookiecutter.__package_name}}.training.train import (
    Plan,
    train,
)

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder that holds pyproject.toml."""
    return PROJECT


@pytest.fixture(scope="session")
def sample() -> Path:
    """The data that the project is shipped with."""
    return PROJECT / "data" / "sample.csv"


@pytest.fixture(scope="session")
def cells(sample: Path) -> list[list[str]]:
    """The sample as it is written, its header first; a cell may hold a comma."""
    with sample.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.reader(file) if row]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, list[list[str]]], Path]:
    """A data file of the test's own, of that name and with those rows."""

    def written(name: str, rows: list[list[str]]) -> Path:
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        return path

    return written


@pytest.fixture(scope="session")
def contract() -> Contract:
    return read_contract(PROJECT / "data" / "contract.toml")


@pytest.fixture(scope="session")
def thresholds() -> Thresholds:
    return read_thresholds(PROJECT / "thresholds.toml")


@pytest.fixture(scope="session")
def table(sample: Path, contract: Contract) -> Table:
    """Every row of the sample."""
    return read_table(sample, contract)


@pytest.fixture(scope="session")
def artifact(sample: Path, contract: Contract) -> Artifact:
    """A version as `train` makes it, learned once for all tests, however good it is."""
    return train(Plan(sample, contract, Thresholds()), MODEL_NAME)


@pytest.fixture
def store(tmp_path: Path, artifact: Artifact) -> Store:
    """A store of the test's own, with that version in service."""
    store = Store(tmp_path / "models", MODEL_NAME)
    store.promote(store.put(artifact))
    return store
