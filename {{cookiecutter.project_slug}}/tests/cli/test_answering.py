"""`predict`, `score` and `warm`: answers without a service, and the exit codes."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from outcomes import (
    Run,
    Written,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
    predictor,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    MISSING,
    Contract,
    Table,
)


def test_predict_answers_every_row_as_csv(
    run: Run, store: Store, artifact: Artifact, table: Table
) -> None:
    code, out, err = run("predict")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(out.splitlines()))
    signature = artifact.manifest.signature
    names = [f"probability_{name}" for name in signature.classes]
    assert list(rows[0]) == [signature.target, *names]
    expected = artifact.predictor().predict(table.X)
    answers = [row[signature.target] for row in rows]
    first, *_ = expected.values()
    assert answers == list(map(str, first.tolist()))
    for j, name in enumerate(names):
        told = [float(row[name]) for row in rows]
        shares = expected["probabilities"][:, j]
        assert told == pytest.approx(shares.tolist(), abs=1e-6)


def test_predict_needs_no_target_and_writes_where_it_is_told(
    run: Run,
    store: Store,
    cells: list[list[str]],
    written: Written,
    tmp_path: Path,
) -> None:
    target = store.get().manifest.signature.target
    place = [name.strip() for name in cells[0]].index(target)
    rows = [row[:place] + row[place + 1 :] for row in cells[:3]]
    data, answers = written("unknown.csv", rows), tmp_path / "answers.csv"
    assert run("predict", data, "--output", answers) == (0, "", "")
    told = answers.read_text().splitlines()
    assert told[0].partition(",")[0] == target
    assert told[1:] == run("predict").out.splitlines()[1:3]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full disk at hand")
def test_a_device_is_written_as_it_is(run: Run, store: Store) -> None:
    code, _, err = run("predict", "--output", "/dev/full")
    assert code == 1
    assert err == "error: [Errno 28] No space left on device: '/dev/full'\n"


def test_a_private_file_of_answers_stays_private(
    run: Run, store: Store, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.csv"
    answers.touch(0o600)
    before = answers.stat().st_mode
    assert run("predict", "--output", answers) == (0, "", "")
    assert answers.stat().st_mode == before
    assert answers.read_text()


def test_what_can_not_be_written_whole_leaves_the_file_of_before(
    run: Run, store: Store, tmp_path: Path, monkeypatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    answers = tmp_path / "answers.csv"
    answers.write_text("before")
    monkeypatch.setattr(Path, "replace", full)
    code, _, err = run("predict", "--output", answers)
    assert code == 1
    assert err == f"error: [Errno 28] No space left on device: {str(answers)!r}\n"
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [answers]
    assert answers.read_text() == "before"


def test_what_is_read_is_never_written_over(
    run: Run, store: Store, sample: Path, tmp_path: Path
) -> None:
    data, link = tmp_path / "data.csv", tmp_path / "link.csv"
    data.write_bytes(sample.read_bytes())
    link.hardlink_to(data)
    for words in (
        ["predict", data, "--output", link],
        ["drift", data, sample, "--output", link],
    ):
        code, out, err = run(*words)
        assert (code, out) == (1, "")
        assert err == (
            f"error: --output: expected another file than {str(data)!r}, which is "
            "read and would be lost; name a new one\n"
        )
    assert data.read_bytes() == sample.read_bytes()


@pytest.mark.parametrize("words", [["predict"], ["evaluate"], ["train", "--update"]])
def test_a_version_is_not_asked_by_the_contract_of_another(
    run: Run, store: Store, contract: Contract, tmp_path: Path, words: list[str]
) -> None:
    other = tmp_path / "contract.toml"
    text = Path("data/contract.toml").read_text()
    first = f'"{contract.features[0].name}"'
    other.write_text(text.replace(first, '"another"'))
    assert run(*words, "--contract", other) == (
        1,
        "",
        f"error: contract: expected the columns and classes that version "
        f"{store.serving()} learned, in their order; give the contract it was made "
        "with, or train anew\n",
    )


def test_predict_asks_the_version_that_is_named(run: Run, store: Store) -> None:
    assert run("predict", "--version", "7") == (
        1,
        "",
        f"error: {store.folder}: version '7' not found; run `train` first, "
        "or look at what there is with `models list`\n",
    )
    assert run("predict", "--version", store.serving()).code == 0


def test_a_model_of_numbers_answers_with_numbers(run: Run, line: list[str]) -> None:
    assert run("predict", *line) == (0, "y\n2.0\n4.0\n6.0\n", "")


def test_warm_wants_a_folder(run: Run, store: Store) -> None:
    said = "error: ML_COMPILED_DIR: expected a folder to compile into, received ''\n"
    assert run("warm") == (1, "", said)


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("ML_COMPILED_DIR", str(tmp_path / "compiled"))
    monkeypatch.setattr(predictor, "compilations", lambda: 3)
    return tmp_path / "compiled"


def test_warm_says_how_much_is_compiled(
    run: Run, store: Store, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "compiled_anew", lambda: 2)
    code, out, err = run("warm")
    assert (code, out, err) == (
        0,
        f"compiled 2 of 3 {engine.COUNTED} anew, into {compiled}\n",
        "",
    )
    assert compiled.is_dir()


def test_warm_check_fails_when_something_had_to_be_compiled(
    run: Run, store: Store, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "compiled_anew", lambda: 1)
    code, out, err = run("warm", "--check")
    assert (code, out) == (1, "")
    assert err == (
        f"error: {compiled}: expected all 3 {engine.COUNTED} compiled ahead, "
        f"lacks 1; {engine.AHEAD}\n"
    )
    assert not compiled.exists()
    monkeypatch.setattr(predictor, "compiled_anew", lambda: 0)
    assert run("warm", "--check").code == 0


def test_score_answers_as_predict_does_and_goes_on_where_it_was(
    run: Run, store: Store, sample: Path, table: Table, tmp_path: Path
) -> None:
    output, n = tmp_path / "out", len(table.X)
    signature = store.get().manifest.signature
    first, target = signature.features[0], signature.target
    kept = first.name
    code, out, _ = run("score", sample, output, "--keep", kept)
    said = f"{n} rows into {output}, by version {store.serving()}\n"
    assert (code, out) == (0, said)
    rows = list(csv.DictReader(io.StringIO((output / "part-00000.csv").read_text())))
    answers = list(csv.DictReader(io.StringIO(run("predict", sample).out)))
    for row, answer, values in zip(rows, answers, table.X, strict=True):
        cell = row.pop(kept)  # as it came: a gap stays one
        value = first.missing if cell.strip().lower() in MISSING else float(cell)
        assert (value, row.pop("problem")) == (values[0], "")
        (_, found), *shares = row.items()
        expected = answer.pop(target)
        assert found == expected or float(found) == float(expected)
        assert {name: f"{float(share):.6f}" for name, share in shares} == answer
    code, out, err = run("score", sample, output, "--keep", kept, "--json")
    summary = {"version": store.serving(), "parts": 1, "rows": n, "bad": 0}
    assert (code, json.loads(out)) == (0, summary)
    assert "1 of 1 parts were there" in err


def test_score_says_when_rows_were_bad_and_fails_when_all_were(
    run: Run,
    store: Store,
    cells: list[list[str]],
    written: Written,
    tmp_path: Path,
) -> None:
    header, first, second, *_ = cells
    too_long = [*first, "1"]
    source = written("in.csv", [header, first, too_long, second])
    code, _, err = run("score", source, tmp_path / "some")
    assert code == 0
    assert err.endswith(f"1 rows were bad, see {tmp_path / 'some'}/bad.csv\n")
    written("in.csv", [header, too_long])
    assert run("score", source, tmp_path / "none").code == 1


def test_score_refuses_what_would_be_lost_or_mixed(
    run: Run, store: Store, sample: Path, tmp_path: Path
) -> None:
    problem = f"expected a folder outside of {tmp_path}, which is the input"
    assert run("score", tmp_path, tmp_path / "out") == (
        1,
        "",
        f"error: {tmp_path / 'out'}: {problem}\n",
    )
    code, _, err = run("score", sample, tmp_path / "out", "--keep", "problem")
    assert code == 1
    assert err.startswith("error: --keep: expected none of the output's own [")
    assert not (tmp_path / "out").exists()


def test_without_pyarrow_scoring_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run("score", "in.csv", "out").err == (
        "error: pyarrow is not installed; scoring needs it: uv sync --group score\n"
    )
