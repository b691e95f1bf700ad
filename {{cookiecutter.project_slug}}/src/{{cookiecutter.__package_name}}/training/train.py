"""A data file in, a judged version out: read, split, fit, evaluate, gate, describe."""

import logging
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from ..artifacts.artifact import (
    Artifact,
    Example,
    Expected,
    Feature,
    Provenance,
    Signature,
    build,
)
from ..artifacts.reference import Reference, answers_of
from ..errors import DataInvalid, TrainingImpossible
from ..model import engine
from ..model.arrays import Floats
from ..model.estimator import Estimator
from ..model.predictor import Predictor
from .dataset import (
    Contract,
    Table,
    check_learned,
    digest,
    read_batches,
    read_table,
)
from .evaluate import (
    METRICS,
    Thresholds,
    check_thresholds,
    evaluate,
    evaluate_baseline,
    gate,
)
from .gates import cost_failures, production_failures
from .split import Summary, at_most, draw, joined, repeated, split, time_limit

log = logging.getLogger(__name__)

STRATIFIED, AT_RANDOM, BY_ROW = "stratified", "at random", "by row"
# Of data that is larger than memory, no more rows are kept to judge by.
JUDGED_AT_MOST = 100_000
ADOPTED = "adopted, judged by all rows"
PLAIN = {bool, int, float, str, type(None)}
AGREEMENT = 1e-5  # of a probability, or of a value relative to its size
RECORDED = ("numpy", *engine.PACKAGES, "scikit-learn")
DESCRIBE = ("git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")


@dataclass(frozen=True)
class Plan:
    """How to train. `batch_rows` None means that the data fits into memory.

    parameters: the estimator's, where they are to differ from its defaults.
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

    What can be known before learning is judged here, since learning may take long.
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
    """A method that only models that learn on have.

    Fails: TrainingImpossible.
    """
    found = getattr(estimator, name, None)
    if found is None:
        raise TrainingImpossible(
            f"this estimator can't go on learning, it has no {name}: leave out "
            f"{options}, or write {name} in model/estimator.py"
        )
    return found


def learn(estimator: Estimator, plan: Plan) -> tuple[Summary, Table]:
    """Fit on the whole, or update batch by batch; returns the rows to judge by too.

    In batches, only one of them and at most twice JUDGED_AT_MOST rows to judge by are
    in memory at a time.
    """
    summary = Summary(plan.contract)
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
            continue  # a small batch may be held out whole
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


def without_leaks(judged: Table, leaked: NDArray[np.bool_], summary: Summary) -> Table:
    """A row that was learned from proves nothing: it is left out, and told.

    Fails: TrainingImpossible when nothing else is left to judge by.
    """
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
        # A row's side in a batch says nothing of the side it was on before.
        whole = plan.data if plan.batch_rows is None else None
        failures += compare_with(
            plan.production, predictor, held_out, plan.contract, plan.thresholds, whole
        )
    return build(
        name,
        files,
        described,
        evaluation,
        baseline,
        failures,
        provenance(estimator, plan, summary),
        expected(predictor, described),
        Reference(
            summary.histograms.found(),
            answers_of(predictor.predict(held_out.X), len(classes)),
        ),
    )


def compare_with(
    production: Artifact,
    predictor: Predictor,
    judged: Table,
    contract: Contract,
    thresholds: Thresholds,
    data: Path | None,
) -> list[str]:
    """Reasons not to replace the version in service, by rows that neither learned from.

    One that learned other columns or classes can't be asked the same, and is none.
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
    return production_failures(predictor, production.predictor(), judged[rows], margins)


def check_served(estimator: Estimator, predictor: Predictor, X: Floats) -> None:
    """What will be served must be what was learned, to AGREEMENT.

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


def expected(predictor: Predictor, described: Signature) -> Expected:
    """What the service will have to answer to a row of medians."""
    row = [feature.median for feature in described.features]
    outputs = predictor.predict(np.array([row]))
    return Expected(
        row, {name: each.ravel().tolist() for name, each in outputs.items()}
    )


def known_classes(estimator: Estimator, contract: Contract) -> tuple[str, ...]:
    """Names of the k classes in the order of the k probabilities; none for a number.

    Fails: TrainingImpossible when a classifier doesn't say.
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


