"""A service in this process, ready, behind a real ASGI client; and a row to send."""

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

import httpx2
from prometheus_client.parser import (
    text_string_to_metric_families,
)
from starlette.testclient import (
    TestClient,
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
