"""Shared by the tests: the shipped data, a version learned from it, and its store."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ["SCIPY_ARRAY_API"] = "1"  # or one check of scikit-learn's would be skipped

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)

if TYPE_CHECKING:
    from {{cookiecutter.__package_name}}.artifacts.artifact import (
        Artifact,
    )
    from {{cookiecutter.__package_name}}.artifacts.store import (
        Store,
    )
    from {{cookiecutter.__package_name}}.training.dataset import (
        Contract,
        Table,
    )
    from {{cookiecutter.__package_name}}.training.evaluate import (
        Thresholds,
    )

# The process of pytest-xdist that hands out the tests reads this file too, and the
# workers wait for it: what takes seconds to import, the fixtures import.
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
def contract() -> "Contract":
    from {{cookiecutter.__package_name}}.training.dataset import (
        read_contract,
    )

    return read_contract(PROJECT / "data" / "contract.toml")


@pytest.fixture(scope="session")
def thresholds() -> "Thresholds":
    from {{cookiecutter.__package_name}}.training.evaluate import (
        read_thresholds,
    )

    return read_thresholds(PROJECT / "thresholds.toml")


@pytest.fixture(scope="session")
def table(sample: Path, contract: "Contract") -> "Table":
    """Every row of the sample."""
    from {{cookiecutter.__package_name}}.training.dataset import (
        read_table,
    )

    return read_table(sample, contract)


@pytest.fixture(scope="session")
def artifact(sample: Path, contract: "Contract") -> "Artifact":
    """A version as `train` makes it, learned once for all tests, however good it is."""
    from {{cookiecutter.__package_name}}.training.evaluate import (
        Thresholds,
    )
    from {{cookiecutter.__package_name}}.training.train import (
        Plan,
        train,
    )

    return train(Plan(sample, contract, Thresholds()), MODEL_NAME)


@pytest.fixture
def store(tmp_path: Path, artifact: "Artifact") -> "Store":
    """A store of the test's own, with that version in service."""
    from {{cookiecutter.__package_name}}.artifacts.store import (
        Store,
    )

    store = Store(tmp_path / "models", MODEL_NAME)
    store.promote(store.put(artifact))
    return store
