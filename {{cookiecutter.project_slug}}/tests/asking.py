"""A service in this process, ready, behind a real ASGI client or without a socket."""

import asyncio
import time
from collections.abc import (
    Callable,
    Iterator,
    Mapping,
)
from contextlib import (
    contextmanager,
)
from dataclasses import (
    dataclass,
    field,
)
from typing import (
    Any,
)
from unittest.mock import (
    Mock,
    create_autospec,
)

import httpx2
import uvicorn
from prometheus_client.parser import (
    text_string_to_metric_families,
)
from starlette.testclient import (
    TestClient,
)
from uvicorn.server import (
    ServerState,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.app import (
    create_api,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    build,
)
from {{cookiecutter.__package_name}}.serving.edge import (
    Edge,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.serving.trial import (
    new_service,
)
from {{cookiecutter.__package_name}}.serving.wire import (
    Protocol,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

V1 = f"/v1/models/{MODEL_NAME}:predict"
V2 = f"/v2/models/{MODEL_NAME}/infer"


@dataclass
class Asked:
    """A client, the edge that it talks to, and the two requests that work."""

    edge: Edge
    client: TestClient
    row: list[float]
    headers: dict[str, str] = field(default_factory=dict)

    def v1(self, instances: Any, **more: Any) -> httpx2.Response:
        return self.client.post(
            V1, json={"instances": instances, **more}, headers=self.headers
        )

    def v2(self, data: Any, n: int = 1, **more: Any) -> httpx2.Response:
        tensor = {
            "name": "features",
            "shape": [n, len(self.row)],
            "datatype": "FP64",
            "data": data,
        }
        return self.client.post(
            V2, json={"inputs": [tensor], **more}, headers=self.headers
        )

    def wait_until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < deadline, self.edge.service.phase
            time.sleep(0.01)


@contextmanager
def asking(
    artifact: Artifact,
    settings: Settings,
    make_api: Callable[[Service], Any] = create_api,
    others: Mapping[str, Artifact] | None = None,
) -> Iterator[Asked]:
    """others: by URI, for the settings of a canary or a shadow."""
    versions = {settings.model_uri: artifact, **(others or {})}
    service = new_service(settings, versions.__getitem__)
    edge = Edge(service, make_api)
    row = [feature.median for feature in artifact.manifest.signature.features]
    with TestClient(edge, raise_server_exceptions=False) as client:
        asked = Asked(edge, client, row)
        asked.wait_until(lambda: service.phase != "starting")
        yield asked


def another(artifact: Artifact) -> Artifact:
    """A version of another name that answers the same."""
    manifest = artifact.manifest
    made = build(
        manifest.name,
        artifact.files,
        manifest.signature,
        manifest.evaluation,
        manifest.baseline,
        ["the name differs"],
        manifest.provenance,
        manifest.expected,
        manifest.reference,
    )
    return type(artifact)(made.manifest, made.files)


def scrape(ask: Asked) -> dict[tuple[str, tuple[str, ...]], float]:
    page = ask.client.get("/metrics").text
    return {
        (
            sample.name,
            tuple(sample.labels[name] for name in sorted(sample.labels)),
        ): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@contextmanager
def connection(edge: Edge) -> Iterator[tuple[Protocol, Mock]]:
    """What the event loop would talk to, without a socket."""
    config = uvicorn.Config(
        edge, lifespan="off", log_config=None, access_log=False, proxy_headers=False
    )
    config.load()
    protocol = Protocol(edge, config=config, server_state=ServerState(), app_state={})
    transport = create_autospec(asyncio.Transport, instance=True)
    transport.get_extra_info.return_value = None
    transport.get_protocol.return_value = protocol
    transport.is_closing.return_value = False
    protocol.connection_made(transport)
    yield protocol, transport
    transport.is_closing.return_value = True
    protocol.connection_lost(None)
