"""Rows apart: those to learn from, those to judge by, and what to remember of both."""

from collections import Counter

import numpy as np
from sklearn.model_selection import train_test_split

from ..errors import TrainingImpossible
from ..model.arrays import Floats
from .dataset import Contract, Table
from .reference import Histograms


def split(
    table: Table, contract: Contract, test_share: float, seed: int
) -> tuple[Table, Table]:
    """Rows to learn from and rows to judge by, every class in both in proportion.

    Fails: TrainingImpossible when a class is too rare for that.
    """
    rows = np.arange(len(table.X))
    try:
        train, test = train_test_split(
            rows,
            test_size=test_share,
            random_state=seed,
            stratify=table.y if contract.classes else None,
        )
    except ValueError as error:
        raise TrainingImpossible(
            f"{len(rows)} rows can't be split, {test_share:g} of them to judge by: "
            f"{error}"
        ) from None
    return Table(table.X[train], table.y[train]), Table(table.X[test], table.y[test])


def draw(
    table: Table, test_share: float, random: np.random.Generator
) -> tuple[Table, Table]:
    """As `split`, row by row at random: what can be done without seeing all rows."""
    test = random.random(len(table.X)) < test_share
    return Table(table.X[~test], table.y[~test]), Table(table.X[test], table.y[test])


def joined(tables: list[Table]) -> Table:
    """Fails: TrainingImpossible when there is no row at all."""
    table = Table(
        np.concatenate([table.X for table in tables]),
        np.concatenate([table.y for table in tables]),
    )
    if not len(table.y):
        raise TrainingImpossible("no rows were held out to judge by; give more rows")
    return table


class Summary:
    """What is kept of the rows that were learned from, whatever their number."""

    def __init__(self, contract: Contract) -> None:
        self.rows = 0
        self.minimum = np.full(len(contract.features), np.inf)
        self.maximum = np.full(len(contract.features), -np.inf)
        self.histograms = Histograms()
        self.lowest, self.highest = np.inf, -np.inf  # of a target that is a number
        self._sum = 0.0
        self._seen: Counter[str] = Counter()
        self._classes = contract.classes

    def add(self, table: Table) -> None:
        self.rows += len(table.y)
        self.histograms.add(table.X)
        self.minimum = np.minimum(self.minimum, table.X.min(axis=0, initial=np.inf))
        self.maximum = np.maximum(self.maximum, table.X.max(axis=0, initial=-np.inf))
        if self._classes:
            self._seen.update(str(label) for label in table.y)
        else:
            self._sum += float(table.y.sum())
            self.lowest = min(self.lowest, float(table.y.min(initial=np.inf)))
            self.highest = max(self.highest, float(table.y.max(initial=-np.inf)))

    def missing(self) -> list[str]:
        """Classes of the contract that no row had."""
        return [name for name in self._classes if not self._seen[name]]

    def prior(self, classes: tuple[str, ...]) -> Floats:
        """Share of each class, (k,); for a number its mean, (1,)."""
        if classes:
            return np.array([self._seen[name] for name in classes]) / self.rows
        return np.array([self._sum / self.rows])
