"""A data file in, a judged version out: read, split, fit, evaluate, gate, describe."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from ..artifacts.artifact import Artifact, Split, build
from ..artifacts.reference import Reference, answers_of
from ..errors import TrainingImpossible
from ..model import engine
from ..model.arrays import Floats
from ..model.estimator import Estimator
from ..model.predictor import Predictor
from .dataset import Contract, Table, check_learned, read_batches, read_table
from .evaluate import (
    METRICS,
    Thresholds,
    check_thresholds,
    evaluate,
    evaluate_baseline,
    gate,
)
from .gates import compare_with, cost_failures
from .held_out import check_split, without_leaks
from .record import expected, provenance, signature
from .split import (
    Summary,
    at_most,
    draw,
    joined,
    repeated,
    split,
    split_method,
    time_limit,
)

log = logging.getLogger(__name__)

# Maximum number of rows kept to judge by when learning in batches.
JUDGED_AT_MOST = 100_000
AGREEMENT = 1e-5  # between two answers to a row, absolute and relative
RECORDED = ("numpy", *engine.PACKAGES, "scikit-learn")


@dataclass(frozen=True)
class Plan:
    """How to train. `batch_rows` None means that the data fits into memory.

    parameters: those of the estimator that differ from its defaults.
    """

    data: Path
    contract: Contract
    thresholds: Thresholds
    test_share: float = 0.25
    seed: int = 0
    batch_rows: int | None = None
    continue_from: Artifact | None = None
    production: Artifact | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def train(plan: Plan, name: str) -> Artifact:
    """Learn from most rows, judge on the rest. The verdict is in the manifest.

    Fails: DataInvalid, TrainingImpossible.
    """
    estimator = start(plan)
    try:
        summary, held_out = learn(estimator, plan)
    except ValueError as error:  # scikit-learn's own refusals
        raise TrainingImpossible(f"{plan.data}: {error}") from error
    return describe(estimator, plan, name, summary, held_out)


def start(plan: Plan) -> Estimator:
    """A new estimator, or one that goes on from a stored version.

    All that can be checked before learning is checked here: learning may take long.
    Fails: DataInvalid, TrainingImpossible.
    """
    estimator = built(plan)
    if is_classifier(estimator) != bool(plan.contract.classes):
        raise TrainingImpossible(
            f"{plan.data}: the contract's target is "
            f"{'a class' if plan.contract.classes else 'a number'}, the estimator is "
            f"{'' if is_classifier(estimator) else 'not '}a classifier; "
            "change the contract or model/estimator.py"
        )
    task = "classification" if plan.contract.classes else "regression"
    check_thresholds(plan.thresholds, METRICS[task])
    previous = plan.continue_from
    if previous is not None:
        check_learned(plan.contract, previous.manifest)
        check_split(previous, plan.data, planned_split(plan))
        go_on = method(estimator, "from_arrays", "--update")
        go_on(previous.state, list(previous.manifest.signature.classes))
    if previous is not None or plan.batch_rows is not None:
        method(estimator, "update", "--update and --batch-rows")
    return estimator


def built(plan: Plan) -> Estimator:
    """Fails: TrainingImpossible on a parameter that the estimator does not have."""
    known = Estimator().get_params()
    if unknown := sorted(set(plan.parameters) - set(known)):
        raise TrainingImpossible(
            f"parameters: expected some of {', '.join(known) or 'none'}, received "
            f"{', '.join(unknown)}"
        )
    return Estimator(**plan.parameters)


def method(estimator: Estimator, name: str, options: str) -> Any:
    """A method that only models that can be updated have.

    Fails: TrainingImpossible when this one doesn't.
    """
    found = getattr(estimator, name, None)
    if found is None:
        raise TrainingImpossible(
            f"this estimator can't go on learning, it has no {name}: leave out "
            f"{options}, or write {name} in model/estimator.py"
        )
    return found


def learn(estimator: Estimator, plan: Plan) -> tuple[Summary, Table]:
    """Fit on the whole, or update batch by batch; also returns the held-out rows.

    In batches, memory holds one batch and at most twice JUDGED_AT_MOST held-out rows at
    a time.
    """
    before = plan.continue_from
    summary = Summary(plan.contract, before.manifest.signature if before else None)
    held_out, leaked = [], np.zeros(0, dtype=bool)
    classes = list(plan.contract.classes)
    announced = {"classes": classes} if classes else {}
    for learned, judged in parts(plan):
        held_out.append(judged)
        if plan.batch_rows is None:
            leaked = repeated(judged, learned)
        elif sum(len(each.y) for each in held_out) > 2 * JUDGED_AT_MOST:
            held_out = [at_most(joined(held_out), JUDGED_AT_MOST)]
        summary.add(learned)
        if not len(learned.y):
            continue  # all of a small batch may be held out
        if plan.batch_rows is None and plan.continue_from is None:
            estimator.fit(learned.X, learned.y)
        else:
            method(estimator, "update", "--update")(learned.X, learned.y, **announced)
        log.info("learned from %d rows", summary.rows)
    if not summary.rows:
        raise TrainingImpossible(
            f"{plan.data}: all rows were held out to judge by; give more rows"
        )
    if plan.continue_from is None and (missing := summary.missing()):
        raise TrainingImpossible(
            f"{plan.data}: expected rows of every class of the contract, received "
            f"none of {', '.join(missing)} to learn from"
        )
    judged = joined(held_out)
    if plan.batch_rows is not None:
        judged = at_most(judged, JUDGED_AT_MOST)
        leaked = np.zeros(len(judged.y), dtype=bool)
        if plan.contract.key:  # without one, equal rows are on the same side
            for learned, _ in parts(plan):
                leaked |= repeated(judged, learned)
    return summary, without_leaks(judged, leaked, summary)


def parts(plan: Plan) -> Iterator[tuple[Table, Table]]:
    """What to learn from and what to judge by, batch by batch or all at once."""
    contract, share, seed = plan.contract, plan.test_share, plan.seed
    if plan.batch_rows is None:
        yield split(read_table(plan.data, contract), contract, share, seed)
        return
    latest = 0.0
    if contract.time:
        batches = read_batches(plan.data, contract, plan.batch_rows)
        latest = time_limit(np.concatenate([batch.key for batch in batches]), share)
    for batch in read_batches(plan.data, contract, plan.batch_rows):
        yield draw(batch, contract, share, seed, latest)


def describe(
    estimator: Estimator, plan: Plan, name: str, summary: Summary, held_out: Table
) -> Artifact:
    """Evaluate, compare with the baseline and the thresholds, write it all down."""
    classes = known_classes(estimator, plan.contract)
    files = engine.files(estimator.to_arrays())
    predictor = Predictor(plan.contract.names, classes, files)
    predictor.warm_up()
    evaluation = evaluate(predictor, held_out)
    check_served(estimator, predictor, held_out.X)
    baseline = evaluate_baseline(classes, summary.prior(classes), held_out)
    described = signature(plan.contract, classes, summary, held_out)
    failures = gate(evaluation, baseline, plan.thresholds)
    row = np.array([[feature.median for feature in described.features]])
    failures += cost_failures(predictor, files, row, plan.thresholds)
    if plan.production:
        # A row's side in a batch says nothing of its side when production learned.
        whole = plan.data if plan.batch_rows is None else None
        failures += compare_with(
            plan.production, predictor, held_out, plan.contract, plan.thresholds, whole
        )
    made = provenance(
        plan.data,
        summary.rows,
        split_of(plan, summary),
        estimator.get_params(),
        RECORDED,
        plan.continue_from,
    )
    return build(
        name,
        files,
        described,
        evaluation,
        baseline,
        failures,
        made,
        expected(predictor, described),
        Reference(
            summary.histograms.found(),
            answers_of(predictor.predict(held_out.X), len(classes)),
        ),
    )


def check_served(estimator: Estimator, predictor: Predictor, X: Floats) -> None:
    """What will be served must answer as the estimator does, within AGREEMENT.

    Fails: TrainingImpossible when the two give different answers for rows of X.
    """
    outputs = predictor.predict(X)
    if predictor.classes:
        learned, served = estimator.predict_proba(X), outputs["probabilities"]
    else:
        learned, served = estimator.predict(X), outputs["value"]
    if not np.allclose(served, learned, rtol=AGREEMENT, atol=AGREEMENT):
        apart = float(np.abs(served - learned).max())
        raise TrainingImpossible(
            f"the estimator and what the engine {engine.NAME} made of it are "
            f"{apart:.2g} apart, at most {AGREEMENT:g} is expected; bring "
            f"model/estimator.py and {engine.WRITTEN_IN} into line"
        )


def known_classes(estimator: Estimator, contract: Contract) -> tuple[str, ...]:
    """Names of the k classes in the order of the k probabilities; none for a number.

    Fails: TrainingImpossible when `classes_` doesn't hold the contract's classes.
    """
    if not contract.classes:
        return ()
    found = tuple(str(label) for label in getattr(estimator, "classes_", ()))
    if set(found) != set(contract.classes):
        raise TrainingImpossible(
            f"estimator.classes_: expected {', '.join(sorted(contract.classes))}, "
            f"in the order of its probabilities, received {', '.join(found) or 'none'}"
        )
    return found


def planned_split(plan: Plan) -> Split:
    """What decides which rows are held out."""
    return {
        "method": split_method(plan.contract, plan.batch_rows),
        "test_share": plan.test_share,
        "seed": plan.seed,
    }


def split_of(plan: Plan, summary: Summary) -> Split:
    """All that is needed to split the same data again."""
    limit = {} if plan.batch_rows is None else {"at_most": JUDGED_AT_MOST}
    return {
        **planned_split(plan),
        "repeated_rows_left_out": summary.repeated,
        **limit,
    }
