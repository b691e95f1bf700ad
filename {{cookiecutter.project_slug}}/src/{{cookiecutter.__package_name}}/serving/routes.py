"""The documented routes: what each takes and answers, and what OpenAPI says of them.

They run the same steps as the hot routes of edge.py, which answers those itself; what
reaches these functions are metadata, paths that name a version, and mistakes.
"""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import metadata
from typing import Annotated, Any

import msgspec
from fastapi import (
    FastAPI,
    Path,
    Request,
    Response,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from ..artifacts.artifact import Manifest
from ..errors import (
    FieldInvalid,
    MethodRefused,
    NotReady,
    ProjectError,
    UnknownPath,
)
from ..model import engine
from . import openapi
from .decode import INPUT
from .failures import FailedBy, Reply, error_body, explain, refuse
from .service import Service, Steps

INFERENCE_REFUSALS = openapi.refusals(400, 408, 413, 415, 504)
STREAM = "/v1/models/{model}/stream"


def to_response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.headers["content-type"] = reply.content_type.decode()
    for name, value in reply.headers:
        response.headers[name.decode()] = value.decode()
    if reply.version:
        response.headers["x-model-version"] = reply.version
    return response


def new_api(service: Service) -> FastAPI:
    """The framework set up: its pages need no CDN, and nothing unasked for is on."""
    settings = service.settings
    switches: dict[str, Any] = {
        "title": service.name,
        "version": metadata.version(service.name),
        "summary": metadata.metadata(service.name)["Summary"],
        "redirect_slashes": False,  # a redirect would name the host behind the proxy
        "max_body_size": settings.max_body_bytes,
        "telemetry": {"tracing": False, "metrics": False, "logs": False},
    }
    if not settings.docs:
        return FastAPI(openapi_url=None, **switches)
    api: FastAPI = FastAPIOffline(redoc_url=None, static_url="/docs/static", **switches)
    describe_all, keys = api.openapi, bool(settings.api_keys or settings.api_keys_file)
    api.openapi = lambda: openapi.finish(describe_all(), keys)  # type: ignore[method-assign]
    return api


def add_routes(api: FastAPI, service: Service) -> None:
    """Everything of the protocols, and one form for every error."""
    add_failures(api)
    add_health(api, service)
    add_inference(api, service)  # first: GET .../{version} would match :predict too
    add_metadata(api, service)
    add_stream(api, service)


def add_failures(api: FastAPI) -> None:
    """Errors of the framework and of our own code take the same form."""

    @api.exception_handler(ProjectError)
    async def named(request: Request, error: ProjectError) -> Response:
        reply = refuse(error)
        request.scope["refused"] = reply.refused  # edge.py logs it
        return to_response(reply)

    @api.exception_handler(HTTPException)
    async def unnamed(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 404:
            return to_response(refuse(UnknownPath(f"{path}: no such path; see /docs")))
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            return to_response(refuse(MethodRefused(path, allowed, request.method)))
        return to_response(Reply(error_body(str(error.detail)), error.status_code))

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        received = type(first.get("input")).__name__
        return to_response(refuse(FieldInvalid(field, first["msg"], received)))

    @api.exception_handler(Exception)
    async def ours(_: Request, __: Exception) -> Response:
        return to_response(refuse(ProjectError()))  # edge.py logs it


def add_health(api: FastAPI, service: Service) -> None:
    flag = {"type": "object", "properties": {"live": {"type": "boolean"}}}
    ready_flag = {"type": "object", "properties": {"ready": {"type": "boolean"}}}

    @api.get("/v2/health/live", tags=["health"], responses=openapi.answer(flag, "Live"))
    async def live() -> Response:
        """The process answers. Never depends on the model."""
        return Response(b'{"live":true}', media_type="application/json")

    @api.get(
        "/v2/health/ready",
        tags=["health"],
        responses=openapi.answer(ready_flag, "Ready") | openapi.refusals(503),
    )
    async def ready() -> Response:
        """A model is loaded, verified and warm, and the service is not draining."""
        if not service.ready:
            raise NotReady(service.phase)
        return Response(b'{"ready":true}', media_type="application/json")


def add_metadata(api: FastAPI, service: Service) -> None:
    known = openapi.answer({"type": "object"}, "As the Open Inference Protocol says")
    ready_flag = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}},
    }

    @api.get("/v2", tags=["v2"], responses=known | openapi.refusals(401, 503))
    async def server() -> dict[str, Any]:
        """What serves here, and what it can do beyond the protocol's core."""
        return {
            "name": service.name,
            "version": metadata.version(service.name),
            "extensions": ["binary_tensor_data"],
        }

    async def model_metadata(_: Request) -> dict[str, Any]:
        """Tensors, features with units and ranges, classes, and how good it is."""
        return describe(service)

    async def model_ready(_: Request) -> dict[str, Any]:
        """This model, in this version, takes requests."""
        if not service.ready:
            raise NotReady(service.phase)
        return {"name": service.name, "ready": True}

    async def model_status(_: Request) -> dict[str, Any]:
        """The version in service and its state, in TensorFlow Serving's form."""
        state = {
            "version": service.version,
            "state": "AVAILABLE" if service.ready else "UNLOADING",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return {"model_version_status": [state]}

    add = partial(add_model_route, api, service, "GET")
    add("/v2/models/{model}", "", model_metadata, responses=known)
    add(
        "/v2/models/{model}",
        "/ready",
        model_ready,
        responses=openapi.answer(ready_flag, "Ready"),
    )
    add("/v1/models/{model}", "", model_status)


def add_inference(api: FastAPI, service: Service) -> None:
    async def respond(request: Request, steps: Steps) -> Response:
        headers = dict(request.headers.raw)
        body = await service.bodies.read(headers, request.receive)
        if "version" in request.path_params:  # that one, and no canary
            return to_response(await Service.respond(service, steps, body, headers))
        try:
            return to_response(await service.respond(steps, body, headers))
        except FailedBy as failure:
            return to_response(explain(failure, "a request"))

    async def predict(request: Request) -> Response:
        """Predict rows given as lists of numbers, or as objects by feature name."""
        return await respond(request, service.predict_v1)

    async def infer(request: Request) -> Response:
        """Predict one tensor of rows; JSON, or JSON followed by a binary tensor."""
        return await respond(request, service.infer_v2)

    add = partial(add_model_route, api, service, "POST")
    add(
        "/v1/models/{model}",
        ":predict",
        predict,
        responses=openapi.answer(openapi.v1_response(service), "One per row")
        | INFERENCE_REFUSALS,
        openapi_extra=openapi.v1_request(service),
    )
    add(
        "/v2/models/{model}",
        "/infer",
        infer,
        responses=openapi.answer(openapi.V2_RESPONSE, "A tensor per output")
        | INFERENCE_REFUSALS,
        openapi_extra=openapi.v2_request(service),
    )


def add_model_route(
    api: FastAPI,
    service: Service,
    method: str,
    before: str,
    after: str,
    operation: Callable[[Request], Awaitable[Any]],
    **documentation: Any,
) -> None:
    """One operation under two paths: as it is, and with the version named."""
    model_name = Annotated[str, Path(json_schema_extra={"enum": [service.name]})]
    version_name = Annotated[str, Path(json_schema_extra={"enum": [service.version]})]

    async def current(request: Request, model: str) -> Any:
        check_path(service, model, None)
        return await operation(request)

    async def versioned(request: Request, model: str, version: str) -> Any:
        check_path(service, model, version)
        return await operation(request)

    current.__annotations__["model"] = model_name
    versioned.__annotations__ |= {"model": model_name, "version": version_name}
    refused = documentation.pop("responses", {}) | openapi.refusals(401, 404, 503)
    name = operation.__name__
    for path, endpoint in (
        (before, current),
        (f"{before}/versions/{{version}}", versioned),
    ):
        api.add_api_route(
            path + after,
            endpoint,
            methods=[method],
            name=f"{name}_{endpoint.__name__}",
            summary=name.replace("_", " ").capitalize(),
            description=operation.__doc__,
            tags=[before[1:3]],
            responses=refused,
            response_model=None,
            **documentation,
        )


def add_stream(api: FastAPI, service: Service) -> None:
    @api.websocket(STREAM)
    async def stream(socket: WebSocket, model: str) -> None:
        """One answer per message, in order; the messages are bodies of :predict."""
        try:
            check_path(service, model, None)
        except ProjectError as error:
            await socket.scope["deny"](error)
            return
        await socket.accept()
        record = socket.scope["record"]
        try:
            while True:
                message = await socket.receive()
                started = time.perf_counter()
                if message["type"] == "websocket.disconnect":
                    return
                body = message.get("bytes") or (message.get("text") or "").encode()
                try:
                    # Nothing in an answer would say which version gave it: no canary.
                    reply = await Service.respond(service, service.predict_v1, body, {})
                except Exception as error:  # noqa: BLE001  explain logs it
                    reply = explain(error, "a message of a stream")
                await socket.send_text(reply.body.decode())
                record(STREAM, reply, started)
        except WebSocketDisconnect:
            return

    async def nowhere(scope: Any, receive: Any, send: Any) -> None:
        """A path without a route: the framework would say no more than 403."""
        if scope["type"] == "websocket":
            unknown = f"{scope['path']}: no such path; see /docs"
            await scope["deny"](UnknownPath(unknown))
        else:
            await api.router.not_found(scope, receive, send)

    api.router.default = nowhere


def check_path(service: Service, model: str, version: str | None) -> None:
    """Fails: UnknownPath unless the path names what is served; NotReady."""
    if model != service.name:
        raise UnknownPath(f"model: expected {service.name!r}, received {model!r}")
    if service.manifest is None:
        raise NotReady(service.phase)
    if version is not None and version != service.version:
        raise UnknownPath(
            f"version: expected {service.version!r}, received {version!r}"
        )


def describe(service: Service) -> dict[str, Any]:
    manifest = service.manifest
    if manifest is None:
        raise NotReady(service.phase)
    signature = manifest.signature
    k = len(signature.classes)
    outputs = [{"name": "value", "datatype": "FP64", "shape": [-1]}]
    if k:
        outputs = [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, k]},
        ]
    return {
        "name": service.name,
        "versions": [manifest.version],
        "platform": engine.NAME,
        "inputs": [
            {"name": INPUT, "datatype": "FP64", "shape": [-1, len(signature.features)]}
        ],
        "outputs": outputs,
        "parameters": {
            "task": signature.task,
            "target": signature.target,
            "classes": list(signature.classes),
            "features": msgspec.to_builtins(signature.features),
            "expected": msgspec.to_builtins(manifest.expected),
            "metrics": manifest.evaluation.metrics,
            "created": manifest.created.isoformat(),
            "description": metadata.metadata(service.name)["Summary"],
            "target_range": signature.target_range,
            "examples": msgspec.to_builtins(signature.examples),
            "card": card(manifest),
        },
    }


def card(manifest: Manifest) -> dict[str, Any]:
    """How good it is, beside what, and where it comes from."""
    made, judged = manifest.provenance, manifest.evaluation
    return {
        "baseline": manifest.baseline.metrics,
        "judged_rows": judged.rows,
        "per_class": judged.per_class,
        "confusion": judged.confusion,
        "gate_failures": manifest.gate_failures,
        "train_rows": made.train_rows,
        "data_source": made.data_source,
        "data_sha256": made.data_sha256,
        "parameters": made.parameters,
        "git_commit": made.git_commit,
        "versions": made.versions,
        "continued_from": made.continued_from,
    }
