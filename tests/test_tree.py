"""Which files a project has, for each choice that decides over files."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TEMPLATE, every_combination
from jinja2 import Environment

from ml_service_template import CHOICES

EVERY_PROJECT = """
.dockerignore
.cruft.json
.editorconfig
.env.example
.gitattributes
.github/CODEOWNERS
.github/ISSUE_TEMPLATE/config.yml
.github/ISSUE_TEMPLATE/fault.yml
.github/ISSUE_TEMPLATE/model.yml
.github/ISSUE_TEMPLATE/prediction.yml
.github/dependabot.yml
.github/release.py
.github/pull_request_template.md
.github/workflows/ci.yml
.github/workflows/docs.yml
.github/workflows/release.yml
.github/workflows/template-update.yml
.gitignore
.pre-commit-config.yaml
CHANGELOG.md
Dockerfile
LICENSE
Makefile
README.md
compose.yaml
data/README.md
data/contract.toml
data/sample.csv
docs/conf.py
docs/data-contract.md
docs/decisions/0000-template.md
docs/decisions/README.md
docs/from-notebook.md
docs/index.md
docs/on-call.md
docs/release.md
docs/replace-the-model.md
docs/retrain.md
docs/roll-back.md
docs/score.md
docs/learning-pattern.md
docs/twelve-factor.md
docs/canary-and-shadow.md
docs/drift.md
docs/intended-use.md
docs/conventions.md
experiments/.jupyter/overrides.json
experiments/README.md
experiments/explore.py
mypy.ini
observability/README.md
observability/alerts.yml
observability/alerts_test.yml
observability/dashboard.json
observability/prometheus.yml
pyproject.toml
ruff.toml
src/wine_classifier/__init__.py
src/wine_classifier/__main__.py
src/wine_classifier/app.py
src/wine_classifier/artifacts/__init__.py
src/wine_classifier/artifacts/artifact.py
src/wine_classifier/artifacts/bucket.py
src/wine_classifier/artifacts/folder.py
src/wine_classifier/artifacts/pointer.py
src/wine_classifier/artifacts/reference.py
src/wine_classifier/artifacts/store.py
src/wine_classifier/cli/__init__.py
src/wine_classifier/cli/adopting.py
src/wine_classifier/cli/answering.py
src/wine_classifier/cli/common.py
src/wine_classifier/cli/comparing.py
src/wine_classifier/cli/learning.py
src/wine_classifier/cli/remote.py
src/wine_classifier/cli/scoring.py
src/wine_classifier/cli/shipping.py
src/wine_classifier/cli/smoke.py
src/wine_classifier/cli/versions.py
src/wine_classifier/cli/watching.py
src/wine_classifier/errors.py
src/wine_classifier/model/__init__.py
src/wine_classifier/model/arrays.py
src/wine_classifier/model/engine.py
src/wine_classifier/model/estimator.py
src/wine_classifier/model/kernels.py
src/wine_classifier/model/predictor.py
src/wine_classifier/monitoring/__init__.py
src/wine_classifier/monitoring/drift.py
src/wine_classifier/monitoring/live.py
src/wine_classifier/monitoring/page.py
src/wine_classifier/monitoring/report.py
src/wine_classifier/monitoring/statistics.py
src/wine_classifier/monitoring/verdict.py
src/wine_classifier/py.typed
src/wine_classifier/scoring/__init__.py
src/wine_classifier/scoring/batch.py
src/wine_classifier/scoring/cluster.py
src/wine_classifier/scoring/places.py
src/wine_classifier/scoring/plan.py
src/wine_classifier/scoring/rows.py
src/wine_classifier/scoring/tables.py
src/wine_classifier/serving/__init__.py
src/wine_classifier/serving/bodies.py
src/wine_classifier/serving/careful.py
src/wine_classifier/serving/compiled.py
src/wine_classifier/serving/cpu.py
src/wine_classifier/serving/decode.py
src/wine_classifier/serving/edge.py
src/wine_classifier/serving/encode.py
src/wine_classifier/serving/failures.py
src/wine_classifier/serving/keys.py
src/wine_classifier/serving/limits.py
src/wine_classifier/serving/numbers.py
src/wine_classifier/serving/openapi.py
src/wine_classifier/serving/pieces.py
src/wine_classifier/serving/probe.py
src/wine_classifier/serving/page.html
src/wine_classifier/serving/page.py
src/wine_classifier/serving/quick.py
src/wine_classifier/serving/routes.py
src/wine_classifier/serving/rules.py
src/wine_classifier/serving/server.py
src/wine_classifier/serving/service.py
src/wine_classifier/serving/shadow.py
src/wine_classifier/serving/stream.py
src/wine_classifier/serving/telemetry.py
src/wine_classifier/serving/tracing.py
src/wine_classifier/serving/trial.py
src/wine_classifier/serving/validate.py
src/wine_classifier/serving/wire.py
src/wine_classifier/settings.py
src/wine_classifier/training/__init__.py
src/wine_classifier/training/adopt.py
src/wine_classifier/training/answers.py
src/wine_classifier/training/card.py
src/wine_classifier/training/class_pictures.py
src/wine_classifier/training/comparison.py
src/wine_classifier/training/contract.py
src/wine_classifier/training/dataset.py
src/wine_classifier/training/drawing.py
src/wine_classifier/training/evaluate.py
src/wine_classifier/training/page.py
src/wine_classifier/training/publish.py
src/wine_classifier/training/gates.py
src/wine_classifier/training/held_out.py
src/wine_classifier/training/parquet.py
src/wine_classifier/training/record.py
src/wine_classifier/training/reference.py
src/wine_classifier/training/report.py
src/wine_classifier/training/shared_pictures.py
src/wine_classifier/training/split.py
src/wine_classifier/training/train.py
src/wine_classifier/training/value_pictures.py
tests/artifacts/test_artifact.py
tests/artifacts/test_bucket.py
tests/artifacts/test_store.py
tests/cli/conftest.py
tests/cli/test_answering.py
tests/cli/test_evaluating.py
tests/cli/test_learning.py
tests/cli/test_smoke.py
tests/cli/test_usage.py
tests/cli/test_versions.py
tests/asking.py
tests/conftest.py
tests/known.py
tests/line.py
tests/model/test_arrays.py
tests/model/test_estimator.py
tests/model/test_kernels.py
tests/model/test_pattern.py
tests/model/test_predictor.py
tests/monitoring/test_commands.py
tests/monitoring/test_drift.py
tests/monitoring/test_live.py
tests/monitoring/test_page.py
tests/monitoring/test_statistics.py
tests/monitoring/test_verdict.py
tests/model/test_shipped.py
tests/oracle.py
tests/outcomes.py
tests/processes.py
tests/scoring/test_batch.py
tests/scoring/test_rows.py
tests/serving/conftest.py
tests/serving/test_bodies.py
tests/serving/test_compiled.py
tests/serving/test_cpu.py
tests/serving/test_decode.py
tests/serving/test_edge.py
tests/serving/test_failures.py
tests/serving/test_keys.py
tests/serving/test_limits.py
tests/serving/test_observability.py
tests/serving/test_pieces.py
tests/serving/test_probe.py
tests/serving/test_page.py
tests/serving/test_quick.py
tests/serving/test_routes.py
tests/serving/test_rules.py
tests/serving/test_server.py
tests/serving/test_shadow.py
tests/serving/test_stream.py
tests/serving/test_telemetry.py
tests/serving/test_tracing.py
tests/serving/test_trial.py
tests/serving/test_wire.py
tests/test_arrows.py
tests/test_errors.py
tests/test_experiments.py
tests/test_journey.py
tests/test_settings.py
tests/test_strip.py
tests/training/test_adopt.py
tests/training/test_comparison.py
tests/training/test_dataset.py
tests/training/test_evaluate.py
tests/training/test_record.py
tests/training/test_reference.py
tests/training/test_report.py
tests/training/test_gates.py
tests/training/test_held_out.py
tests/training/test_split.py
tests/training/test_train.py
thresholds.toml
tools/conventions.py
tools/strip.py
tools/template.py
waivers.toml
""".split()

DEPLOYMENTS = {
    "cloud-run": "README.md service.yaml spec.toml steps.toml",
    "fargate": "README.md parameters.json setup.yaml spec.toml stack.yaml steps.toml",
    "azure-container-instances": "README.md container-group.yaml spec.toml steps.toml",
    "heroku": "README.md app.json heroku.yml spec.toml steps.toml",
    "openfaas": "README.md spec.toml stack.yml steps.toml",
    "kubernetes": """
        README.md github.py spec.toml steps.toml
        base/autoscaler.yaml base/deployment.yaml base/disruption-budget.yaml
        base/ingress.yaml base/kustomization.yaml base/service.yaml
        kserve/inference-service.yaml kserve/kustomization.yaml
        setup/deployer.yaml setup/kustomization.yaml setup/namespace.yaml
        shared/kustomization.yaml shared/network-policy.yaml shared/service-account.yaml
    """,
}


def deployment(target: str) -> list[str]:
    """What is there for one place to run in; nothing for `none`."""
    files = [f"deploy/{target}/{each}" for each in DEPLOYMENTS[target].split()]
    machinery = ["deploy/deploy.py", "tests/test_deploy.py"]
    return [*files, *machinery, ".github/workflows/deploy.yml"]


LICENSES = {
    "Apache-2.0": "                                 Apache License",
    "MIT": "MIT License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "Proprietary": "Copyright (c) Ada Lovelace. All rights reserved.",
}


ENGINES = {
    "numba": [],
    "jax": [],
    "onnx": [
        "src/wine_classifier/model/foreign.py",
        "src/wine_classifier/model/graph.py",
        "src/wine_classifier/model/session.py",
        "tests/model/test_engine.py",
    ],
    "tvm": ["src/wine_classifier/model/graph.py", "tests/model/test_engine.py"],
}


@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_a_project_has_these_files_and_no_other(render, engine):
    expected = sorted([*EVERY_PROJECT, *ENGINES[engine]])
    assert render(engine=engine, deploy="none").files() == expected


@pytest.mark.parametrize("target", DEPLOYMENTS)
def test_only_the_chosen_place_to_run_in_is_there(render, target):
    expected = EVERY_PROJECT + deployment(target)
    assert render(deploy=target).files() == sorted(expected)


@pytest.mark.parametrize("license", LICENSES)
def test_no_choice_of_license_changes_which_files_there_are(render, license):
    rendered = render(license=license, deploy="none")
    assert rendered.files() == sorted(EVERY_PROJECT)


@pytest.mark.parametrize("license", LICENSES)
def test_each_license_is_one_file_with_its_own_text(render, license):
    rendered = render(license=license, author_name="Ada Lovelace")
    assert [each for each in rendered.files() if "LICENSE" in each] == ["LICENSE"]
    text = rendered.text("LICENSE")
    assert text.startswith(LICENSES[license] + "\n")
    assert license == "Apache-2.0" or "Copyright (c) Ada Lovelace" in text


def test_the_package_is_named_after_the_slug(render):
    rendered = render(project_slug="my-wine-2")
    assert "src/my_wine_2/__init__.py" in rendered.files()


def test_no_folder_is_left_empty(render):
    folders = [each for each in render().path.rglob("*") if each.is_dir()]
    assert [each for each in folders if not any(each.iterdir())] == []


def test_no_folder_name_of_the_template_is_conditional():
    product = TEMPLATE / "{{cookiecutter.project_slug}}"
    folders = [each.name for each in product.rglob("*") if each.is_dir()]
    assert [each for each in folders if "{%" in each] == []


def test_no_two_files_of_the_template_become_one():
    """Which of them wins would depend on the version of Cookiecutter."""
    product = TEMPLATE / "{{cookiecutter.project_slug}}"
    names = [each.relative_to(product).as_posix() for each in product.rglob("*")]
    conditional = [Environment().from_string(each) for each in names if "{%" in each]
    plain = {each for each in names if "{%" not in each}
    slugs = {"__package_name": "{{cookiecutter.__package_name}}"}
    for answers in every_combination():
        made = [each.render(cookiecutter=answers | slugs) for each in conditional]
        files = [each for each in made if Path(each).name and each[-1] != "/"]
        assert len({*files}) == len(files), answers
        assert plain.isdisjoint(files), plain.intersection(files)
