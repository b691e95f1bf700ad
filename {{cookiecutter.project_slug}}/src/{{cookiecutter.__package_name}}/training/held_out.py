"""Rows that a stored version did not learn from; only these can judge it."""

import logging
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..artifacts.artifact import Artifact, Split
from ..errors import DataInvalid, TrainingImpossible
from .dataset import Contract, Table, check_learned, digest, read_table
from .split import BY_ROW, Summary, at_most, draw, repeated, split, split_method

ADOPTED = "adopted, judged by all rows"
# With at most so many possible rows to each row, equal rows are chance, not copies.
BY_CHANCE = 10

log = logging.getLogger(__name__)


def unseen_rows(
    artifact: Artifact, data: Path, contract: Contract
) -> tuple[Summary, Table]:
    """Rows of `data` that the version did not learn from, and a summary of the others.

    A file that it or a version before it learned from is split again as it was then. In
    any other file all rows are unseen, and the summary is of those.
    """
    check_learned(contract, artifact.manifest)
    table = read_table(data, contract)
    origin, made = artifact.manifest.provenance, split_then(artifact, data)
    if origin.continued_from and not origin.earlier:
        said = "what %s learned from is not known here: its rows count as unseen"
        log.warning(said, origin.continued_from)
    learned, unseen = table, table
    summary = Summary(contract)
    if made is not None and made["method"] != ADOPTED:
        share, seed = float(made["test_share"]), int(made["seed"])
        if made["method"] not in (BY_ROW, split_method(contract)):
            raise DataInvalid(
                "contract",
                [
                    f"expected a split {made['method']}, as that of version "
                    f"{artifact.manifest.version}, received {split_method(contract)}"
                ],
            )
        if made["method"] == BY_ROW:
            learned, unseen = draw(table, contract, share, seed)
        else:  # a row's side by group or time does not depend on the size of a batch
            learned, unseen = split(table, contract, share, seed)
        unseen = at_most(unseen, int(made.get("at_most", len(table.y))))
        unseen = without_leaks(unseen, repeated(unseen, learned), summary)
    summary.add(learned)
    return summary, unseen


def split_then(artifact: Artifact, data: Path) -> Split | None:
    """How `data` was split when the version, or one before it, learned from it.

    None when none did. The latest split stands for all, see `check_split`.
    """
    name, learned = digest(data), artifact.manifest.provenance.learned
    return next((each.split for each in learned if each.data_sha256 == name), None)


def held_out_by(artifact: Artifact, data: Path) -> Split | None:
    """What decides which rows of `data` the version knows; None when it knows none."""
    made = split_then(artifact, data)
    if made is None or made["method"] == ADOPTED:
        return None
    return {name: made[name] for name in ("method", "test_share", "seed")}


def check_split(previous: Artifact, data: Path, planned: Split) -> None:
    """An update from a file must hold out the same rows as before.

    planned: method, test_share and seed.
    Fails: TrainingImpossible when it would hold out rows already learned from.
    """
    then = held_out_by(previous, data)
    if then is None or then == planned:
        return
    raise TrainingImpossible(
        f"{data}: version {previous.manifest.version} has learned from this file; "
        f"expected the split of then, {told(then)}, received {told(planned)}, "
        "which would judge by rows that it knows; give the same --seed, "
        "--test-share and contract, --batch-rows only if it was by row, or a file "
        "of other rows"
    )


def told(split: Split) -> str:
    return ", ".join(f"{name} {value}" for name, value in split.items())


def without_leaks(judged: Table, leaked: NDArray[np.bool_], summary: Summary) -> Table:
    """Leave out leaked rows, which were also learned from and prove nothing; log it.

    All stay where rows can hardly differ, as with one feature of a few values.
    Fails: TrainingImpossible when nothing else is left to judge by.
    """
    if leaked.any() and possible_rows(judged) <= BY_CHANCE * len(judged.y):
        said = "%d of %d rows to judge by equal some learned from, by chance: they stay"
        log.warning(said, leaked.sum(), len(leaked))
        leaked = np.zeros_like(leaked)
    summary.repeated = int(leaked.sum())
    if leaked.any():
        log.warning(
            "%d of %d rows to judge by are also among those learned from: left out",
            summary.repeated,
            len(judged.y),
        )
    if leaked.all():
        raise TrainingImpossible(
            "every row to judge by is also among those learned from; remove duplicate "
            "rows, or name in the contract the group that they belong to"
        )
    return judged[~leaked]


def possible_rows(table: Table) -> float:
    """How many different rows the values of the features can be combined into.

    Infinite where one feature, such as a measurement, tells most rows apart.
    """
    values = [float(len(np.unique(column))) for column in table.X.T]
    return math.inf if max(values) > len(table.y) / 2 else math.prod(values)
