"""Another model in the stub's place: two files of code, and all works as before."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import Rendered
from test_service import get, running, wait_until_ready

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
THRESHOLDS = """better_than_baseline = ["mae", "rmse", "r2"]

[at_least]
r2 = 0.5
"""


def to_numbers(project: Path) -> None:
    """Predict the proline of a wine instead of its cultivar: data, no code."""
    sample, contract = project / "data/sample.csv", project / "data/contract.toml"
    rows = [row.split(",") for row in sample.read_text().splitlines()]
    sample.write_text("\n".join(",".join(row[:-1]) for row in rows))
    text = contract.read_text()
    text = re.sub("target = .*\nclasses = .*\n", 'target = "proline"\n', text)
    text = re.sub('\n\\[\\[features]]\nname = "proline"[^\\[]*', "", text)
    contract.write_text(text)
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
    outputs = {each["name"]: each["data"] for each in v2["outputs"]}
    if manifest["signature"]["task"] == "regression":
        assert header == "proline"
        assert outputs == {"value": v1["predictions"]}
    else:
        assert header.startswith("cultivar,probability_barbera,")
        assert outputs["label"] == [each["label"] for each in v1["predictions"]]
        flat = [p for each in v1["predictions"] for p in each["probabilities"]]
        assert outputs["probabilities"] == flat
    assert len(predicted) == 178


def test_its_checks_are_green(replaced):
    """Style, types, and every test but those of the shipped model.

    Those of the service as a process are left out: it is one above.
    """
    python(replaced, "ruff", "check", "--no-cache")
    python(replaced, "black", "--check", "--quiet", ".")
    python(replaced, "mypy")
    left_out = (
        "--ignore=tests/serving/test_server.py",
        "--ignore=tests/test_journey.py",
    )
    if "classes" not in replaced.text("data/contract.toml").split("[[features]]")[0]:
        # These still ask for classes, and have no model of their own.
        left_out += ("--ignore=tests/monitoring", "--ignore=tests/cli")
    python(replaced, "pytest", "-q", "-p", "no:cacheprovider", *left_out)


def test_going_on_is_refused_by_a_model_that_cannot(replaced):
    going_on = ("wine_classifier", "train", "--update")
    if "def update" in replaced.text(f"{MODEL}/estimator.py"):
        python(replaced, *going_on)
        return
    command = str(replaced.path / ".venv" / "bin" / "python")
    refused = replaced.run(command, "-m", *going_on, **HERE)
    assert refused.returncode == 1
    assert "error: this estimator can't go on learning" in refused.stderr
