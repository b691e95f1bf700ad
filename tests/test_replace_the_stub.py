"""Another model in the stub's place: two files of code, and all works as before.

A graph that was made elsewhere is another way: see test_engines.py.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import Rendered
from containers import HARDENED, built, need_engine
from containers import running as running_container
from test_service import get, running, wait_until_ready

pytestmark = pytest.mark.thorough

REPLACEMENTS = Path(__file__).parent / "replacements"
MODEL = "src/wine_classifier/model"
HERE = {"PYTHONPATH": "src"}

# What an owner of another model throws away: it speaks of the shipped one.
OF_THE_STUB = (
    "tests/model/test_estimator.py",
    "tests/model/test_kernels.py",
    "tests/model/test_shipped.py",
    "tests/oracle.py",
)
NUMBERS = 151  # rows of the data that `to_numbers` leaves
CONTRACT = """target = "yield"
ignored = ["note"]

[[features]]
name = "strength"
unit = "% vol"
minimum = 0
missing = 13.05
"""
THRESHOLDS = """better_than_baseline = ["mae", "rmse", "r2"]

[at_least]
r2 = 0.2
"""


def to_numbers(project: Path) -> None:
    """Predict the proline of a wine from its alcohol: data, no code.

    And with all that the shipped data has not, so that nothing goes by it: one feature,
    another name, fewer rows, some of them equal, a text first that is not read, gaps,
    and no rows to show.
    """
    sample, contract = project / "data/sample.csv", project / "data/contract.toml"
    rows = list(csv.DictReader(sample.read_text().splitlines()))
    contract.write_text(CONTRACT)
    with sample.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file, lineterminator="\n").writerow
        write(["note", "strength", "yield"])
        for i, row in enumerate(rows[:NUMBERS]):
            strength = "" if i % 9 == 1 else row["alcohol"]
            write([f'cellar {i % 7}, "west"', strength, row["proline"]])
    (project / "thresholds.toml").write_text(THRESHOLDS)


@pytest.fixture(scope="module", params=["forest", "neighbours", "ridge"])
def replaced(
    request: pytest.FixtureRequest,
    project: Rendered,
    tmp_path_factory: pytest.TempPathFactory,
) -> Rendered:
    """The default project with another model, in the environment of the default one."""
    path = tmp_path_factory.mktemp(request.param) / "wine-classifier"
    shutil.copytree(
        project.path,
        path,
        symlinks=True,
        ignore=shutil.ignore_patterns(".*cache", ".venv", "models", "__pycache__"),
    )
    (path / ".venv").symlink_to(project.path / ".venv")
    for name in ("kernels.py", "estimator.py"):
        shutil.copy(REPLACEMENTS / request.param / name, path / MODEL / name)
    for name in OF_THE_STUB:
        (path / name).unlink()
    if request.param == "ridge":
        to_numbers(path)
    return Rendered(path)


def python(replaced: Rendered, *words: str) -> str:
    command = str(replaced.path / ".venv" / "bin" / "python")
    return replaced.succeeds(command, "-m", *words, **HERE)


def test_it_trains_is_judged_predicts_and_answers_over_http(replaced):
    run = ("wine_classifier",)
    assert "is promoted" in python(replaced, *run, "train")
    assert "judged by" in python(replaced, *run, "evaluate")
    header, *predicted = python(replaced, *run, "predict").splitlines()
    manifest = json.loads(python(replaced, *run, "models", "show"))
    features = [each["median"] for each in manifest["signature"]["features"]]
    with running(replaced, **HERE) as (address, service):
        wait_until_ready(address, service)
        rows = [features, [2 * each for each in features]]
        url = f"{address}/v1/models/wine-classifier:predict"
        status, v1 = get(url, {"instances": rows})
        assert status == 200
        tensor = {"name": "features", "shape": [2, len(features)], "datatype": "FP64"}
        url = f"{address}/v2/models/wine-classifier/infer"
        status, v2 = get(url, {"inputs": [tensor | {"data": rows}]})
        assert status == 200
        _, metadata = get(f"{address}/v2/models/wine-classifier")
        if manifest["signature"]["task"] == "regression":
            assert " FAILED " not in python(replaced, *run, "smoke", address)
    told = metadata["parameters"]
    assert [each["name"] for each in metadata["outputs"]] == [
        each["name"] for each in v2["outputs"]
    ]
    assert told["target"] == header.split(",")[0]
    outputs = {each["name"]: each["data"] for each in v2["outputs"]}
    if manifest["signature"]["task"] == "regression":
        check_scores_and_drift(replaced, predicted)
        assert (header, len(predicted), told["examples"]) == ("yield", NUMBERS, [])
        assert outputs == {"value": v1["predictions"]}
        low, high = told["target_range"]
        assert low < high
        assert told["card"]["confusion"] == []
    else:
        assert header.startswith("cultivar,probability_barbera,")
        assert (len(predicted), len(told["examples"])) == (178, 6)
        assert outputs["label"] == [each["label"] for each in v1["predictions"]]
        flat = [p for each in v1["predictions"] for p in each["probabilities"]]
        assert outputs["probabilities"] == flat


def check_scores_and_drift(replaced: Rendered, answers: list[str]) -> None:
    """The commands that every other test of the template runs with classes only."""
    data, run = "data/sample.csv", ("wine_classifier",)
    python(replaced, *run, "score", data, "build/scored")
    scored = csv.DictReader(replaced.text("build/scored/part-00000.csv").splitlines())
    assert [float(row["value"]) for row in scored] == [float(each) for each in answers]
    assert "0 of 2 columns have drifted" in python(replaced, *run, "drift", data, data)


def test_its_checks_are_green(replaced, tmp_path_factory):
    """Style, types, and every test that can tell, but those of the shipped model."""
    python(replaced, "ruff", "check", "--no-cache")
    python(replaced, "black", "--check", "--quiet", ".")
    # One for all, since they differ in two files.
    types = tmp_path_factory.getbasetemp() / "types"
    python(replaced, "mypy", f"--cache-dir={types}")
    command = str(replaced.path / ".venv" / "bin" / "python")
    words = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "affected")
    folders = os.pathsep.join(["src", str(REPLACEMENTS)])
    replaced.succeeds(command, "-m", *words, PYTHONPATH=folders)


def test_going_on_is_refused_by_a_model_that_cannot(replaced):
    python(replaced, "wine_classifier", "train")  # no matter which test ran first
    going_on = ("wine_classifier", "train", "--update")
    if "def update" in replaced.text(f"{MODEL}/estimator.py"):
        python(replaced, *going_on)
        return
    command = str(replaced.path / ".venv" / "bin" / "python")
    refused = replaced.run(command, "-m", *going_on, **HERE)
    assert refused.returncode == 1
    assert "error: this estimator can't go on learning" in refused.stderr


def test_its_image_answers_as_it_does_here(replaced):
    need_engine()
    python(replaced, "wine_classifier", "train")
    header, first, *_ = python(replaced, "wine_classifier", "predict").splitlines()
    row = next(csv.DictReader(replaced.text("data/sample.csv").splitlines()))
    manifest = json.loads(python(replaced, "wine_classifier", "models", "show"))
    names = [each["name"] for each in manifest["signature"]["features"]]
    with (
        built(replaced) as image,
        running_container(image, *HARDENED, "--network=none") as container,
    ):
        container.wait_for_health()
        path = "/v1/models/wine-classifier:predict"
        body = {"instances": [[float(row[name]) for name in names]]}
        status, answer = container.ask("POST", path, body)
    assert status == 200
    (predicted,) = answer["predictions"]
    if header == "yield":
        assert predicted == float(first)
    else:
        assert predicted["label"] == first.split(",")[0]
