"""A stream of predictions: one answer a message, and refused as a request is."""

import io
import json
import threading

import pytest
from asking import (
    V1,
    Asked,
    asking,
    scrape,
)
from starlette.testclient import (
    TestClient,
    WebSocketDenialResponse,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.app import (
    create_api,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    StoreUnreachable,
)
from {{cookiecutter.__package_name}}.serving.edge import (
    Edge,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

STREAM = V1.replace(":predict", "/stream")


def test_the_stream_answers_every_message_in_order(ask: Asked) -> None:
    with ask.client.websocket_connect(STREAM) as socket:
        socket.send_json({"instances": [ask.row]})
        assert socket.receive_json() == ask.v1([ask.row]).json()
        socket.send_text("{")
        assert "body: expected JSON" in socket.receive_json()["error"]
        socket.send_bytes(json.dumps({"instances": [ask.row]}).encode())
        assert socket.receive_json() == ask.v1([ask.row]).json()


def test_each_message_of_a_stream_is_counted_and_logged(
    ask: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(ask.edge.telemetry, "_out", log)
    route, known = "/v1/models/{model}/stream", {"x-request-id": "a-stream"}
    before = scrape(ask)["predicted_rows_total", ()]
    with ask.client.websocket_connect(STREAM, headers=known) as socket:
        for text in (json.dumps({"instances": [ask.row] * 3}), "["):
            socket.send_text(text)
            socket.receive_text()
    after = scrape(ask)
    assert after["predicted_rows_total", ()] == before + 3
    version = ask.edge.service.version
    for code in ("200", "400"):
        assert after["http_requests_total", (code, route, version)] >= 1
    lines = [json.loads(each) for each in log.getvalue().splitlines()]
    told = [each for each in lines if each.get("request_id") == "a-stream"]
    assert [(each["status"], each["rows"]) for each in told] == [(200, 3), (400, 0)]


def test_the_stream_needs_a_key_where_keys_are_required(artifact: Artifact) -> None:
    with asking(artifact, Settings(api_keys="key")) as ask:
        assert denied(ask, STREAM).status_code == 401
        given = {"authorization": "Bearer key"}
        with ask.client.websocket_connect(STREAM, headers=given) as socket:
            socket.send_json({"instances": [ask.row]})
            assert "predictions" in socket.receive_json()


def test_the_stream_is_found_below_a_root(artifact: Artifact) -> None:
    with asking(artifact, Settings(root_path="/wine")) as ask:
        for path in (STREAM, f"/wine{STREAM}"):
            with ask.client.websocket_connect(path) as socket:
                socket.send_json({"instances": [ask.row]})
                assert "predictions" in socket.receive_json()


def test_a_stream_that_comes_before_the_model_is_told_to_come_back() -> None:
    waits = threading.Event()

    def load() -> Artifact:
        waits.wait(30)
        raise StoreUnreachable("s3://models", "the test is over")

    edge = Edge(Service(Settings(), load), create_api)
    with TestClient(edge) as client:
        answer = denied(Asked(edge, client, []), STREAM)
        waits.set()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"error": "not ready: starting; try again later"}


def denied(ask: Asked, path: str) -> WebSocketDenialResponse:
    with (
        pytest.raises(WebSocketDenialResponse) as refusal,
        ask.client.websocket_connect(path, headers={"x-request-id": "a-stream"}),
    ):
        pass
    assert refusal.value.headers["x-request-id"] == "a-stream"
    return refusal.value


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/v1/models/other/stream",
            f"model: expected '{MODEL_NAME}', received 'other'",
        ),
        ("/nowhere", "/nowhere: no such path; see /docs"),
    ],
)
def test_a_stream_from_nowhere_is_refused_as_a_request_is(
    ask: Asked, path: str, expected: str
) -> None:
    answer = denied(ask, path)
    assert (answer.status_code, answer.json()) == (404, {"error": expected})
