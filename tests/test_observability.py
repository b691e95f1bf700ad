"""The shipped alerts and scrape, judged by the real Prometheus."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from conftest import Rendered
from test_service import free_port, get, running, wait_until_ready

FOLDER = os.environ.get("PROMETHEUS_BIN")
PROMTOOL = shutil.which("promtool", path=FOLDER)
PROMETHEUS = shutil.which("prometheus", path=FOLDER)
# The first scrape comes five seconds after the start, however short the interval.
SCRAPED_WITHIN_S = 30
STOPPED_WITHIN_S = 10

pytestmark = [
    pytest.mark.skipif(
        not (PROMTOOL and PROMETHEUS),
        reason="needs promtool and prometheus: apt-get install prometheus, "
        "or set PROMETHEUS_BIN to the folder that holds both",
    ),
    pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX"),
]


@pytest.fixture(scope="module")
def shipped(render: Callable[..., Rendered]) -> Rendered:
    return Rendered(render().path / "observability")


def test_promtool_accepts_the_rules(shipped):
    assert "SUCCESS" in shipped.succeeds(PROMTOOL, "check", "rules", "alerts.yml")


def test_each_alert_fires_when_it_should_and_only_then(shipped):
    shown = shipped.succeeds(PROMTOOL, "test", "rules", "alerts_test.yml")
    assert "SUCCESS" in shown


def test_each_alert_is_tested(shipped):
    groups = yaml.safe_load(shipped.text("alerts.yml"))["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    fired = {
        case["alertname"]
        for test in yaml.safe_load(shipped.text("alerts_test.yml"))["tests"]
        for case in test.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    assert alerts == fired


@contextmanager
def scraping(shipped: Rendered, target: str, home: Path) -> Iterator[str]:
    """A real Prometheus with the shipped configuration, pointed at `target`."""
    configuration = shipped.text("prometheus.yml")
    assert "127.0.0.1:8080" in configuration
    configuration = configuration.replace("127.0.0.1:8080", target).replace("5s", "1s")
    (home / "prometheus.yml").write_text(configuration, encoding="utf-8")
    (home / "alerts.yml").write_text(shipped.text("alerts.yml"), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    with (home / "log").open("w", encoding="utf-8") as log:
        prometheus = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={home / 'prometheus.yml'}",
                f"--web.listen-address={address}",
                f"--storage.tsdb.path={home / 'data'}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_it_answers(f"http://{address}")
        yield f"http://{address}"
        prometheus.terminate()
        assert prometheus.wait(timeout=STOPPED_WITHIN_S) == 0
    finally:
        prometheus.kill()
        prometheus.wait()


def wait_until_it_answers(prometheus: str) -> None:
    """Until then it closes the door, or says 503 in plain text."""
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(f"{prometheus}/-/ready", timeout=10):
                return
        except OSError:  # an HTTPError is one
            assert time.monotonic() < deadline, "Prometheus did not become ready"
            time.sleep(0.1)


def read_back(prometheus: str, query: str) -> list[float]:
    """The values of each series that the query finds, as soon as there are any."""
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    while True:
        _, reply = get(f"{prometheus}/api/v1/query?query={quote(query)}")
        if found := reply["data"]["result"]:
            return [float(each["value"][1]) for each in found]
        assert time.monotonic() < deadline, f"no {query} within {SCRAPED_WITHIN_S} s"
        time.sleep(0.1)


def test_a_scrape_reads_back_what_was_asked(project, shipped, tmp_path):
    route = "/v1/models/wine-classifier:predict"
    with running(project) as (address, service):
        wait_until_ready(address, service)
        for _ in range(3):
            assert get(address + route, {"instances": [[1.0] * 13] * 2})[0] == 200
        assert get(address + route, {"instances": []})[0] == 400
        target = address.removeprefix("http://")
        with scraping(shipped, target, tmp_path) as prometheus:
            assert read_back(prometheus, "up == 1") == [1]
            counted = f'http_requests_total{{route="{route}",code="%s"}}'
            assert read_back(prometheus, counted % 200) == [3]
            assert read_back(prometheus, counted % 400) == [1]
            assert read_back(prometheus, "predicted_rows_total") == [6]
            assert read_back(prometheus, "model_ready") == [1]
            assert_alerts_are_well_and_silent(prometheus)


def assert_alerts_are_well_and_silent(prometheus: str) -> None:
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    health: set[str] = {"unknown"}  # until it is first evaluated
    while "unknown" in health:
        assert time.monotonic() < deadline, "the rules were not evaluated"
        _, reply = get(f"{prometheus}/api/v1/rules")
        rules = [each for group in reply["data"]["groups"] for each in group["rules"]]
        health = {rule["health"] for rule in rules}
        time.sleep(0.1)
    assert len(rules) > 0
    assert health == {"ok"}
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []
