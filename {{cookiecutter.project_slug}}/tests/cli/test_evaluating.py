"""`evaluate`: what it prints and writes, by what it judges, and the exit codes."""

import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from known import (
    CLASSES,
    ROWS,
    known,
)
from outcomes import (
    Run,
    Written,
    first_words,
    variant,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Evaluation,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.cli.learning import (
    print_evaluation,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    judge_classes,
)


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


def test_nothing_is_shown_without_a_sign(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = Evaluation(rows=9, metrics={"r2": -1e-9})
    manifest = msgspec.structs.replace(known(()).manifest, evaluation=nothing)
    manifest = msgspec.structs.replace(manifest, baseline=nothing)
    print_evaluation(manifest, [], as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split() == ["r2", "0.0000", "0.0000"]


def test_evaluate_judges_by_the_rows_that_training_held_out(
    run: Run, store: Store, lenient: list[str]
) -> None:
    words = ("evaluate", "--no-report", *lenient)
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    manifest = store.get().manifest
    rows = manifest.evaluation.rows
    assert out.endswith(f"\njudged by {rows} rows; version {manifest.version}\n")
    code, out, _ = run(*words, "--json", "--version", store.serving())
    shown = json.loads(out)
    assert (code, shown["version"]) == (0, manifest.version)
    assert msgspec.convert(shown["evaluation"], Evaluation) == manifest.evaluation
    assert msgspec.convert(shown["baseline"], Evaluation) == manifest.baseline


def test_evaluate_judges_by_all_rows_of_another_file(
    run: Run,
    store: Store,
    cells: list[list[str]],
    written: Written,
    lenient: list[str],
) -> None:
    other = written("other.csv", cells[:1] + cells[1::3])
    code, out, _ = run("evaluate", other, "--no-report", *lenient)
    assert code == 0
    rows = len(cells[1::3])
    assert out.endswith(f"\njudged by {rows} rows; version {store.serving()}\n")


def test_evaluate_ends_with_3_when_a_threshold_is_missed(
    run: Run, store: Store, tmp_path: Path
) -> None:
    thresholds = tmp_path / "thresholds.toml"
    metrics = store.get().manifest.evaluation.metrics
    name = next(iter(metrics))
    thresholds.write_text(f"at_most.{name} = -1")
    code, out, _ = run("evaluate", "--no-report", "--json", "--thresholds", thresholds)
    assert code == 3
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
    assert code == 3
    (failure,) = json.loads(out)["gate_failures"]
    assert "worse than that of the version in service" in failure
    assert run(*words, "--against", tmp_path / "empty", "--version", candidate)[0] == 0


def test_evaluate_sums_up_what_it_found_for_whoever_reviews(
    run: Run, store: Store, artifact: Artifact, tmp_path: Path, lenient: list[str]
) -> None:
    """Beside the version in service, here or in another store, when there is one."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    words = ("evaluate", "--no-report", "--summary", summary, *lenient)
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
    run: Run, store: Store, tmp_path: Path, artifact: Artifact, lenient: list[str]
) -> None:
    strict = tmp_path / "thresholds.toml"
    metric = next(iter(artifact.manifest.evaluation.metrics))
    strict.write_text(f"at_least.{metric} = 1e9\n")
    code, _, said = run("evaluate", "--no-report", "--thresholds", strict)
    assert code == 3
    assert f"version {store.serving()} is not good enough:\n  {metric} is " in said
    other = tmp_path / "other"
    (other / MODEL_NAME).mkdir(parents=True)
    words = ("evaluate", "--no-report", "--against", other, *lenient)
    code, _, said = run(*words)
    assert code == 0
    assert f"No version is in service in {other}" in said
    (other / MODEL_NAME / "CURRENT").write_text("broken")
    code, _, said = run(*words)
    assert code == 1
    assert "CURRENT" in said


def test_evaluate_judges_the_newest_when_none_is_in_service(
    run: Run, store: Store, artifact: Artifact, lenient: list[str]
) -> None:
    shutil.rmtree(store.folder)
    words = ("evaluate", "--no-report", *lenient)
    assert run(*words).code == 1
    newest = store.put(artifact)
    code, out, err = run(*words)
    assert (code, "compared with the baseline only" in err) == (0, True)
    assert out.endswith(f" rows; version {newest}\n")


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
    run: Run, store: Store, lenient: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = "matplotlib is not installed; a report needs it: uv sync --group train, "
    assert run("evaluate") == (1, "", f"error: {said}or --no-report\n")
    assert run("evaluate", "--no-report", *lenient).code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_named_by_what_could_not_be_written(
    run: Run, store: Store
) -> None:
    code, _, err = run("evaluate", "--no-report", "--summary", "/dev/full")
    assert code == 1
    assert err == "error: [Errno 28] No space left on device: '/dev/full'\n"
