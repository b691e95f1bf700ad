"""The alerts and the dashboard ask for what a running service really exposes."""

import json
import re
from pathlib import Path
from typing import (
    Any,
)

import pytest
from asking import (
    another,
    asking,
)
from known import (
    known,
)
from prometheus_client.parser import (
    text_string_to_metric_families,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

GIVEN_BY_PROMETHEUS = {"up"}
LABELS_GIVEN_BY_PROMETHEUS = {"job", "instance"}
# In YAML an expression ends where the next key of its rule begins.
EXPRESSION = re.compile(r"^ +expr: (?:>-\n)?(.*?)(?=^ +\w+:)", re.DOTALL | re.MULTILINE)
TEXT = re.compile(r'"[^"]*"')
GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
MATCHERS = re.compile(r"\{([^}]*)\}")
DURATION = re.compile(r"\[[^]]*\]")
WORD = re.compile(r"\b[a-z_]+\b(?!\s*\()")
OPERATORS = {"and", "or", "unless", "sum", "count", "group", "max", "min"}


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """A model with classes, whatever the project's own is."""
    return known()


@pytest.fixture(scope="module")
def alerts(project: Path) -> str:
    return (project / "observability" / "alerts.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def panels(project: Path) -> list[dict[str, Any]]:
    path = project / "observability" / "dashboard.json"
    return json.loads(path.read_text(encoding="utf-8"))["panels"]


@pytest.fixture(scope="module")
def expressions(alerts: str, panels: list[dict[str, Any]]) -> list[str]:
    targets = [target for panel in panels for target in panel["targets"]]
    return EXPRESSION.findall(alerts) + [target["expr"] for target in targets]


@pytest.fixture(scope="module")
def exposed(artifact: Artifact) -> dict[str, set[str]]:
    """Each metric of a service that has been asked something, with its labels."""
    settings = Settings(canary_uri="other", shadow_uri="other")
    with asking(artifact, settings, others={"other": another(artifact)}) as ask:
        ask.v1([ask.row])
        page = ask.client.get("/metrics").text
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def metrics_in(expression: str) -> set[str]:
    for unwanted in (TEXT, GROUPING, MATCHERS, DURATION):
        expression = unwanted.sub(" ", expression)
    return set(WORD.findall(expression)) - OPERATORS


def labels_in(expression: str) -> set[str]:
    bare = TEXT.sub("", expression)
    named = " ".join(GROUPING.findall(bare) + MATCHERS.findall(bare))
    return set(WORD.findall(named))


def test_metrics_and_labels_are_told_apart() -> None:
    expression = 'sum by (a) (rate(b_total{c=~"d", e="f"}[5m])) > 1 and on (g) h == 1'
    assert metrics_in(expression) == {"b_total", "h"}
    assert labels_in(expression) == {"a", "c", "e", "g"}


def test_every_metric_that_is_asked_for_is_exposed(
    expressions: list[str], exposed: dict[str, set[str]]
) -> None:
    asked = set().union(*map(metrics_in, expressions))
    assert len(asked) > 5
    assert asked - exposed.keys() - GIVEN_BY_PROMETHEUS == set()


def test_every_label_that_is_asked_for_is_one_of_those_metrics(
    expressions: list[str], exposed: dict[str, set[str]]
) -> None:
    for expression in expressions:
        known = LABELS_GIVEN_BY_PROMETHEUS.union(
            *(exposed.get(metric, set()) for metric in metrics_in(expression))
        )
        assert labels_in(expression) - known == set(), expression


def test_every_alert_says_what_it_is_and_where_to_read_on(
    alerts: str, project: Path
) -> None:
    rules = alerts.split("- alert: ")[1:]
    page = (project / "docs" / "on-call.md").read_text(encoding="utf-8")
    assert len(EXPRESSION.findall(alerts)) == len(rules) > 0
    for rule in rules:
        assert re.search(r"^ +severity: (critical|warning)$", rule, re.MULTILINE), rule
        assert re.search(r'^ +summary: ".+"$', rule, re.MULTILINE), rule
        assert re.search(r'^ +description: ".+\."$', rule, re.MULTILINE), rule
        name = rule.splitlines()[0]
        assert f'runbook: "docs/on-call.md#{name.lower()}"' in rule
        assert f"\n## {name}\n" in page


def test_the_dashboard_shows_every_metric(
    panels: list[dict[str, Any]], exposed: dict[str, set[str]]
) -> None:
    targets = [target for panel in panels for target in panel["targets"]]
    shown = set().union(*(metrics_in(target["expr"]) for target in targets))
    histograms = ("http_request_seconds", "shadow_difference")
    parts = {f"{name}_{part}" for name in histograms for part in ("count", "sum")}
    assert exposed.keys() - parts == shown


def test_the_dashboard_names_no_data_source_of_its_own(
    panels: list[dict[str, Any]],
) -> None:
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
