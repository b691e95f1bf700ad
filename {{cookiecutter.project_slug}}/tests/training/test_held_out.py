"""Which rows are judged by: groups and times apart, no leaks, the same ones again."""

from dataclasses import replace
from pathlib import Path

import msgspec
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
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    Thresholds,
    evaluate,
)
from {{cookiecutter.__package_name}}.training.train import (
    Plan,
    train,
    unseen_rows,
)

GOES_ON = pytest.mark.skipif(
    not hasattr(Estimator, "update"), reason="this model can't go on learning"
)


@pytest.fixture
def plan(sample: Path, contract: Contract, thresholds: Thresholds) -> Plan:
    return Plan(sample, contract, thresholds)


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


def test_the_signature_holds_what_the_contract_allows(artifact: Artifact) -> None:
    alcohol, malic_acid, *_ = artifact.manifest.signature.features
    assert (alcohol.lowest, alcohol.highest, alcohol.missing) == (0, 100, None)
    assert (malic_acid.lowest, malic_acid.highest) == (0, None)


@pytest.fixture
def grouped(plan: Plan, tmp_path: Path) -> Plan:
    """The sample with a winery for every eight rows, and the year of its harvest."""
    header, *rows = plan.data.read_text().splitlines()
    lines = [f"{header},winery,year"]
    # Rows come by cultivar, so that neighbours in a winery must not be.
    lines += [f"{row},w{i % 23},{1970 + i * 7 % 178}" for i, row in enumerate(rows)]
    path = tmp_path / "grouped.csv"
    path.write_text("\n".join(lines))
    return replace(plan, data=path)


@pytest.mark.parametrize("batch_rows", [None, pytest.param(7, marks=GOES_ON)])
@pytest.mark.parametrize("key", ["group", "time"])
def test_a_split_by_group_or_time_is_found_again(
    grouped: Plan, key: str, batch_rows: int | None
) -> None:
    column, other = {"group": ("winery", "year"), "time": ("year", "winery")}[key]
    rules = replace_contract(grouped.contract, **{key: column}, ignored=(other,))
    plan = replace(grouped, contract=rules, batch_rows=batch_rows)
    made = train(plan, "wine")
    assert made.manifest.provenance.split["method"] == f"by {key} {column}"
    summary, unseen = unseen_rows(made, plan.data, rules)
    assert summary.rows == made.manifest.provenance.train_rows
    assert evaluate(made.predictor(), unseen) == made.manifest.evaluation
    whole = train(replace(plan, batch_rows=None), "wine").manifest
    assert whole.evaluation.rows == made.manifest.evaluation.rows
    keyless = replace_contract(rules, **{key: None}, ignored=("winery", "year"))
    with pytest.raises(DataInvalid) as refusal:
        unseen_rows(made, plan.data, keyless)
    assert str(refusal.value) == (
        f"contract: expected a split by {key} {column}, as that of version "
        f"{made.manifest.version}, received stratified"
    )


def replace_contract(contract: Contract, **changes: object) -> Contract:
    return msgspec.structs.replace(contract, **changes)


def test_rows_that_were_learned_from_are_not_judged_by(
    plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    header, *rows = plan.data.read_text().splitlines()
    path = tmp_path / "twice.csv"
    path.write_text("\n".join([header, *rows, *rows[::2]]))
    made = train(replace(plan, data=path), "wine").manifest
    left_out = made.provenance.split["repeated_rows_left_out"]
    assert left_out > 10
    assert made.evaluation.rows == 67 - left_out
    told = f"{left_out} of 67 rows to judge by are also among those learned from"
    assert told in caplog.text


@GOES_ON
@pytest.mark.parametrize("key", [None, "winery"])
def test_equal_rows_in_different_batches_do_not_leak(
    grouped: Plan, tmp_path: Path, key: str | None
) -> None:
    header, *rows = grouped.data.read_text().splitlines()
    # The second time each belongs to another winery.
    again = [row.replace(",w", ",other-w") for row in rows[::4]]
    path = tmp_path / "twice.csv"
    path.write_text("\n".join([header, *rows, *again]))
    others = ("year",) if key else ("winery", "year")
    rules = replace_contract(grouped.contract, group=key, ignored=others)
    plan = replace(grouped, data=path, contract=rules, batch_rows=100)
    split = train(plan, "wine").manifest.provenance.split
    assert (split["repeated_rows_left_out"] > 0) == bool(key)


def test_data_of_which_every_judged_row_was_learned_from_is_refused(
    plan: Plan, tmp_path: Path
) -> None:
    header, *rows = plan.data.read_text().splitlines()
    path = tmp_path / "three.csv"
    three = [rows[0], rows[60], rows[150]]
    path.write_text("\n".join([header, *three * 10]))
    with pytest.raises(TrainingImpossible, match="every row to judge by is also among"):
        train(replace(plan, data=path), "wine")
