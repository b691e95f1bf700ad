"""Rows of then and rows of now in, a finding per feature out: moved, or chance.

A feature has drifted when its test says that chance hardly explains the difference,
over all features together, and the stability index says that it is large enough to
matter: in a million rows no difference is chance, and most are too small to matter.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.artifact import Artifact, Feature
from ..artifacts.reference import Histogram, answers_of, count, histogram
from ..errors import DataInvalid, ProjectError
from ..model.arrays import Floats
from .statistics import adjusted, chi_square, kolmogorov_smirnov, stability_index

if TYPE_CHECKING:
    import pyarrow as pa

ALPHA = 0.01
LARGE = 0.1  # shifts with a smaller stability index don't matter
MISSING_MORE = 0.01  # nor does a smaller rise in the share of missing values
FEWEST_ROWS = 30


@dataclass(frozen=True)
class Column:
    """One feature, or the answers, in one sample.

    values: (n,) without missing ones; None if only the bins are known.
    """

    bins: Histogram
    values: Floats | None = None
    missing: int = 0

    @property
    def rows(self) -> int:
        return sum(self.bins.counts) + self.missing


@dataclass(frozen=True)
class Finding:
    """One column compared: `judge` adjusts p_value and p_missing for multiple tests."""

    kind: str
    name: str
    before: Histogram
    now: Histogram
    psi: float
    test: str
    p_value: float
    missing_before: float
    missing_now: float
    p_missing: float
    out_of_range: float
    labels: tuple[str, ...] = ()
    moved: bool = False
    lost: bool = False

    @property
    def drifted(self) -> bool:
        return self.moved or self.lost

    @property
    def compared(self) -> bool:
        """Whether both samples have values."""
        return any(self.before.counts) and any(self.now.counts)


def read_rows(path: Path, names: Sequence[str]) -> Floats:
    """The named columns of a CSV or Parquet file; any but finite numbers become NaN.

    Unlike training, drift has to see faulty rows, not refuse them.
    Returns (n, d). Fails: DataInvalid.
    """
    read = read_parquet if path.suffix.lower() in {".parquet", ".pq"} else read_csv
    X = read(path, names)
    if len(X) < FEWEST_ROWS:
        problem = f"expected {FEWEST_ROWS} rows or more to judge by, got {len(X)}"
        raise DataInvalid(path, [problem])
    X[~np.isfinite(X)] = np.nan
    return X


def read_csv(path: Path, names: Sequence[str]) -> Floats:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            check_columns(path, names, header)
            rows = [[number(row[name]) for name in names] for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataInvalid(path, [f"expected a CSV file: {error}"]) from None
    return np.array(rows, dtype=np.float64)


def read_parquet(path: Path, names: Sequence[str]) -> Floats:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ProjectError(
            "pyarrow is not installed; Parquet needs it: uv sync --group train"
        ) from None
    try:
        check_columns(path, names, pq.read_schema(path).names)
        table = pq.read_table(path, columns=list(names))
        columns = [numbers(table[name]) for name in names]
    except (OSError, pa.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise DataInvalid(path, [f"expected a Parquet file: {first}"]) from None
    return np.column_stack(columns)


def numbers(column: "pa.ChunkedArray") -> Floats:
    """(n,) with NaN for missing values; text is read cell by cell, as in a CSV file.

    Fails: ArrowException when the column is neither text nor numbers.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array([number(text) for text in column.to_pylist()], dtype=np.float64)
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def check_columns(path: Path, names: Sequence[str], header: list[str]) -> None:
    if wrong := [name for name in names if header.count(name) != 1]:
        problems = [f"header: expected column {name!r} once" for name in wrong]
        raise DataInvalid(path, problems)


def number(text: str | None) -> float:
    try:
        value = float((text or "").replace("_", "no"))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def filled(X: Floats, features: Sequence[Feature]) -> Floats:
    """X (n, d) with missing values filled as the version's contract says."""
    fills = [math.nan if each.missing is None else each.missing for each in features]
    return np.where(np.isnan(X), fills, X)


