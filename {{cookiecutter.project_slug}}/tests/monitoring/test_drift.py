"""Drift is found where there is some, and hardly ever where there is none."""

import math
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from known import (
    CLASSES,
    FEATURES,
    ROWS,
    known,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Feature,
)
from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
    ProjectError,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.monitoring.drift import (
    Column,
    Finding,
    answers,
    between,
    columns_of,
    filled,
    read_rows,
)
from {{cookiecutter.__package_name}}.monitoring.report import (
    fitted,
    verdict_of,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)


def features_of(X: Floats) -> list[Feature]:
    ends = zip(X.min(axis=0), X.max(axis=0), strict=True)
    return [
        Feature(f"x{j}", "", *map(float, (a, a, b))) for j, (a, b) in enumerate(ends)
    ]


def findings(old: Floats, new: Floats) -> list[Finding]:
    return between(features_of(old), columns_of(old), new)


def drifted(found: list[Finding]) -> list[str]:
    return [finding.name for finding in found if finding.drifted]


def test_halves_of_one_sample_hardly_ever_differ(table: Table) -> None:
    """60 halvings of the sample; one false alarm in a hundred is what is promised."""
    random = np.random.default_rng(11)
    alarms = 0
    for _ in range(60):
        order = random.permutation(len(table.X))
        half = len(order) // 2
        old, new = table.X[order[:half]], table.X[order[half:]]
        alarms += bool(drifted(findings(old, new)))
    assert alarms <= 2


def test_what_really_moved_is_found_and_nothing_else() -> None:
    random = np.random.default_rng(12)
    for _ in range(20):
        old, new = random.normal(size=(300, 5)), random.normal(size=(200, 5))
        new[:, 3] += 0.8
        new[:, 4] *= 2.5
        assert drifted(findings(old, new)) == ["x3", "x4"]


def test_a_shift_too_small_to_care_about_is_no_drift() -> None:
    random = np.random.default_rng(13)
    old, new = random.normal(size=(50_000, 1)), random.normal(0.05, size=(50_000, 1))
    (found,) = findings(old, new)
    assert found.p_value < 0.01, "chance does not explain it"
    assert not found.drifted


def test_values_that_go_missing_are_drift() -> None:
    random = np.random.default_rng(14)
    old, new = random.normal(size=(200, 2)), random.normal(size=(200, 2))
    new[:30, 1] = np.nan
    first, second = findings(old, new)
    assert not first.drifted
    assert (second.lost, second.moved) == (True, False)
    assert second.missing_now == pytest.approx(0.15)


def test_gaps_are_filled_where_the_contract_says_so() -> None:
    features = [
        Feature("a", "", 0.0, 1.0, 2.0),
        Feature("b", "", 0.0, 1.0, 2.0, missing=7),
    ]
    X = filled(np.array([[1.0, np.nan], [np.nan, 2.0]]), features)
    np.testing.assert_array_equal(X, [[1.0, 7.0], [np.nan, 2.0]])


def test_a_constant_that_changes_has_moved() -> None:
    old = np.ones((100, 1))
    assert drifted(findings(old, old)) == []
    (found,) = findings(old, old * 2)
    assert (found.moved, found.out_of_range) == (True, 1.0)


def test_what_had_no_value_has_moved_when_there_are_some() -> None:
    none, some = np.full((100, 1), np.nan), np.ones((100, 1))
    for new, moved in ((some, True), (none, False)):
        (found,) = between([FEATURES[0]], columns_of(none), new, large=0.0)
        assert (found.moved, found.compared) == (moved, False)
        assert verdict_of(found) == ("moved" if moved else "not compared")


@pytest.mark.parametrize("classes", [CLASSES, ()])
def test_answers_to_no_row_are_not_compared(classes: tuple[str, ...]) -> None:
    """As where one feature is always missing: no row lacks nothing."""
    artifact, none = known(classes), np.full((60, 2), np.nan)
    for old, new in ((none, ROWS), (ROWS, none), (none, none)):
        then = answers(artifact, old)
        answered = (then, answers(artifact, new, then.bins), classes)
        found = between(FEATURES, columns_of(old), new, answered=answered)[-1]
        assert (found.psi, verdict_of(found)) == (0.0, "not compared")


