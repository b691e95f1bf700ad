"""Which rows are judged by: groups and times apart, no leaks, the same ones again."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
    TrainingImpossible,
)
from {{cookiecutter.__package_name}}.model.estimator import (
    Estimator,
)
from {{cookiecutter.__package_name}}.training import (
    train as module,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    Thresholds,
    evaluate,
)
from {{cookiecutter.__package_name}}.training.held_out import (
    ADOPTED,
    BY_CHANCE,
    possible_rows,
    unseen_rows,
    without_leaks,
)
from {{cookiecutter.__package_name}}.training.split import (
    Summary,
    split_method,
)
from {{cookiecutter.__package_name}}.training.train import (
    Plan,
    train,
)

# Columns that a test adds to the sample, by names that no sample has.
WINERY, YEAR = "winery of the test", "year of the test"
Written = Callable[[str, list[list[str]]], Path]

GOES_ON = pytest.mark.skipif(
    not hasattr(Estimator, "update"), reason="this model can't go on learning"
)


@pytest.fixture
def plan(sample: Path, contract: Contract, thresholds: Thresholds) -> Plan:
    return Plan(sample, contract, thresholds)


def test_of_the_file_that_was_learned_from_only_the_held_out_rows_are_unseen(
    artifact: Artifact, sample: Path, contract: Contract
) -> None:
    summary, unseen = unseen_rows(artifact, sample, contract)
    judged = artifact.manifest.evaluation.rows
    learned = artifact.manifest.provenance.train_rows
    assert (summary.rows, len(unseen.y)) == (learned, judged)
    assert evaluate(artifact.predictor(), unseen) == artifact.manifest.evaluation


def test_of_any_other_file_all_rows_are_unseen(
    artifact: Artifact,
    sample: Path,
    contract: Contract,
    table: Table,
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(sample.read_text() + "\n")
    summary, unseen = unseen_rows(artifact, other, contract)
    rows = len(table.y)
    assert (summary.rows, len(unseen.y)) == (rows, rows)


@pytest.fixture
def today(cells: list[list[str]], written: Written) -> Path:
    """Some rows in a file of their own."""
    return written("today.csv", [cells[0], *cells[1::2]])


@GOES_ON
def test_what_any_version_before_has_learned_from_stays_seen(
    plan: Plan,
    artifact: Artifact,
    sample: Path,
    today: Path,
    cells: list[list[str]],
    written: Written,
) -> None:
    another = written("another.csv", [cells[0], *cells[2::2]])
    second = train(replace(plan, data=today, continue_from=artifact), "wine")
    third = train(replace(plan, data=another, continue_from=second), "wine")
    for learned, data in ((artifact, sample), (second, today)):
        _, before = unseen_rows(learned, data, plan.contract)
        summary, unseen = unseen_rows(third, data, plan.contract)
        np.testing.assert_array_equal(unseen.X, before.X)
        assert summary.rows == learned.manifest.provenance.train_rows
        assert len(unseen.y) == learned.manifest.evaluation.rows


@GOES_ON
def test_who_goes_on_with_a_file_holds_out_the_same_rows_of_it(
    plan: Plan, artifact: Artifact, today: Path
) -> None:
    then = artifact.manifest.provenance.split
    second = train(replace(plan, data=today, continue_from=artifact), "wine")
    with pytest.raises(TrainingImpossible) as refusal:
        train(replace(plan, seed=7, continue_from=second), "wine")
    assert str(refusal.value) == (
        f"{plan.data}: version {second.manifest.version} has learned from this file; "
        f"expected the split of then, method {then['method']}, test_share 0.25, "
        f"seed 0, received method {then['method']}, test_share 0.25, seed 7, which "
        "would judge by rows that it knows; give the same --seed, --test-share and "
        "contract, --batch-rows only if it was by row, or a file of other rows"
    )
    third = train(replace(plan, continue_from=second), "wine").manifest
    assert third.evaluation.rows == artifact.manifest.evaluation.rows


@GOES_ON
def test_an_adopted_model_is_no_reason_to_hold_out_certain_rows(
    plan: Plan, artifact: Artifact
) -> None:
    adopted = with_provenance(artifact, split={"method": ADOPTED})
    second = train(replace(plan, seed=7, continue_from=adopted), "wine")
    assert second.manifest.provenance.split["seed"] == 7


def test_a_version_that_forgot_what_it_went_on_from_says_so(
    plan: Plan, artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    forgetful = with_provenance(artifact, continued_from="v1")
    unseen_rows(forgetful, plan.data, plan.contract)
    said = "what v1 learned from is not known here: its rows count as unseen"
    assert said in caplog.text


def with_provenance(artifact: Artifact, **changes: object) -> Artifact:
    made = msgspec.structs.replace(artifact.manifest.provenance, **changes)
    manifest = msgspec.structs.replace(artifact.manifest, provenance=made)
    return Artifact(manifest, artifact.files)


@GOES_ON
def test_of_many_rows_a_sample_is_judged_that_no_batch_decides_over(
    plan: Plan, sample: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "JUDGED_AT_MOST", 10)
    one, other = (train(replace(plan, batch_rows=n), "wine") for n in (20, 100))
    assert one.manifest.evaluation == other.manifest.evaluation
    assert one.manifest.evaluation.rows == 10
    _, unseen = unseen_rows(one, sample, contract)
    assert evaluate(one.predictor(), unseen) == one.manifest.evaluation


@pytest.fixture
def grouped(plan: Plan, cells: list[list[str]], written: Written) -> Plan:
    """The sample with a winery for every eight rows, and the year of its harvest."""
    header, *rows = cells
    wineries = len(rows) // 8 + 1
    # Rows may come by class, so that neighbours in a winery or a year must not be.
    years = np.random.default_rng(20261122).permutation(len(rows)).tolist()
    lines = [
        [*row, f"w{i % wineries}", f"{1970 + year}"]
        for i, (row, year) in enumerate(zip(rows, years, strict=True))
    ]
    return replace(plan, data=written("grouped.csv", [[*header, WINERY, YEAR], *lines]))


@pytest.mark.parametrize("batch_rows", [None, pytest.param(7, marks=GOES_ON)])
@pytest.mark.parametrize("key", ["group", "time"])
def test_a_split_by_group_or_time_is_found_again(
    grouped: Plan, key: str, batch_rows: int | None
) -> None:
    column = {"group": WINERY, "time": YEAR}[key]
    rules = split_by(grouped.contract, **{key: column})
    plan = replace(grouped, contract=rules, batch_rows=batch_rows)
    made = train(plan, "wine")
    assert made.manifest.provenance.split["method"] == f"by {key} {column}"
    summary, unseen = unseen_rows(made, plan.data, rules)
    assert summary.rows == made.manifest.provenance.train_rows
    assert evaluate(made.predictor(), unseen) == made.manifest.evaluation
    whole = train(replace(plan, batch_rows=None), "wine").manifest
    assert whole.evaluation.rows == made.manifest.evaluation.rows
    keyless = split_by(grouped.contract)
    with pytest.raises(DataInvalid) as refusal:
        unseen_rows(made, plan.data, keyless)
    assert str(refusal.value) == (
        f"contract: expected a split by {key} {column}, as that of version "
        f"{made.manifest.version}, received {split_method(keyless)}"
    )


def split_by(
    contract: Contract, group: str | None = None, time: str | None = None
) -> Contract:
    """The same columns, but no other key; the one of the contract is not read."""
    keys = [contract.group, contract.time, WINERY, YEAR]
    unread = [name for name in keys if name and name not in (group, time)]
    ignored = (*contract.ignored, *unread)
    return msgspec.structs.replace(contract, group=group, time=time, ignored=ignored)


def skip_if_narrow(table: Table) -> None:
    if possible_rows(table) <= 2 * BY_CHANCE * len(table.y):
        pytest.skip("rows of this table can hardly differ: equal ones are no copies")


def test_where_rows_can_hardly_differ_equal_ones_are_judged_by(
    contract: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    stars = np.arange(75) % 5 + 1.0
    judged, summary = Table(stars[:, None], stars), Summary(contract)
    leaked = np.ones(75, dtype=bool)
    assert len(without_leaks(judged, leaked, summary).y) == 75
    assert summary.repeated == 0
    said = "75 of 75 rows to judge by equal some learned from, by chance: they stay"
    assert said in caplog.text
    # Three features can tell rows apart.
    copies = Table(stars[:, None] ** [1, 2, 3], stars)
    assert possible_rows(copies) == 125
    with pytest.raises(TrainingImpossible):
        without_leaks(copies[:12], leaked[:12], summary)
    assert len(without_leaks(copies[:13], leaked[:13], summary).y) == 13


def test_rows_that_were_learned_from_are_not_judged_by(
    plan: Plan,
    table: Table,
    cells: list[list[str]],
    written: Written,
    caplog: pytest.LogCaptureFixture,
) -> None:
    skip_if_narrow(table)
    header, *rows = cells
    twice = [*rows, *rows[::2]]
    path = written("twice.csv", [header, *twice])
    plan = replace(plan, data=path, contract=split_by(plan.contract))
    made = train(plan, "wine").manifest
    left_out = made.provenance.split["repeated_rows_left_out"]
    judged = math.ceil(len(twice) * plan.test_share)
    assert left_out > judged * 0.15
    assert made.evaluation.rows == judged - left_out
    told = f"{left_out} of {judged} rows to judge by are also among those learned from"
    assert told in caplog.text


@GOES_ON
@pytest.mark.parametrize("key", [None, WINERY])
def test_equal_rows_in_different_batches_do_not_leak(
    grouped: Plan,
    table: Table,
    cells: list[list[str]],
    written: Written,
    key: str | None,
) -> None:
    skip_if_narrow(table)
    header, *rows = cells
    wineries = len(rows) // 8 + 1
    lines = [[*row, f"w{i % wineries}"] for i, row in enumerate(rows)]
    # The second time each belongs to another winery.
    again = [[*row, f"other-{winery}"] for *row, winery in lines[::4]]
    path = written("twice.csv", [[*header, WINERY], *lines, *again])
    rules = split_by(grouped.contract, group=key)
    plan = replace(grouped, data=path, contract=rules, batch_rows=100)
    split = train(plan, "wine").manifest.provenance.split
    assert (split["repeated_rows_left_out"] > 0) == bool(key)


def test_data_of_which_every_judged_row_was_learned_from_is_refused(
    plan: Plan, table: Table, cells: list[list[str]], written: Written
) -> None:
    header, *rows = cells
    # One row of each class, or three of a number.
    places = [0, len(rows) // 3, 2 * len(rows) // 3]
    if plan.contract.classes:
        places = np.unique(table.y, return_index=True)[1].tolist()
    copies = 40 * places
    skip_if_narrow(table[np.array(copies)])
    path = written("few.csv", [header, *(rows[place] for place in copies)])
    plan = replace(plan, data=path, contract=split_by(plan.contract))
    with pytest.raises(TrainingImpossible, match="every row to judge by is also among"):
        train(plan, "wine")
