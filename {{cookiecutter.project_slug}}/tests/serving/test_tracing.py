"""Traces leave the process when the environment asks for them, and only then."""

import io
import json
import sys
import threading
from collections.abc import (
    Iterator,
)
from contextlib import (
    contextmanager,
)
from http.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
)

import pytest
from asking import (
    V1,
    Asked,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import (
    ResourceSpans,
    Span,
    Status,
)
from starlette.testclient import (
    TestClient,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.serving.tracing import (
    ASKED_BY,
    trace,
)

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@contextmanager
def collecting() -> Iterator[tuple[str, list[ResourceSpans]]]:
    """A receiver of OTLP over HTTP on this machine, and what has come to it."""
    received: list[ResourceSpans] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def spans_of(received: list[ResourceSpans]) -> list[Span]:
    return [
        span for each in received for part in each.scope_spans for span in part.spans
    ]


def test_hot_routes_are_traced_and_their_log_lines_name_the_trace(
    ask: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ask.edge.telemetry._out = io.StringIO()
    with collecting() as (endpoint, received):
        monkeypatch.setenv(ASKED_BY[0], endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        traced = trace(ask.edge, {ASKED_BY[0]: endpoint})
        client = TestClient(traced)
        given = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01"}
        assert client.post(V1, json={"instances": [ask.row]}, headers=given).is_success
        assert client.get(f"/v2/models/{MODEL_NAME}").is_success
        assert client.get("/v2/health/ready").is_success
        assert client.post(V1, json={}).status_code == 400
        assert client.get("/of/the/client").status_code == 404
        ask.wait_until(lambda: len(spans_of(received)) == 4)
    spans = spans_of(received)
    ask.edge.telemetry.flush()
    hot, described, *_ = map(json.loads, out.getvalue().splitlines())
    names = [span.name for span in spans]
    assert names == [f"POST {V1}", "GET /v2/models/{model}", f"POST {V1}", "GET"]
    kept = {each.key: each.value for each in spans[0].attributes}
    assert kept["http.response.status_code"].int_value == 200
    assert spans[0].trace_id.hex() == TRACE_ID == hot["trace_id"]
    assert spans[0].parent_span_id.hex() == PARENT
    assert spans[1].trace_id.hex() == described["trace_id"] != TRACE_ID
    about = received[0].resource.attributes
    assert {each.key: each.value.string_value for each in about}["service.name"] == (
        MODEL_NAME
    )


def test_a_fault_of_our_own_marks_its_span(
    ask: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask.edge.service, "predictor", None)  # not ready: 503
    with collecting() as (endpoint, received):
        monkeypatch.setenv(ASKED_BY[0], endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        client = TestClient(trace(ask.edge, {ASKED_BY[0]: endpoint}))
        assert client.post(V1, json={"instances": [ask.row]}).status_code == 503
        ask.wait_until(lambda: len(spans_of(received)) == 1)
    assert spans_of(received)[0].status.code == Status.STATUS_CODE_ERROR


def test_without_being_asked_the_application_stays_as_it_is(ask: Asked) -> None:
    assert trace(ask.edge, {}) is ask.edge
    assert trace(ask.edge, {ASKED_BY[0]: ""}) is ask.edge


def test_missing_packages_are_named_and_the_service_serves_on(
    ask: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert trace(ask.edge, {ASKED_BY[1]: "http://127.0.0.1:1"}) is ask.edge
    assert "opentelemetry.sdk.trace" in caplog.text
    assert "'tracing'" in caplog.text