def test_a_version_is_a_reference_of_its_own(artifact: Artifact, table: Table) -> None:
    """Its manifest has bins only, so the test is that of counts."""
    reference, signature = artifact.manifest.reference, artifact.manifest.signature
    assert reference
    before = [Column(bins) for bins in reference.features]
    shifted = table.X.copy()
    shifted[:, 0] -= 2 * shifted[:, 0].std() or 1.0
    for X, expected in ((table.X, []), (shifted, [signature.features[0].name])):
        now = answers(artifact, X, reference.answers)
        answered = (Column(reference.answers), now, signature.classes)
        found = between(signature.features, before, X, answered=answered)
        assert [
            each.name for each in found if each.kind == "feature" and each.drifted
        ] == (expected)
        assert found[-1].kind == "answer"
        assert found[0].test == "chi-square"


def test_faulty_cells_are_missing_and_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "now.csv"
    lines = ["b, a,other", "1,2,x", ",nan,x", "1_0,inf,x", "3", *["5,6,x"] * 40]
    path.write_text("\n".join(lines), encoding="utf-8")
    X = read_rows(path, ["a", "b"])
    assert X.shape == (44, 2)
    assert X[0].tolist() == [2, 1]
    assert np.isnan(X[1:3]).all()
    assert np.isnan(X[3, 0])
    assert X[3, 1] == 3


def test_a_parquet_file_is_read_like_a_csv_one(tmp_path: Path) -> None:
    path = tmp_path / "now.parquet"
    a = [1, None, *[5] * 40]
    b = [math.inf, math.nan, *[6.5] * 40]
    pq.write_table(pa.table({"b": b, "other": ["x"] * 42, "a": a}), path)
    X = read_rows(path, ["a", "b"])
    assert X.shape == (42, 2)
    assert X[0, 0] == 1
    assert np.isnan(X[[1, 0, 1], [0, 1, 1]]).all()
    assert X[41].tolist() == [5, 6.5]
    with pytest.raises(DataInvalid, match="header: expected column 'c'"):
        read_rows(path, ["a", "c"])
    path.write_bytes(b"a,b\n")
    with pytest.raises(DataInvalid, match="expected a Parquet file: "):
        read_rows(path, ["a"])


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_text_in_a_parquet_file_is_read_cell_by_cell(
    tmp_path: Path, kind: pa.DataType
) -> None:
    path = tmp_path / "now.parquet"
    a = pa.array(["abc", None, " 7", "1_0", *["5.5"] * 40]).cast(kind)
    pq.write_table(pa.table({"a": a}), path)
    (x,) = read_rows(path, ["a"]).T
    np.testing.assert_array_equal(x, [math.nan, math.nan, 7, math.nan, *[5.5] * 40])


def test_what_is_neither_text_nor_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "now.parquet"
    pq.write_table(pa.table({"a": [[1.0]] * 40}), path)
    with pytest.raises(DataInvalid, match=r"expected a Parquet file: .*list"):
        read_rows(path, ["a"])


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ProjectError, match="uv sync --group train"):
        read_rows(tmp_path / "now.parquet", ["a"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\n1\n", "header: expected column 'b'"),
        (b"a,b\n1,2\n", "expected 30 rows or more to judge by, got 1"),
        (b"", "2 problems"),
        (b"\xff\xfe", "expected a CSV file: "),
        (None, "expected a CSV file: "),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "now.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataInvalid, match=message):
        read_rows(path, ["a", "b"])


def test_a_name_is_fitted_below_its_bars_with_both_ends() -> None:
    name = "technical support, tier 2"
    assert [fitted(name, room) for room in (25, 24, 6, 3, 0)] == [
        name,
        "technical su…ort, tier 2",
        "tec… 2",
        "t…2",
        "…",
    ]