def columns_of(X: Floats, like: Sequence[Histogram] | None = None) -> list[Column]:
    """Each feature of X (n, d). like: histograms whose bins to use, else X's own."""
    found = []
    for j, x in enumerate(X.T):
        known = x[~np.isnan(x)]
        bins = bins_of(known, like[j] if like else None)
        found.append(Column(bins, known, len(x) - len(known)))
    return found


def bins_of(values: Floats, like: Histogram | None) -> Histogram:
    """values: (n,) without NaN. Without any value or `like`, there is one empty bin."""
    if like is not None:
        return Histogram(like.edges, tuple(count(values, like.edges).tolist()))
    return histogram(values) if len(values) else Histogram((), (0,))


def answers(artifact: Artifact, X: Floats, like: Histogram | None = None) -> Column:
    """What a version answers to the rows without a missing value."""
    classes = artifact.manifest.signature.classes
    whole = np.ascontiguousarray(X[~np.isnan(X).any(axis=1)])
    outputs = artifact.predictor().predict(whole)
    if classes:
        return Column(answers_of(outputs, len(classes)))
    values = outputs["value"]
    return Column(bins_of(values, like), values)


def compare(
    kind: str,
    name: str,
    before: Column,
    now: Column,
    low: float = -math.inf,
    high: float = math.inf,
    labels: tuple[str, ...] = (),
) -> Finding:
    """One column in two samples, in the bins of `before`. low, high: range of then."""
    old, new = np.array(before.bins.counts), np.array(now.bins.counts)
    test, p_value = "chi-square", chi_square(old, new)
    if before.values is not None and now.values is not None:
        test = "Kolmogorov-Smirnov"
        p_value = kolmogorov_smirnov(before.values, now.values)[1]
    gone = [np.array([column.missing, column.rows]) for column in (before, now)]
    outside = 0.0
    if now.values is not None and len(now.values):
        outside = float(((now.values < low) | (now.values > high)).mean())
    return Finding(
        kind=kind,
        name=name,
        before=before.bins,
        now=now.bins,
        psi=stability_index(old, new) if new.any() and old.any() else 0.0,
        test=test,
        p_value=p_value,
        missing_before=before.missing / max(before.rows, 1),
        missing_now=now.missing / max(now.rows, 1),
        p_missing=chi_square(*(np.array([m, n - m]) for m, n in gone)),
        out_of_range=outside,
        labels=labels,
    )


def judge(
    findings: Sequence[Finding], alpha: float = ALPHA, large: float = LARGE
) -> list[Finding]:
    """Adjust the p-values for the number of tests, then decide on each finding."""
    tests = [f.p_value for f in findings] + [f.p_missing for f in findings]
    p = adjusted(tests)
    return [
        replace(
            finding,
            p_value=p[i],
            p_missing=p[i + len(findings)],
            moved=(p[i] < alpha and finding.psi >= large) or has_left(finding, large),
            lost=p[i + len(findings)] < alpha
            and finding.missing_now - finding.missing_before >= MISSING_MORE,
        )
        for i, finding in enumerate(findings)
    ]


def has_left(finding: Finding, share: float) -> bool:
    """A constant has one bin and so no index: it has moved when values differ from it.

    A column that had no values has moved when a share of it has some.
    """
    empty = finding.missing_before == 1.0
    gone = 1.0 - finding.missing_now if empty else finding.out_of_range
    return len(finding.before.counts) == 1 and gone > 0.0 and gone >= share


def between(
    features: Sequence[Feature],
    before: Sequence[Column],
    current: Floats,
    alpha: float = ALPHA,
    large: float = LARGE,
    answered: tuple[Column, Column, tuple[str, ...]] | None = None,
) -> list[Finding]:
    """All features, and a version's answers to both samples if they are given.

    before: as from `columns_of`.  current: (n, d).  answered: then, now and labels.
    """
    now = columns_of(current, [column.bins for column in before])
    findings = [
        compare("feature", feature.name, old, new, feature.minimum, feature.maximum)
        for feature, old, new in zip(features, before, now, strict=True)
    ]
    if answered is not None:
        old, new, labels = answered
        findings.append(compare("answer", "", old, new, labels=labels))
    return judge(findings, alpha, large)