def signature(
    contract: Contract, classes: tuple[str, ...], summary: Summary, held_out: Table
) -> Signature:
    """Names, units and ranges; the median is that of the rows held out."""
    medians = np.median(held_out.X, axis=0)
    return Signature(
        task="classification" if classes else "regression",
        target=contract.target,
        features=tuple(
            Feature(
                name=column.name,
                unit=column.unit,
                minimum=float(summary.minimum[j]),
                median=float(medians[j]),
                maximum=float(summary.maximum[j]),
                lowest=limit(column.minimum),
                highest=limit(column.maximum),
                missing=column.missing,
            )
            for j, column in enumerate(contract.features)
        ),
        classes=classes,
        target_range=None if classes else (summary.lowest, summary.highest),
        examples=examples(contract.examples, held_out),
    )


def examples(wanted: int, held_out: Table) -> tuple[Example, ...]:
    """Up to `wanted` of the rows held out, spread evenly over what the target is."""
    rows = len(held_out.y)
    count = min(wanted, rows)
    order = np.argsort(held_out.y, kind="stable")
    places = order[((np.arange(count) + 0.5) * rows / max(count, 1)).astype(int)]
    return tuple(
        Example(tuple(held_out.X[place].tolist()), held_out.y[place].item())
        for place in places
    )


def limit(value: float) -> float | None:
    """A bound as JSON can hold it."""
    return value if np.isfinite(value) else None


def unseen_rows(
    artifact: Artifact, data: Path, contract: Contract
) -> tuple[Summary, Table]:
    """Rows of `data` that the version did not learn from, and what the rest was like.

    The file it learned from is split again as it was then; of any other all rows are
    unseen, and are their own prior.
    """
    check_learned(contract, artifact.manifest)
    table = read_table(data, contract)
    made = artifact.manifest.provenance
    learned, unseen = table, table
    summary = Summary(contract)
    if digest(data) == made.data_sha256 and made.split["method"] != ADOPTED:
        share, seed = float(made.split["test_share"]), int(made.split["seed"])
        same = {BY_ROW, split_method(contract)}
        if AT_RANDOM in same:
            same.add(STRATIFIED)  # what earlier releases called it, without a class
        if made.split["method"] not in same:
            raise DataInvalid(
                "contract",
                [
                    f"expected a split {made.split['method']}, as that of version "
                    f"{artifact.manifest.version}, received {split_method(contract)}"
                ],
            )
        if made.split["method"] == BY_ROW:
            learned, unseen = draw(table, contract, share, seed)
        else:  # a row's side by group or time does not depend on the size of a batch
            learned, unseen = split(table, contract, share, seed)
        unseen = at_most(unseen, int(made.split.get("at_most", len(table.y))))
        unseen = without_leaks(unseen, repeated(unseen, learned), summary)
    summary.add(learned)
    return summary, unseen


def split_method(contract: Contract, batch_rows: int | None = None) -> str:
    """How rows are split, for the manifest."""
    if contract.key:
        return f"by {'group' if contract.group else 'time'} {contract.key}"
    if batch_rows is not None:
        return BY_ROW
    return STRATIFIED if contract.classes else AT_RANDOM


def provenance(estimator: Estimator, plan: Plan, summary: Summary) -> Provenance:
    previous = plan.continue_from
    return Provenance(
        data_source=plan.data.name,
        data_sha256=digest(plan.data),
        train_rows=summary.rows,
        split=split_of(plan, summary),
        parameters={
            name: value if type(value) in PLAIN else repr(value)
            for name, value in estimator.get_params().items()
        },
        git_commit=git_commit(),
        versions={"python": platform.python_version()}
        | {name: metadata.version(name) for name in RECORDED},
        continued_from=previous.manifest.version if previous else None,
    )


def split_of(plan: Plan, summary: Summary) -> dict[str, float | int | str]:
    """All that it takes to split the same data again."""
    limit = {} if plan.batch_rows is None else {"at_most": JUDGED_AT_MOST}
    return {
        "method": split_method(plan.contract, plan.batch_rows),
        "test_share": plan.test_share,
        "seed": plan.seed,
        "repeated_rows_left_out": summary.repeated,
        **limit,
    }


def git_commit() -> str | None:
    """The commit of the working folder, marked when files differ from it."""
    try:
        answer = subprocess.run(  # noqa: S603  a constant, no input
            DESCRIBE, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
