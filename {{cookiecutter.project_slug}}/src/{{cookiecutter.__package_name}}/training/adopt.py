"""A model made anywhere in, a judged version out: read, try, evaluate, gate."""

import platform
from importlib import metadata
from pathlib import Path

from ..artifacts.artifact import Artifact, Provenance, build
from ..artifacts.reference import Reference, answers_of
from ..model import engine
from ..model.predictor import Predictor
from .dataset import Contract, digest, read_table
from .evaluate import Thresholds, evaluate, evaluate_baseline, gate
from .gates import cost_failures
from .split import Summary
from .train import ADOPTED, compare_with, expected, git_commit, signature


def adopt(
    file: Path,
    sample: Path,
    contract: Contract,
    thresholds: Thresholds,
    name: str,
    production: Artifact | None = None,
) -> Artifact:
    """Judge it by all rows of the sample, beside a baseline that knows their average.

    production: the version in service, which it must not be worse than.
    Fails: AdoptionRefused, DataInvalid.
    """
    table = read_table(sample, contract)
    files, classes = engine.adopt(file.read_bytes(), table.X, contract.classes)
    summary = Summary(contract)
    summary.add(table)
    predictor = Predictor(contract.names, classes, files)
    evaluation = evaluate(predictor, table)
    baseline = evaluate_baseline(classes, summary.prior(classes), table)
    described = signature(contract, classes, summary, table)
    failures = gate(evaluation, baseline, thresholds)
    failures += cost_failures(predictor, files, table.X[:1], thresholds)
    if production:
        failures += compare_with(
            production, predictor, table, contract, thresholds, sample
        )
    made = Provenance(
        data_source=sample.name,
        data_sha256=digest(sample),
        train_rows=0,
        split={"method": ADOPTED},
        parameters={"adopted": file.name},
        git_commit=git_commit(),
        versions={"python": platform.python_version()}
        | {each: metadata.version(each) for each in ("numpy", *engine.PACKAGES)},
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
            answers_of(predictor.predict(table.X), len(classes)),
        ),
    )
