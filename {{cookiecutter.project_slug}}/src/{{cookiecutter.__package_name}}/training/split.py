"""Splits rows into those to learn from and to judge by; keeps a summary of them."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ..artifacts.artifact import Signature
from ..errors import TrainingImpossible
from ..model.arrays import Floats
from .dataset import Contract, Table
from .reference import Histograms

# What a manifest calls a split that is neither by group nor by time.
STRATIFIED, AT_RANDOM, BY_ROW = "stratified", "at random", "by row"


def split(
    table: Table, contract: Contract, test_share: float, seed: int
) -> tuple[Table, Table]:
    """Rows to learn from and rows to judge by.

    By the contract's group or time; without either, at random and stratified by class.
    Fails: TrainingImpossible when a class is too rare for that, or a part is empty.
    """
    if contract.key:
        latest = time_limit(table.key, test_share) if contract.time else 0.0
        parts = draw(table, contract, test_share, seed, latest)
        if not all(len(part.y) for part in parts):
            raise TrainingImpossible(
                f"{len(table.X)} rows can't be split by {contract.key!r}: expected "
                "some for either part; give more rows or another share"
            )
        return parts
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
    return table[train], table[test]


def draw(
    table: Table,
    contract: Contract,
    test_share: float,
    seed: int,
    latest: float = 0.0,
) -> tuple[Table, Table]:
    """As `split`, but each row's side depends on that row alone, not on the others.

    So it can be done batch by batch, and without group or time equal rows are on the
    same side.  latest: if the contract names a time, rows from then on are held out.
    """
    test: NDArray[np.bool_]
    if contract.time:
        test = table.key >= latest
    elif contract.group:
        names, which = np.unique(table.key, return_inverse=True)
        drawn = np.array([fraction(f"{seed}:{name}") < test_share for name in names])
        test = drawn[which] if len(names) else np.zeros(0, dtype=bool)
    else:
        test = row_hashes(table.X, seed) < np.uint64(test_share * 2.0**64)
    return table[~test], table[test]


def split_method(contract: Contract, batch_rows: int | None = None) -> str:
    """How rows are split, for the manifest."""
    if contract.key:
        return f"by {'group' if contract.group else 'time'} {contract.key}"
    if batch_rows is not None:
        return BY_ROW
    return STRATIFIED if contract.classes else AT_RANDOM


def time_limit(times: NDArray[Any], test_share: float) -> float:
    """The time from which on rows are held out, to hold out `test_share` of them.

    All rows of exactly that time are held out too.
    """
    place = min(int(len(times) * (1 - test_share)), len(times) - 1)
    return float(np.partition(times, place)[place])


def fraction(text: str) -> float:
    """A hash of the text, from 0 to 1, the same on every machine."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8]) / 2.0**64


def row_hashes(X: Floats, seed: int = 0) -> NDArray[np.uint64]:
    """(n,) one hash for each row's features; equal rows have equal hashes.

    Source: Steele, Lea and Flood 2014, Fast Splittable Pseudorandom Number Generators,
    figure 16 (the mixing step).
    """
    bits = (X + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    mixed = np.full(len(X), seed & (2**64 - 1), dtype=np.uint64)
    for column in bits.T:
        mixed = (mixed ^ column) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def repeated(judged: Table, learned: Table) -> NDArray[np.bool_]:
    """Which rows of `judged` equal, in every feature, a row of `learned`."""
    found: NDArray[np.bool_] = np.isin(row_hashes(judged.X), row_hashes(learned.X))
    return found


def at_most(table: Table, rows: int) -> Table:
    """A sample of at most `rows` rows that does not depend on their order."""
    if len(table.y) <= rows:
        return table
    chosen = np.argpartition(row_hashes(table.X), rows)[:rows]
    return table[np.sort(chosen)]


def joined(tables: list[Table]) -> Table:
    """The tables as one. Fails: TrainingImpossible when there is no row at all."""
    table = Table(
        np.concatenate([table.X for table in tables]),
        np.concatenate([table.y for table in tables]),
        np.concatenate([table.key for table in tables]),
    )
    if not len(table.y):
        raise TrainingImpossible("no rows were held out to judge by; give more rows")
    return table


class Summary:
    """What is remembered of the rows learned from, in bounded memory.

    repeated: how many held-out rows were left out, as equal to rows learned from.
    before: signature of the version that is updated; its ranges are kept and widened.
    """

    def __init__(self, contract: Contract, before: Signature | None = None) -> None:
        self.rows = 0
        self.repeated = 0
        self.minimum = np.full(len(contract.features), np.inf)
        self.maximum = np.full(len(contract.features), -np.inf)
        self.histograms = Histograms()
        self.lowest, self.highest = np.inf, -np.inf  # of the target in a regression
        if before is not None:
            self.minimum = np.array([each.minimum for each in before.features])
            self.maximum = np.array([each.maximum for each in before.features])
            self.lowest, self.highest = before.target_range or (np.inf, -np.inf)
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
        """Classes of the contract that no row has."""
        return [name for name in self._classes if not self._seen[name]]

    def prior(self, classes: tuple[str, ...]) -> Floats:
        """Share of each class, (k,); for a regression the mean of the target, (1,)."""
        if classes:
            return np.array([self._seen[name] for name in classes]) / self.rows
        return np.array([self._sum / self.rows])
