"""The store on real servers: writers killed, raced, cut off; a service that reads."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Rendered, bare_environment
from store_servers import SERVERS, Server, missing_azurite, s3
from test_service import free_port, get, wait_until_ready

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX"),
]

LIFE = Path(__file__).with_name("store_life.py")
STARTED_WITHIN_S, STOPPED_WITHIN_S = 60, 30
PUT = """
import sys
from pathlib import Path
from wine_classifier.scoring.places import Place
Place(sys.argv[1]).put("in.csv", Path(sys.argv[2]).read_bytes())
"""
FETCH = """
import sys
from pathlib import Path
from wine_classifier.scoring.places import Place
place = Place(sys.argv[1])
for source in place.list():
    Path(sys.argv[2], source.name).write_bytes(place.read(source.name))
"""


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "az" and (reason := missing_azurite()):
        pytest.skip(reason)
    with SERVERS[request.param]() as server:
        yield server


def environment(server: Server) -> dict[str, str]:
    known = {"STORE_URI": server.uri, "STORE_PORT": str(server.port)}
    return bare_environment() | server.environment | known


def test_every_promise_holds_in_a_bucket(project: Rendered, server: Server):
    python = project.path / ".venv" / "bin" / "python"
    with subprocess.Popen(
        [python, LIFE, "half"],
        cwd=project.path,
        env=environment(server),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    done = subprocess.run(
        [python, LIFE],
        cwd=project.path,
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all promises are kept\n")


def test_a_service_waits_for_its_store_and_serves_what_current_names(
    project: Rendered, tmp_path: Path
):
    python = project.path / ".venv" / "bin" / "python"
    with s3() as server:
        fill = [python, LIFE, "fill"]
        done = subprocess.run(
            fill,
            cwd=project.path,
            env=environment(server),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    version = done.stdout.strip()
    assert version.startswith("2001")
    port, closed = free_port(), free_port()
    log = tmp_path / "service.log"
    settings = environment(server) | {
        "ML_MODEL_URI": server.uri,
        "PORT": str(port),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed}",
    }
    with (
        log.open("w", encoding="utf-8") as out,
        subprocess.Popen(
            [project.path / ".venv" / "bin" / "wine-classifier", "serve"],
            cwd=tmp_path,
            env=settings,
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as service,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for_text(log, "no model yet, next try in 1 s: s3://models/wine/wine-")
            assert get(f"{address}/v2/health/live")[0] == 200
            assert get(f"{address}/v2/health/ready")[0] == 503
            with s3(closed):
                wait_until_ready(address, service)
            model = f"{address}/v2/models/wine-classifier"
            assert get(model)[1]["versions"] == [version]
            assert get(f"{model}/versions/{version}/ready")[0] == 200
            with urllib.request.urlopen(f"{address}/metrics", timeout=10) as reply:
                assert reply.headers["x-model-version"] == version
                assert f'version="{version}"' in reply.read().decode()
            service.send_signal(signal.SIGTERM)
            assert service.wait(STOPPED_WITHIN_S) == 0
        finally:
            service.kill()
    said = log.read_text(encoding="utf-8")
    assert f"version {version} is loaded and warm" in said
    assert "a-secret-key" not in said
    assert "an-access-key" not in said
    assert [each.name for each in tmp_path.iterdir()] == ["service.log"]


def wait_for_text(log: Path, text: str) -> None:
    deadline = time.monotonic() + STARTED_WITHIN_S
    while text not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.05)


def test_a_table_is_scored_from_bucket_to_bucket(
    project: Rendered, server: Server, tmp_path: Path
):
    """Part by part, as on this machine; a second run finds all of it done."""
    header, *rows = (project.path / "data" / "sample.csv").read_text().splitlines()
    table = tmp_path / "in.csv"
    table.write_text("\n".join([header, *rows * 150, "not,a,wine"]) + "\n")
    variables = server.environment | {"ML_MODEL_URI": str(tmp_path / "models")}
    program = str(project.path / ".venv" / "bin" / "wine-classifier")
    python = str(project.path / ".venv" / "bin" / "python")
    source, output = f"{server.uri}-in", f"{server.uri}-out"
    project.succeeds(program, "train", **variables)
    project.succeeds(python, "-c", PUT, source, str(table), **variables)
    score = (program, "score", "--part-mb", "1")
    project.succeeds(*score, str(table), str(tmp_path / "here"), **variables)
    project.succeeds(*score, f"{source}/in.csv", output, **variables)
    (tmp_path / "there").mkdir()
    project.succeeds(python, "-c", FETCH, output, str(tmp_path / "there"), **variables)
    here, there = (
        {each.name: each.read_bytes() for each in (tmp_path / name).iterdir()}
        for name in ("here", "there")
    )
    assert len([name for name in here if name.startswith("part-")]) > 1
    assert {"bad.csv", "summary.json"} <= here.keys()
    same = {name for name in here if not name.startswith(("plan", "done", "summary"))}
    assert {name: there[name] for name in same} == {name: here[name] for name in same}
    again = project.run(*score, source, output, **variables)
    assert again.returncode == 0, again.stderr
    assert "parts were there" in again.stderr
