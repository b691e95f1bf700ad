"""The unmodified Dockerfile, built by a real engine, and run as the strictest would."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pytest
from containers import HARDENED, Container, docker, running

PREDICT = "/v1/models/wine-classifier:predict"
SOMEBODY = "--user=4242:4242"
GRACE_S = 10  # the shortest that a platform gives
LIMIT_MB = 320  # on a base of 130 MB that makes 450


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[Container]:
    with running(image, *HARDENED, "--network=none", SOMEBODY) as container:
        container.wait_for_health()
        yield container


def layers(image: str) -> dict[str, int]:
    """Bytes by the instruction that made them, the base's left out."""
    lines = docker("history", "--no-trunc", "--human=false", image, "--format=json")
    ours = [json.loads(line) for line in lines.splitlines()]
    return {
        each["CreatedBy"]: int(each["Size"])
        for each in ours
        if "buildkit" in each["Comment"]
    }


def test_it_predicts_read_only_as_another_user_without_network(container, project):
    row = list(csv.reader(project.text("data/sample.csv").splitlines()))[1]
    instances = {"instances": [[float(each) for each in row[:-1]]]}
    status, answer = container.ask("POST", PREDICT, instances)
    assert status == 200
    assert answer["predictions"][0]["label"] == row[-1] == "barolo"


def test_it_runs_as_a_user_that_has_a_number_and_no_rights(image):
    assert docker("inspect", "--format={{.Config.User}}", image) == "10001:10001"
