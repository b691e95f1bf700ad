"""Two versions in one real process: a canary, a shadow, drift, and a comparison."""

from __future__ import annotations

import random
import re
import shutil
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import SEED, Rendered
from test_service import get, running, wait_until_ready

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")

ROUTE = "/v1/models/wine-classifier:predict"
WITHIN_S = 30


@pytest.fixture(scope="module")
def versions(project: Rendered, tmp_path_factory) -> tuple[Path, str, str]:
    """A store of its own: the version in service, and one that learned other rows."""
    store = tmp_path_factory.mktemp("trial") / "models"
    shutil.copytree(project.path / "models", store)
    program = str(project.path / ".venv" / "bin" / "wine-classifier")
    before = project.succeeds(program, "models", "list", ML_MODEL_URI=str(store))
    (ours,) = re.findall(r"^\* +(\S+)", before, re.MULTILINE)
    project.run(program, "train", "--seed", "7", ML_MODEL_URI=str(store))
    after = project.succeeds(program, "models", "list", ML_MODEL_URI=str(store))
    theirs = {*re.findall(r"\d{8}T\d{6}\.\d{6}Z-\w+", after)} - {
        *re.findall(r"\d{8}T\d{6}\.\d{6}Z-\w+", before)
    }
    return store / "wine-classifier", ours, theirs.pop()


def page(address: str) -> str:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as reply:
        return reply.read().decode()


def value(text: str, start: str) -> float:
    (found,) = re.findall(rf"^{re.escape(start)} (\S+)$", text, re.MULTILINE)
    return float(found)


def test_a_canary_a_shadow_and_drift_in_one_process(project, versions):
    store, ours, theirs = versions
    chance = random.Random(SEED)
    lines = project.text("data/sample.csv").splitlines()[1:]
    wines = [[float(cell) for cell in line.split(",")[:-1]] for line in lines]
    with running(
        project,
        ML_MODEL_URI=str(store / ours),
        ML_CANARY_URI=str(store / theirs),
        ML_CANARY_PERCENT="40",
        ML_SHADOW_URI=str(store / theirs),
    ) as (address, service):
        wait_until_ready(address, service)
        for _ in range(400):
            wine = [*chance.choice(wines)]
            wine[0] += 2.0
            assert get(address + ROUTE, {"instances": [wine]})[0] == 200
        counted = f'http_requests_total{{code="200",route="{ROUTE}",version="%s"}}'
        copies = f'shadow_requests_total{{result="%s",version="{theirs}"}}'
        deadline = time.monotonic() + WITHIN_S
        while True:
            text = page(address)
            served = value(text, counted % ours)
            compared, dropped, failed = (
                value(text, copies % each) for each in ("compared", "dropped", "failed")
            )
            if compared + dropped == served:  # a busy machine leaves it little time
                break
            assert time.monotonic() < deadline, "some copies are not accounted for"
            time.sleep(0.1)
        assert (compared > 0, failed) == (True, 0)
        assert 80 < value(text, counted % theirs) < 240
        assert served + value(text, counted % theirs) == 400
        assert value(text, 'drift_psi{kind="feature",name="alcohol"}') > 0.5
        assert value(text, 'drift_psi{kind="feature",name="hue"}') < 0.2
        program = str(project.path / ".venv" / "bin" / "wine-classifier")
        said = project.run(program, "compare", "--metrics", f"{address}/metrics")
        assert ours in said.stdout
        assert theirs in said.stdout
        assert "the same label for " in said.stdout
