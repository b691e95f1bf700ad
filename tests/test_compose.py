"""What `make up` starts on this machine: the service, and what can stand beside it."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator

import pytest
from conftest import Rendered
from containers import docker, need_engine, run_docker
from test_observability import (
    PROMETHEUS,
    assert_alerts_are_well_and_silent,
    read_back,
    wait_until_it_answers,
)
from test_service import free_port

pytestmark = pytest.mark.thorough

# What compose pulls where there is a registry, made of this machine's own Prometheus.
# The rest of the profiles is only checked for what compose accepts.
STAND_IN = """
FROM python:3.13-slim
COPY prometheus /bin/prometheus
RUN mkdir -p /prometheus && chown 65534 /prometheus
USER 65534
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
"""


@pytest.fixture
def composed(project: Rendered) -> Iterator[dict[str, str]]:
    """Variables under which compose disturbs nobody, and is gone afterwards."""
    need_engine()
    if run_docker("compose", "version").returncode != 0:
        pytest.skip("`docker compose` is not installed on this machine")
    name = f"test-{uuid.uuid4().hex[:8]}"
    variables = {"COMPOSE_PROJECT_NAME": name, "PORT": str(free_port())}
    yield variables
    project.run("make", "down", **variables)


@pytest.mark.usefixtures("image")
def test_make_up_smoke_and_down_do_what_they_say(project, composed):
    project.succeeds("make", "up", **composed)
    url = f"URL=http://127.0.0.1:{composed['PORT']}"
    assert ", as recorded" in project.succeeds("make", "smoke", url)
    project.succeeds("make", "down", **composed)
    ours = f"label=com.docker.compose.project={composed['COMPOSE_PROJECT_NAME']}"
    assert docker("ps", "--all", "--quiet", f"--filter={ours}") == ""
    assert project.run("make", "smoke", f"{url} --timeout 0").returncode != 0


@pytest.mark.usefixtures("image")
@pytest.mark.skipif(not PROMETHEUS, reason="needs prometheus, see test_observability")
def test_the_prometheus_that_compose_starts_scrapes_the_service(
    project, composed, tmp_path
):
    compose = ("docker", "compose", "--profile=watch")
    shown = project.succeeds(*compose, "config", "--format=json", **composed)
    image = json.loads(shown)["services"]["prometheus"]["image"]
    if run_docker("image", "inspect", image).returncode != 0:
        shutil.copy(PROMETHEUS, tmp_path / "prometheus")
        (tmp_path / "Dockerfile").write_text(STAND_IN)
        docker("build", "--quiet", f"--tag={image}", str(tmp_path))
    try:
        services = ("service", "prometheus")
        project.succeeds(*compose, "up", "--detach", "--wait", *services, **composed)
        address = "http://127.0.0.1:9090"
        wait_until_it_answers(address)
        assert read_back(address, 'up{job="wine-classifier"} == 1') == [1]
        assert_alerts_are_well_and_silent(address)
    finally:
        project.run(*compose, "down", "--volumes", **composed)
        if (tmp_path / "Dockerfile").exists():
            docker("image", "rm", image)


@pytest.mark.usefixtures("composed")
def test_compose_accepts_every_profile(project):
    listing = ["docker", "compose", "--profile=*", "config", "--services"]
    services = set(project.succeeds(*listing).split())
    assert services == {"service", "prometheus", "grafana", "store"}
