"""A model made anywhere in, a judged version out: read, try, evaluate, gate."""

from pathlib import Path

from ..artifacts.artifact import Artifact, build
from ..artifacts.reference import Reference, answers_of
from ..model import engine
from ..model.predictor import Predictor
from .dataset import Contract, read_table
from .evaluate import Thresholds, evaluate, evaluate_baseline, gate
from .gates import compare_with, cost_failures
from .held_out import ADOPTED
from .record import expected, provenance, signature
from .split import Summary


def adopt(
    file: Path,
    sample: Path,
    contract: Contract,
    thresholds: Thresholds,
    name: str,
    production: Artifact | None = None,
) -> Artifact:
    """Judge the model by all rows of the sample, beside a baseline: their average.

    production: the version in service, which the model must not be worse than.
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
    made = provenance(
        sample,
        0,
        {"method": ADOPTED},
        {"adopted": file.name},
        ("numpy", *engine.PACKAGES),
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
