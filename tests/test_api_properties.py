"""What the OpenAPI document says is what the service does, by generated requests."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conftest import TOOLS
from test_service import running, wait_until_ready

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="served by SIGTERM")

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 10
AT_LEAST = 500  # requests; how many there are varies with the version of the tool


def judge(document: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Every check of schemathesis, with requests that are the same each time."""
    return subprocess.run(
        [
            Path(TOOLS) / "schemathesis",
            *("--config-file", CONFIGURATION),
            *("run", document),
            *("--checks", "all"),
            *("--max-examples", str(EXAMPLES)),
            *("--seed", "42"),
            *("--generation-database", "none"),
            "--no-color",
        ],
        cwd=home,  # it leaves what it found there
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_no_request_is_answered_otherwise_than_documented(project, tmp_path):
    with running(project) as (address, service):
        wait_until_ready(address, service)
        done = judge(f"{address}/openapi.json", tmp_path)
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as reply:
            metrics = reply.read().decode()
    assert done.returncode == 0, done.stdout + done.stderr
    sent, passed = re.search(r"(\d+) generated, (\d+) passed", done.stdout).groups()
    assert sent == passed
    assert int(sent) >= AT_LEAST
    answers = re.findall(r'http_requests_total\{code="(\d+)",route="([^"]+)"', metrics)
    assert {"200", "400", "404", "405"} <= {code for code, _ in answers}
    probe = ("503", "/v2/health/ready")  # asked until it was ready
    faults = [each for each in answers if each[0].startswith("5") and each != probe]
    assert faults == []
