"""A judged version in, all that a report tells about it out, for any kind of model."""

from dataclasses import dataclass
from pathlib import Path

from ..artifacts.artifact import Artifact, Manifest
from ..errors import ProjectError
from ..model.predictor import Predictor
from .answers import Answers, Trivial
from .comparison import Compared, Importance, compare, importances
from .dataset import Contract, Table
from .held_out import split_then, unseen_rows
from .split import repeated


@dataclass(frozen=True)
class Report:
    """All that the page, the pictures and the card tell.

    manifest: its evaluation and baseline are of the rows of `data`.  in_service: a
    sentence; when nothing was compared it says why, and `production` is empty.
    """

    manifest: Manifest
    data: str
    failures: list[str]
    answers: Answers
    baseline: list[Compared]
    production: list[Compared]
    in_service: str
    importances: list[Importance]

    @property
    def verdict(self) -> str:
        """A sentence: whether it passes the thresholds, and what it misses."""
        if not self.failures:
            return "It passes the thresholds."
        return f"It misses the thresholds: {'; '.join(self.failures)}."


def gather(
    manifest: Manifest,
    predictor: Predictor,
    data: Path,
    rows: Table,
    trivial: Trivial,
    failures: list[str],
    service: "Service",
) -> Report:
    """rows: those of `data` that the version has not learned from."""
    answers, names = Answers(predictor, rows), list(manifest.evaluation.metrics)
    features = [feature.name for feature in manifest.signature.features]
    return Report(
        manifest=manifest,
        data=data.name,
        failures=failures,
        answers=answers,
        baseline=compare(answers, Answers(trivial, rows), names),
        production=service.compared(predictor, names),
        in_service=service.said,
        importances=importances(predictor, features, rows),
    )


@dataclass(frozen=True)
class Service:
    """The version in service and the rows to compare by; or only `said`, why not."""

    said: str
    artifact: Artifact | None = None
    rows: Table | None = None

    def compared(self, predictor: Predictor, names: list[str]) -> list[Compared]:
        if self.artifact is None or self.rows is None:
            return []
        theirs = self.artifact.predictor()
        return compare(Answers(predictor, self.rows), Answers(theirs, self.rows), names)


def in_service(
    production: Artifact | None,
    why: str,
    version: str,
    data: Path,
    contract: Contract,
    rows: Table,
) -> Service:
    """The version in service, with those of `rows` that it has not learned from either.

    why: a sentence that says why there is no version in service.
    """
    if production is None:
        return Service(why)
    manifest = production.manifest
    if manifest.version == version:
        return Service("This is the version in service.")
    name = f"The version in service, {manifest.version},"
    try:
        _, unseen = unseen_rows(production, data, contract)
    except ProjectError as reason:
        return Service(f"{name} can't be asked the same: {reason}.")
    shared = repeated(rows, unseen)
    if not shared.any():
        return Service(f"{name} has learned from all of these rows.")
    said = f"{name} is judged by {shared.sum()} rows that neither has learned from."
    if split_then(production, data) is None:
        said = (
            f"{name} learned from another file; rows of this one that were in that "
            f"would flatter it. Both are judged by {shared.sum()} rows."
        )
    return Service(said, production, rows[shared])
