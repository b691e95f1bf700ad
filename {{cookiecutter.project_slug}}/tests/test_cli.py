"""The command line: what it prints where, and the exit codes that scripts rely on."""

import csv
import io
import json
import math
import os
import re
import shutil
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import numpy as np
import pytest
from known import (
    CLASSES,
    ROWS,
    known,
)
from line import (
    put_a_line,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
    cli,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Evaluation,
    Feature,
    Manifest,
    Signature,
    build,
    version_of,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.cli.learning import (
    print_evaluation,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
    predictor,
)
from {{cookiecutter.__package_name}}.model.estimator import (
    Estimator,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    MISSING,
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    METRICS,
    judge_classes,
)

OPTIONS = {
    "": ["--version", "--verbose", "--help"],
    "train": [
        "--contract",
        "--thresholds",
        "--test-share",
        "--seed",
        "--batch-rows",
        "--update",
        "--json",
        "--help",
    ],
    "evaluate": [
        "--version",
        "--contract",
        "--thresholds",
        "--report",
        "--no-report",
        "--against",
        "--summary",
        "--json",
        "--help",
    ],
    "adopt": ["--sample", "--contract", "--thresholds", "--json", "--help"],
    "predict": ["--version", "--output", "--contract", "--help"],
    "score": [
        "--version",
        "--contract",
        "--keep",
        "--format",
        "--part-mb",
        "--scheduler",
        "--json",
        "--help",
    ],
    "serve": ["--host", "--port", "--help"],
    "smoke": ["--timeout", "--version", "--json", "--help"],
    "warm": ["--check", "--help"],
    "compare": [
        "--data",
        "--metrics",
        "--margin",
        "--contract",
        "--json",
        "--help",
    ],
    "drift": [
        "--version",
        "--contract",
        "--alpha",
        "--psi",
        "--output",
        "--json",
        "--help",
    ],
    "models": ["--help"],
    "models list": ["--json", "--help"],
    "models show": ["--help"],
    "models promote": ["--force", "--json", "--help"],
    "models rollback": ["--json", "--help"],
    "models prune": ["--keep", "--yes", "--json", "--help"],
    "models copy": ["--version", "--json", "--help"],
}


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
Written = Callable[[str, list[list[str]]], Path]


@pytest.fixture
def run(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """The whole command line in this process; its store is that of `store`."""
    for name in list(os.environ):
        if name == "PORT" or name.startswith("ML_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ML_MODEL_URI", str(tmp_path / "models"))
    monkeypatch.chdir(project)
    on_sigterm = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", [MODEL_NAME, *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Outcome(end.value.code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, on_sigterm)


def variant(
    artifact: Artifact, year: int, metrics: dict[str, float], *failures: str
) -> Artifact:
    """The same arrays, made in another year and judged by other metrics."""
    manifest = artifact.manifest
    manifest = msgspec.structs.replace(
        manifest,
        created=manifest.created.replace(year=year, day=1),
        evaluation=msgspec.structs.replace(manifest.evaluation, metrics=metrics),
        gate_failures=list(failures),
    )
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    return Artifact(manifest, artifact.files)


def made(artifact: Artifact) -> list[str]:
    return f"{artifact.manifest.created:%Y-%m-%d %H:%M}".split()


def first_words(text: str) -> list[str]:
    return [line.partition(" ")[0] for line in text.splitlines()]


def commands(command: click.Command, path: str = "") -> dict[str, click.Command]:
    found = {path: command}
    for name, child in getattr(command, "commands", {}).items():
        found |= commands(child, f"{path} {name}".strip())
    return found


def test_every_command_is_in_the_table_of_options() -> None:
    assert sorted(commands(cli.commands)) == sorted(OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
def test_help_names_every_option(run: Run, command: str) -> None:
    code, out, err = run(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {MODEL_NAME}")
    assert re.findall(r"^ +(?:-\w, )?(--[\w-]+)", out, re.MULTILINE) == OPTIONS[command]
    assert run(*command.split(), "-h").out == out


def test_the_version_is_that_of_the_project(run: Run, project: Path) -> None:
    stated = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    version = stated["project"]["version"]
    assert run("--version") == (0, f"{MODEL_NAME} {version}\n", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["brew"], "No such command 'brew'"),
        (["train", "--sed", "1"], "No such option '--sed'"),
        (["train", "--seed", "one"], "'one' is not a valid integer"),
        (["train", "none.csv"], "File 'none.csv' does not exist"),
        (["train", "--test-share", "1"], "1.0 is not in the range 0<x<1"),
        (["train", "--batch-rows", "0"], "0 is not in the range x>=1"),
        (["predict", "data"], "File 'data' is a directory"),
        (["models", "promote"], "Missing argument 'VERSION'"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, words: list[str], complaint: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.parametrize(
    ("name", "value", "words", "complaint"),
    [
        ("ML_PORT", "eighty", ["models", "list"], "a port, 0 to 65535, received 'eigh"),
        ("ML_PROT", "8080", ["train"], "one of ML_MODEL_URI, ML_HOST, ML_PORT, ML_LOG"),
        ("ML_DOCS", "maybe", ["serve"], "true or false, received 'maybe'\n"),
    ],
)
def test_a_bad_setting_ends_every_command_with_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, name, value, words, complaint
) -> None:
    monkeypatch.setenv(name, value)
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: {name}: expected {complaint}")


def test_an_option_that_cannot_be_a_setting_is_refused(run: Run) -> None:
    refused = "error: ML_PORT: expected a port, 0 to 65535, received '99999'\n"
    assert run("serve", "--port", 99999) == (1, "", refused)
    refused = "error: ML_HOST: expected an address to listen on, received ''\n"
    assert run("serve", "--host", "") == (1, "", refused)


def test_a_store_that_cannot_be_written_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ML_MODEL_URI", str(tmp_path / "file"))
    code, out, err = run("train")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert str(tmp_path / "file") in err


def test_train_judges_promotes_and_says_so(run: Run, tmp_path: Path) -> None:
    code, out, err = run("train")
    manifest = Store(tmp_path / "models", MODEL_NAME).get().manifest
    assert (code, err) == (0, f"version {manifest.version} is promoted\n")
    metrics, classes = METRICS[manifest.signature.task], manifest.signature.classes
    table = ["", "class", *classes] if classes else []
    assert first_words(out) == ["metric", *metrics, *table, "", "judged"]
    judged = f"judged by {manifest.evaluation.rows} rows; version {manifest.version}"
    assert out.splitlines()[-1] == judged


def test_classes_are_shown_beside_what_they_were_taken_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    P = known().predictor().predict(ROWS)
    judged = judge_classes(list(CLASSES), P["probabilities"], P["label"].astype(str))
    manifest = msgspec.structs.replace(known().manifest, evaluation=judged)
    manifest = msgspec.structs.replace(manifest, baseline=judged)
    print_evaluation(manifest, [], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "metric model baseline"
    assert " ".join(lines[1].split()) == "accuracy 1.0000 1.0000"
    columns = "class precision recall f1 rows as reed as rush as sedge"
    assert " ".join(lines[7].split()) == columns
    counts = [int((P["label"] == name).sum()) for name in CLASSES]
    assert " ".join(lines[9].split()) == f"rush 1 1 1 {counts[1]} 0 {counts[1]} 0"


def test_train_that_misses_a_threshold_keeps_the_version_and_ends_with_1(
    run: Run, artifact: Artifact, tmp_path: Path
) -> None:
    thresholds = tmp_path / "thresholds.toml"
    name = next(iter(artifact.manifest.evaluation.metrics))
    thresholds.write_text(f"at_least.{name} = 1e9")
    code, out, err = run("train", "--json", "--thresholds", thresholds)
    assert code == 1
    judged = json.loads(out)
    store = Store(tmp_path / "models", MODEL_NAME)
    assert (store.versions(), store.serving()) == ([judged["version"]], None)
    (failure,) = judged["gate_failures"]
    assert failure.endswith(", at least 1e+09 is needed")
    kept = f"version {judged['version']} is kept but not promoted:\n  {failure}\n"
    assert err == kept


@pytest.fixture
def lenient(tmp_path: Path) -> list[str]:
    """Options of thresholds that any model passes, however little it has learned."""
    path = tmp_path / "lenient.toml"
    path.touch()
    return ["--thresholds", str(path)]


def test_train_prints_json_for_programs(
    run: Run, table: Table, contract: Contract, lenient: list[str], tmp_path: Path
) -> None:
    words = ("train", "--json", "--seed", 1, "--test-share", 0.5)
    code, out, _ = run(*words, *lenient)
    judged = json.loads(out)
    assert code == 0
    assert list(judged) == ["version", "evaluation", "baseline", "gate_failures"]
    made = Store(tmp_path / "models", MODEL_NAME).get().manifest.provenance
    held_out = judged["evaluation"]["rows"] + made.split["repeated_rows_left_out"]
    assert held_out + made.train_rows == len(table.y)
    if not contract.key:  # a group is held out whole, whatever its size
        assert held_out == math.ceil(len(table.y) / 2)
    assert set(judged["baseline"]["metrics"]) == set(judged["evaluation"]["metrics"])


@pytest.mark.skipif(
    not hasattr(Estimator, "update"), reason="this model can't go on learning"
)
def test_train_goes_on_from_the_version_in_service(
    run: Run, store: Store, contract: Contract, lenient: list[str]
) -> None:
    before = store.serving()
    code, _, _ = run("train", "--update", "--batch-rows", 50, *lenient)
    assert code == 0
    provenance = store.get().manifest.provenance
    assert provenance.continued_from == before
    key = "group" if contract.group else "time"
    method = f"by {key} {contract.key}" if contract.key else "by row"
    assert provenance.split["method"] == method


def test_going_on_from_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    pointer = tmp_path / "models" / MODEL_NAME / "CURRENT"
    assert run("train", "--update") == (
        1,
        "",
        f"error: {pointer}: a promoted version not found; run `train` first, "
        "or look at what there is with `models list`\n",
    )


def test_data_that_breaks_the_contract_is_one_message(
    run: Run, contract: Contract, cells: list[list[str]], written: Written
) -> None:
    header, *rows = cells
    first = contract.features[0].name
    place = [name.strip() for name in header].index(first)
    # In one line each, so that they are lines 2 and 3.
    broken = [[" ".join(cell.split()) for cell in row] for row in rows[:2]]
    for row in broken:
        row[place] = "high"
    data = written("sample.csv", [header, *broken, *rows[2:]])
    assert run("train", data) == (
        1,
        "",
        f"error: {data}: 2 problems\n"
        f"  line 2, column '{first}': expected a number, received 'high'\n"
        f"  line 3, column '{first}': expected a number, received 'high'\n",
    )


def test_evaluate_judges_by_the_rows_that_training_held_out(
    run: Run, store: Store
) -> None:
    code, out, err = run("evaluate", "--no-report")
    assert (code, err) == (0, "")
    manifest = store.get().manifest
    rows = manifest.evaluation.rows
    assert out.endswith(f"\njudged by {rows} rows; version {manifest.version}\n")
    code, out, _ = run(
        "evaluate", "--no-report", "--json", "--version", store.serving()
    )
    shown = json.loads(out)
    assert (code, shown["version"]) == (0, manifest.version)
    assert msgspec.convert(shown["evaluation"], Evaluation) == manifest.evaluation
    assert msgspec.convert(shown["baseline"], Evaluation) == manifest.baseline


def test_evaluate_judges_by_all_rows_of_another_file(
    run: Run, store: Store, cells: list[list[str]], written: Written
) -> None:
    other = written("other.csv", cells[:1] + cells[1::3])
    code, out, _ = run("evaluate", other, "--no-report")
    assert code == 0
    rows = len(cells[1::3])
    assert out.endswith(f"\njudged by {rows} rows; version {store.serving()}\n")


def test_evaluate_ends_with_1_when_a_threshold_is_missed(
    run: Run, store: Store, tmp_path: Path
) -> None:
    thresholds = tmp_path / "thresholds.toml"
    metrics = store.get().manifest.evaluation.metrics
    name = next(iter(metrics))
    thresholds.write_text(f"at_most.{name} = -1")
    code, out, _ = run("evaluate", "--no-report", "--json", "--thresholds", thresholds)
    assert code == 1
    (failure,) = json.loads(out)["gate_failures"]
    assert failure == f"{name} is {metrics[name]:.4g}, at most -1 is allowed"


def test_evaluate_holds_a_candidate_against_the_version_in_service(
    run: Run, store: Store, artifact: Artifact, tmp_path: Path
) -> None:
    """Never the version in service against itself."""
    margins = tmp_path / "thresholds.toml"
    metric = next(iter(artifact.manifest.evaluation.metrics))
    margins.write_text(f"not_worse_than_production.{metric} = -1e9")
    words = ("evaluate", "--no-report", "--json", "--thresholds", margins)
    assert run(*words).code == 0
    candidate = store.put(variant(artifact, 2999, {"accuracy": 1.0}))
    code, out, _ = run(*words, "--version", candidate)
    assert code == 1
    (failure,) = json.loads(out)["gate_failures"]
    assert "worse than that of the version in service" in failure
    assert run(*words, "--against", tmp_path / "empty", "--version", candidate)[0] == 0


def test_evaluate_sums_up_what_it_found_for_whoever_reviews(
    run: Run, store: Store, artifact: Artifact, tmp_path: Path
) -> None:
    """Beside the version in service, here or in another store, when there is one."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    words = ("evaluate", "--no-report", "--summary", summary)
    assert run(*words).code == 0
    told = summary.read_text()
    assert told.startswith(f"# Before\n## {MODEL_NAME} {store.serving()}\n")
    assert told.endswith("\nThis is the version in service.\n")
    other = variant(artifact, 2999, {"accuracy": 1.0})
    candidate = store.put(other)
    assert run(*words, "--version", candidate).code == 0
    assert "| the same |\n" in summary.read_text().partition("rows that neither")[2]
    assert run(*words, "--against", tmp_path / "empty").code == 0
    assert summary.read_text().endswith("compared with the baseline only.\n")
    (store.folder / "CURRENT").write_text("broken")
    assert run(*words, "--version", candidate).code == 0
    assert "The version in service could not be read: " in summary.read_text()


def test_evaluate_says_what_a_version_misses_and_what_it_could_not_read(
    run: Run, store: Store, tmp_path: Path, artifact: Artifact
) -> None:
    strict = tmp_path / "thresholds.toml"
    metric = next(iter(artifact.manifest.evaluation.metrics))
    strict.write_text(f"at_least.{metric} = 1e9\n")
    code, _, said = run("evaluate", "--no-report", "--thresholds", strict)
    assert code == 1
    assert f"version {store.serving()} is not good enough:\n  {metric} is " in said
    other = tmp_path / "other"
    (other / MODEL_NAME).mkdir(parents=True)
    code, _, said = run("evaluate", "--no-report", "--against", other)
    assert code == 0
    assert f"No version is in service in {other}" in said
    (other / MODEL_NAME / "CURRENT").write_text("broken")
    code, _, said = run("evaluate", "--no-report", "--against", other)
    assert code == 1
    assert "CURRENT" in said


def test_evaluate_judges_the_newest_when_none_is_in_service(
    run: Run, store: Store, artifact: Artifact
) -> None:
    shutil.rmtree(store.folder)
    assert run("evaluate", "--no-report").code == 1
    newest = store.put(artifact)
    code, out, err = run("evaluate", "--no-report")
    assert (code, "compared with the baseline only" in err) == (0, True)
    assert out.endswith(f" rows; version {newest}\n")


def test_adopt_promotes_a_good_graph_where_graphs_are_run(
    run: Run,
    store: Store,
    artifact: Artifact,
    table: Table,
    tmp_path: Path,
    lenient: list[str],
) -> None:
    file = tmp_path / "theirs.onnx"
    file.write_bytes(artifact.files.get("model.onnx", b""))
    before = store.serving()
    code, out, err = run("adopt", file, "--sample", "data/sample.csv", *lenient)
    if engine.NAME != "onnx":
        assert (code, out, store.serving()) == (1, "", before)
        assert err.startswith("error: engine: expected onnx, ")
        return
    assert (code, err) == (0, f"version {store.serving()} is promoted\n")
    assert store.serving() != before
    judged = f"judged by {len(table.X)} rows; version {store.serving()}"
    assert out.splitlines()[-1] == judged
    impossible = tmp_path / "thresholds.toml"
    metric = next(iter(artifact.manifest.evaluation.metrics))
    impossible.write_text(f"at_least.{metric} = 1e9")
    words = ("--sample", "data/sample.csv", "--thresholds", impossible)
    assert run("adopt", file, *words).code == 1
    impossible.write_text(f"not_worse_than_production.{metric} = -1e9")
    code, _, err = run("adopt", file, *words)
    assert code == 1
    assert "worse than that of the version in service" in err


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


@pytest.mark.parametrize("words", [["predict"], ["evaluate"], ["train", "--update"]])
def test_a_version_is_not_asked_by_the_contract_of_another(
    run: Run, store: Store, contract: Contract, tmp_path: Path, words: list[str]
) -> None:
    other = tmp_path / "contract.toml"
    text = Path("data/contract.toml").read_text()
    first, *_, last = (f'"{each.name}"' for each in contract.features)
    swap = {first: last, last: first}
    other.write_text(re.sub(f"{first}|{last}", lambda name: swap[name[0]], text))
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


def test_an_empty_store_is_listed_as_such(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "models" / MODEL_NAME
    said = f"no versions in {folder}; run `{MODEL_NAME} train`\n"
    assert run("models", "list") == (0, said, "")
    assert run("models", "list", "--json") == (0, "[]\n", "")


def test_a_star_marks_the_version_in_service(
    run: Run, store: Store, artifact: Artifact
) -> None:
    shutil.rmtree(store.folder)
    good = variant(artifact, 2999, {"accuracy": 0.9, "log_loss": 0.25})
    bad = variant(artifact, 2998, {"accuracy": 0.5, "log_loss": 1.25}, "accuracy is")
    store.promote(store.put(good))
    store.put(bad)
    data = artifact.manifest.provenance.data_sha256[:12]
    code, out, err = run("models", "list")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["version", "made", "gate", "accuracy", "log_loss", "data"],
        ["*", good.manifest.version, *made(good), "passed", "0.9000", "0.2500", data],
        [bad.manifest.version, *made(bad), "missed", "0.5000", "1.2500", data],
    ]
    good_row, bad_row = json.loads(run("models", "list", "--json").out)
    assert (good_row["version"], good_row["serving"]) == (good.manifest.version, True)
    assert good_row["metrics"] == {"accuracy": 0.9, "log_loss": 0.25}
    assert (bad_row["gate_failures"], bad_row["serving"]) == (["accuracy is"], False)


def test_from_a_damaged_pointer_there_is_a_way_out(run: Run, store: Store) -> None:
    version, pointer = store.serving(), store.folder / "CURRENT"
    pointer.write_text("{")
    code, out, err = run("models", "list")
    assert (code, out.splitlines()[1].split()[0]) == (0, version), "and no star"
    assert err.startswith(f"damaged: {pointer}: ")
    assert run("predict").code == 1
    assert run("models", "promote", version).code == 1, "it may tell what was decided"
    pointer.rename(store.folder / "CURRENT.damaged")
    assert run("models", "promote", version).code == 0
    assert run("predict").code == 0


def test_show_prints_the_manifest(run: Run, store: Store) -> None:
    code, out, _ = run("models", "show")
    shown = json.loads(out)
    (decision,) = shown.pop("decisions")
    assert (code, shown.pop("serving")) == (0, True)
    assert msgspec.convert(shown, Manifest) == store.get().manifest
    assert (decision["action"], decision["version"]) == ("promote", store.serving())
    assert run("models", "show", store.serving()).out == out
    assert run("models", "show", "7").code == 1


def test_promote_needs_a_reason_when_the_gate_was_missed(
    run: Run, store: Store, artifact: Artifact
) -> None:
    before = store.serving()
    bad = store.put(variant(artifact, 2999, {"accuracy": 0.5}, "accuracy is 0.5"))
    assert run("models", "promote", bad) == (
        1,
        "",
        f"error: version {bad} is not promoted: accuracy is 0.5. "
        "Improve the model, or state why with --force REASON\n",
    )
    assert store.serving() == before
    said = f"{bad} is in service in {store.root} from the next start on\n"
    assert run("models", "promote", bad, "--force", "an experiment") == (0, said, "")
    assert store.pointer().serving.reason == "an experiment"
    out = run("models", "list").out
    assert out.splitlines()[1].split()[4] == "forced"
    assert out.endswith(f"\n{bad} was forced: an experiment\n")
    rows = json.loads(run("models", "list", "--json").out)
    assert [row["forced"] for row in rows] == ["an experiment", None]


def test_rollback_returns_to_what_served_before(
    run: Run, store: Store, artifact: Artifact
) -> None:
    before = store.serving()
    store.promote(store.put(variant(artifact, 2999, {"accuracy": 1.0})))
    said = f"{before} is in service in {store.root} from the next start on\n"
    assert run("models", "rollback") == (0, said, "")
    assert store.serving() == before
    code, out, err = run("models", "rollback")
    assert (code, out) == (1, "")
    assert err.endswith("an earlier version not found; nothing to roll back to\n")


def test_a_version_with_other_features_comes_into_service_with_a_warning(
    run: Run, store: Store, artifact: Artifact
) -> None:
    before = store.serving()
    first, *others = artifact.manifest.signature.features
    features = (msgspec.structs.replace(first, name="another"), *others)
    signature = msgspec.structs.replace(artifact.manifest.signature, features=features)
    other = variant(artifact, 2999, {"accuracy": 1.0})
    manifest = msgspec.structs.replace(other.manifest, signature=signature)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    version = store.put(Artifact(manifest, artifact.files))
    said = "warning: it takes other features, or gives other classes, than {}, which"
    assert run("models", "promote", version)[2].startswith(said.format(before))
    assert run("models", "rollback")[2].startswith(said.format(version))


def test_prune_names_what_it_would_remove_and_removes_it_when_told(
    run: Run, store: Store, artifact: Artifact
) -> None:
    versions = [
        store.put(variant(artifact, year, {"accuracy": 1.0}))
        for year in (2001, 2002, 2003)
    ]
    (store.folder / ".outgoing-x").mkdir()
    doomed = f"{versions[1]}\n{versions[0]}\n.outgoing-x\n"
    dry = "2 versions and 1 leftovers would be removed; say --yes to do so\n"
    assert run("models", "prune", "--keep", 2) == (0, doomed, dry)
    assert len(store.versions()) == 4
    done = "2 versions and 1 leftovers are removed\n"
    assert run("models", "prune", "--keep", 2, "--yes") == (0, doomed, done)
    assert store.versions() == [store.serving(), versions[2]]
    code, out, _ = run("models", "prune", "--json", "--yes")
    nothing = {"removed": True, "versions": [], "leftovers": []}
    assert (code, json.loads(out)) == (0, nothing)


def test_an_empty_store_holds_nothing_to_prune(run: Run) -> None:
    said = "0 versions and 0 leftovers are removed\n"
    assert run("models", "prune", "--yes") == (0, "", said)


@pytest.fixture
def line(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stored version that predicts numbers, y = 2x; data, and options that fit it."""
    put_a_line(monkeypatch)
    x = Feature("x", "", 0.0, 1.0, 2.0)
    judged = Evaluation(rows=2, metrics={"mae": 0.0, "rmse": 0.0, "r2": 1.0})
    made = store.get().manifest.provenance
    line = build(
        MODEL_NAME,
        engine.files({"slope": np.array([2.0])}),
        Signature("regression", "y", (x,), ()),
        judged,
        judged,
        [],
        made,
    )
    store.promote(store.put(line))
    (tmp_path / "line.csv").write_text("x,y\n1,2\n2,4\n3,9\n")
    (tmp_path / "line.toml").write_text('target = "y"\nfeatures = [{ name = "x" }]\n')
    return [str(tmp_path / "line.csv"), "--contract", str(tmp_path / "line.toml")]


def test_a_model_of_numbers_answers_with_numbers(run: Run, line: list[str]) -> None:
    assert run("predict", *line) == (0, "y\n2.0\n4.0\n6.0\n", "")


def test_a_model_of_numbers_is_judged_without_classes(
    run: Run, line: list[str], store: Store, tmp_path: Path
) -> None:
    thresholds = tmp_path / "thresholds.toml"
    thresholds.write_text('better_than_baseline = ["mae", "rmse", "r2"]')
    folder = tmp_path / "judged"
    words = ("--thresholds", thresholds, "--report", folder)
    code, out, err = run("evaluate", *line, *words)
    assert (code, err) == (0, f"report: {folder / 'report.html'}\n")
    pictures = {path.stem for path in folder.glob("*-dark.png")}
    names = ("predicted", "residuals", "errors", "importance", "comparison")
    assert pictures == {f"{name}-dark" for name in names}
    assert first_words(out) == ["metric", "mae", "rmse", "r2", "", "judged"]
    assert out.endswith(f"\njudged by 3 rows; version {store.serving()}\n")


def test_without_matplotlib_a_report_says_what_to_install(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = "matplotlib is not installed; a report needs it: uv sync --group train, "
    assert run("evaluate") == (1, "", f"error: {said}or --no-report\n")
    assert run("evaluate", "--no-report").code == 0


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_without_scikit_learn_training_says_what_to_install(
    run: Run, store: Store, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert run(command) == (
        1,
        "",
        "error: scikit-learn is not installed; training needs it: "
        "uv sync --group train\n",
    )


def test_copy_puts_a_version_into_service_in_another_store(
    run: Run, store: Store, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other", MODEL_NAME)
    serving = store.serving()
    said = f"{serving} is in service in {other.root} from the next start on\n"
    assert run("models", "copy", other.root) == (0, said, "")
    assert (other.serving(), other.get()) == (serving, store.get())
    for words, root in (
        (["copy", other.root], other.root),
        (["promote", serving], store.root),
    ):
        code, out, err = run("models", *words, "--json")
        told = {"serving": serving, "store": str(root)}
        assert (code, json.loads(out), err) == (0, told, "")
    assert run("models", "copy", other.root) == (0, said, "")


@pytest.fixture
def complete(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What the shell bash would offer for the last word."""
    variable = f"_{MODEL_NAME}_COMPLETE".replace("-", "_").upper()

    def complete(line: str) -> list[str]:
        monkeypatch.setenv(variable, "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        code, out, err = run()
        assert (code, err) == (0, "")
        return [each.partition(",")[2] for each in out.split()]

    return complete


def test_the_shell_completes_commands_options_and_versions(
    complete: Callable[[str], list[str]], store: Store, tmp_path: Path
) -> None:
    assert complete(f"{MODEL_NAME} ev") == ["evaluate"]
    assert complete(f"{MODEL_NAME} train --b") == ["--batch-rows"]
    assert complete(f"{MODEL_NAME} models pr") == ["promote", "prune"]
    serving = store.serving()
    assert complete(f"{MODEL_NAME} predict --version 2") == [serving]
    assert complete(f"{MODEL_NAME} models promote x") == []


def test_a_store_that_can_t_be_read_completes_nothing(
    complete: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_MODEL_URI", "ftp://nowhere")
    assert complete(f"{MODEL_NAME} models show 2") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_a_script(
    run: Run, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    variable = f"_{MODEL_NAME}_COMPLETE".replace("-", "_").upper()
    monkeypatch.setenv(variable, f"{shell}_source")
    code, out, err = run()
    assert (code, err) == (0, "")
    assert f"{variable}={shell}_complete" in out


@pytest.mark.parametrize("words", OPTIONS)
def test_every_help_fits_a_terminal_and_explains_every_option(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run(*words.split(), "--help").out
    assert max(map(len, out.splitlines())) <= 80
    command: click.Command = cli.commands
    for word in words.split():
        command = command.commands[word]
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
    listed = out.partition("\nCommands:")[2]
    assert "..." not in listed, "a command's summary is cut off"


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
    source = written("in.csv", [header, first, ["1", "2"], second])
    code, _, err = run("score", source, tmp_path / "some")
    assert code == 0
    assert err.endswith(f"1 rows were bad, see {tmp_path / 'some'}/bad.csv\n")
    written("in.csv", [header, ["1", "2"]])
    assert run("score", source, tmp_path / "none").code == 1


def test_without_pyarrow_scoring_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run("score", "in.csv", "out").err == (
        "error: pyarrow is not installed; scoring needs it: uv sync --group score\n"
    )
