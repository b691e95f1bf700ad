"""OpenTelemetry around everything that is served, including the hot routes.

The framework's own tracing would not see the hot routes, so a layer around edge.py does
it. All else is set by the standard OTEL_ variables, which the SDK reads.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import MODEL_NAME
from .bodies import Message, Receive
from .edge import App, Edge, Scope, Send, is_open

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

# Either says where traces go; without them there are no traces or imports.
ASKED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# The SDK's default, ten seconds, would delay the exit when nobody receives the traces.
EXPORT_WITHIN_S = 2

log = logging.getLogger(__name__)


def trace(app: Edge, environment: Mapping[str, str]) -> App:
    """The same application with a span per request, or unchanged if nobody asks for it.

    If packages are missing it serves without: clusters set these variables for all.
    """
    if not any(environment.get(name) for name in ASKED_BY):
        return app
    try:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning("no traces: %s; install the group 'tracing'", error)
        return app
    name = environment.get("OTEL_SERVICE_NAME") or MODEL_NAME
    given = "OTEL_EXPORTER_OTLP_TIMEOUT" in environment
    exporter = trace_exporter.OTLPSpanExporter(
        timeout=None if given else EXPORT_WITHIN_S
    )
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return traced(app, provider.get_tracer(__name__))


def traced(app: Edge, tracer: "Tracer") -> App:
    """A span for every request that isn't a probe, a scrape or the documentation.

    The span is named by method and route, continues the client's trace, and is passed
    on as `traceparent`, so that the access log's line names its trace.
    """
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import (
        TraceContextTextMapPropagator,
    )

    contexts = TraceContextTextMapPropagator()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope.get("method", ""), scope.get("path", "")
        if scope["type"] != "http" or is_open(app.below_root(path)):
            await app(scope, receive, send)
            return
        carrier = {
            k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]
        }
        with tracer.start_as_current_span(
            method,
            contexts.extract(carrier),
            SpanKind.SERVER,
            {"http.request.method": method, "url.path": path},
        ) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            handed_on: dict[str, str] = {}
            contexts.inject(handed_on)
            extra = [(k.encode(), v.encode()) for k, v in handed_on.items()]
            headers = [*scope["headers"], *extra]
            asked = {**scope, "headers": headers}
            await app(asked, receive, watched)
            if (route := asked.get("counted_as", "other")) != "other":
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)

    return application
