"""A predictor, its cost and the version in service in; reasons not to promote out."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..artifacts.artifact import Artifact
from ..errors import DataInvalid
from ..model.arrays import Floats
from ..model.predictor import Predictor
from .answers import Answers
from .dataset import Contract, Table, check_learned
from .evaluate import HIGHER_IS_BETTER, Thresholds
from .held_out import split_then, unseen_rows
from .split import AT_RANDOM, STRATIFIED, repeated

log = logging.getLogger(__name__)

ROUNDS = 500
CERTAINTY = 0.95
CALLS = 100
FLATTERED = (
    "%s is no file that the version in service learned from; should it be one that "
    "has grown, that version was asked about rows that it knows, and looks better "
    "than it is: see `models promote --force`, or --batch-rows, by which each row "
    "keeps its side whatever is added"
)


def cost_failures(
    predictor: Predictor, files: Mapping[str, bytes], row: Floats, limits: Thresholds
) -> list[str]:
    """Limits exceeded by the latency of one row (1, d) or the size of all files."""
    failures = []
    if limits.max_latency_ms is not None:
        latency_ms = measure_latency_ms(predictor, row)
        if latency_ms > limits.max_latency_ms:
            failures.append(
                f"one row takes {latency_ms:.3g} ms, at most "
                f"{limits.max_latency_ms:g} ms is allowed"
            )
    if limits.max_size_mb is not None:
        size_mb = sum(map(len, files.values())) / 1e6
        if size_mb > limits.max_size_mb:
            failures.append(
                f"the version is {size_mb:.3g} MB large, at most "
                f"{limits.max_size_mb:g} MB is allowed"
            )
    return failures


def measure_latency_ms(predictor: Predictor, row: Floats) -> float:
    """Median of CALLS warm predictions of one row, in the best of three rounds.

    The best, as other work on the machine only ever makes a round slower.
    """
    predictor.warm_up()
    rounds = []
    for _ in range(3):
        taken = np.empty(CALLS)
        for i in range(CALLS):
            began = time.perf_counter_ns()
            predictor.predict(row)
            taken[i] = time.perf_counter_ns() - began
        rounds.append(float(np.median(taken)) / 1e6)
    return min(rounds)


def compare_with(
    production: Artifact,
    predictor: Predictor,
    judged: Table,
    contract: Contract,
    thresholds: Thresholds,
    data: Path | None,
) -> list[str]:
    """Reasons not to replace the version in service, by rows that neither learned from.

    If that has other columns or classes it can't be compared, and there are none.
    data: the file that `judged` is from; None when nobody can tell which of its rows
    the version in service has learned from.
    """
    margins = thresholds.not_worse_than_production
    if not margins:
        return []
    try:
        check_learned(contract, production.manifest)
        rows = np.ones(len(judged.y), dtype=bool)
        if data is not None:
            _, unseen = unseen_rows(production, data, contract)
            rows = repeated(judged, unseen)
    except DataInvalid as reason:
        log.warning("not compared with the version in service: %s", reason)
        return []
    if not rows.any():
        log.warning(
            "not compared with the version in service: it learned from all rows"
        )
        return []
    failures = production_failures(
        predictor, production.predictor(), judged[rows], margins
    )
    if failures and data is not None and may_know(production, data):
        log.warning(FLATTERED, data)
    return failures


def may_know(production: Artifact, data: Path) -> bool:
    """Whether it may have learned from an earlier state of this file.

    Only a split at random matters: by row, group or time, an added row moves no other
    row to the other side.
    """
    method = production.manifest.provenance.split.get("method")
    by_all_rows = method in (STRATIFIED, AT_RANDOM)
    return by_all_rows and split_then(production, data) is None


def production_failures(
    candidate: Predictor, current: Predictor, test: Table, margins: dict[str, float]
) -> list[str]:
    """Metrics that are worse by more than their margin, and not by chance alone.

    Both answer the same rows. The rows are drawn again ROUNDS times; a metric counts
    only when CERTAINTY of the differences are beyond the margin.
    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    ours, theirs = Answers(candidate, test), Answers(current, test)
    failures = []
    for name, margin in margins.items():
        sign = -1.0 if name in HIGHER_IS_BETTER else 1.0
        worse = sign * differences(name, ours, theirs)
        if np.isnan(worse[0]):
            failures.append(
                f"{name} can't be compared with that of the version in service: "
                f"write _{name} in training/answers.py"
            )
            continue
        surely = float(np.quantile(worse[1:], 1 - CERTAINTY))
        if surely > margin:
            failures.append(
                f"{name} is {worse[0]:.3g} worse than that of the version in service, "
                f"surely by {surely:.3g}; at most {margin:g} is allowed"
            )
    return failures


def differences(name: str, ours: Answers, theirs: Answers) -> Floats:
    """(1 + ROUNDS,) ours minus theirs: on the rows themselves, then on each draw."""
    rows = len(ours.y)
    random = np.random.default_rng(0)
    found = np.empty(1 + ROUNDS)
    weights = np.ones(rows, dtype=np.int64)
    for i in range(1 + ROUNDS):
        found[i] = ours.metric(name, weights) - theirs.metric(name, weights)
        weights = np.bincount(random.integers(0, rows, rows), minlength=rows)
    return found
