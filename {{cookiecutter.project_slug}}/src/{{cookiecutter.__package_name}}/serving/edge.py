"""The outermost ASGI layer: what every request needs, and the hot routes.

Request id, authentication, body limit, metrics and the log line are done here, in one
pass, for hot and ordinary routes alike. Hot routes are the two that predict: answered
here without the framework, by the same steps as the documented ones in routes.py; a
test proves that both answer the same bytes.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..errors import MethodRefused, NotReady, ProjectError
from .bodies import SMALL, Disconnected, Message, Receive, declared_size
from .failures import Reply, explain, refuse
from .keys import Keys
from .page import Page
from .service import Headers, Service, Steps
from .telemetry import Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

# Answered without a key even when keys are required. So is the page, if it is on.
OPEN_PATHS = {
    "/docs",
    "/metrics",
    "/openapi.json",
    "/v2/health/live",
    "/v2/health/ready",
    "/_/health",
    "/_/ready",
}
OPEN_BELOW = "/docs/"
SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
TRACE = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
LINGER_S = 1.0
SURELY_READ = range(SMALL)  # sizes of bodies that came with the headers or soon will
NOT_MODIFIED = 304
EVERY_S = 0.1


class Edge:
    """The ASGI application that the server runs.

    make_api builds the documented application around `service`. It is called only once
    the model is loaded or has failed, or when the first request needs it, since
    importing the framework takes as long as loading the model.
    """

    def __init__(self, service: Service, make_api: Callable[[Service], Any]) -> None:
        settings = service.settings
        self.service = service
        self.telemetry = Telemetry(service)
        self.keys = Keys(settings.api_keys, settings.api_keys_file)
        self._root = settings.root_path
        self._make_api = make_api
        self._api: asyncio.Task[App] | None = None
        self._start, self._count = os.urandom(6).hex(), itertools.count()
        model_v1 = f"/v1/models/{service.name}:predict"
        model_v2 = f"/v2/models/{service.name}/infer"
        self._hot: dict[str, Steps] = {
            model_v1: service.predict_v1,
            model_v2: service.infer_v2,
        }
        # URLs as they arrive: with the root, or without it if a proxy has cut it off.
        self.hot_urls = {
            (r + p).encode(): p for r in ("", self._root) for p in self._hot
        }
        self._plain: dict[str, Callable[[Headers], Reply]] = {
            "/v2/health/live": live,
            "/v2/health/ready": self.ready,
            "/_/health": live,
            "/_/ready": self.ready,
            "/metrics": lambda _: self.telemetry.expose(),
        }
        if settings.page:  # else "/" is free for one of your own routes
            self._plain["/"] = Page(service).reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            serve = self._stream if scope["type"] == "websocket" else self._lifespan
            await serve(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        path, method = scope["path"], scope["method"]
        path = self.below_root(path)
        request_id, trace = self._identify(headers)
        steps = self._hot.get(path)
        # An unknown path is the client's text: keep it out of labels and the log.
        route = path if steps is not None or path in self._plain else "other"
        unread = True
        try:
            if self.keys.required and not (path in self._plain or is_open(path)):
                self.keys.check(headers.get(b"authorization"))
            if steps is not None:
                if method != "POST":
                    raise MethodRefused(path, "POST", method)
                body = await self.service.bodies.read(headers, receive)
                unread = False
                reply = await self.service.respond(steps, body, headers)
            elif path in self._plain:
                if method not in ("GET", "HEAD"):
                    raise MethodRefused(path, "GET", method)
                reply = self._plain[path](headers)
            else:
                await self._pass_on(scope, receive, send, started, request_id, trace)
                return
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001  explain logs it
            reply = explain(error, f"request {request_id}")
        status, body = reply.status, reply.body
        answer = self._headers(reply, request_id)
        linger = unread and declared_size(headers) not in SURELY_READ
        if linger or self.service.draining:
            # When draining, a client with keep-alive has to reconnect elsewhere.
            answer.append((b"connection", b"close"))
        if method == "HEAD":
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": answer})
        if linger:
            await discard(body, receive, send)
        else:
            await send({"type": "http.response.body", "body": body})
        scope["counted_as"] = route
        self.telemetry.record(method, route, reply, started, request_id, trace)

    def answer(
        self, route: str, headers: Headers, body: bytes, started: float
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Answer a small, complete request for a hot route, as above but synchronously.

        Returns status, headers and body.
        """
        request_id, trace = self._identify(headers)
        try:
            if self.keys.required:
                self.keys.check(headers.get(b"authorization"))
            reply = self.service.answer(self._hot[route], body, headers)
        except Exception as error:  # noqa: BLE001  explain logs it
            reply = explain(error, f"request {request_id}")
        self.telemetry.record("POST", route, reply, started, request_id, trace)
        return reply.status, self._headers(reply, request_id), reply.body

    def refused(self, reply: Reply, began: float) -> list[tuple[bytes, bytes]]:
        """Headers for what the server itself refuses; also counts and logs it.

        began: `time.monotonic()`, when the first byte came.
        """
        request_id, trace = self._identify({})
        started = time.perf_counter() - (time.monotonic() - began)
        self.telemetry.record("-", "other", reply, started, request_id, trace)
        return self._headers(reply, request_id)

    def _headers(self, reply: Reply, request_id: str) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-request-id", request_id.encode()),
        ]
        if reply.version:  # set when there is more than one version
            headers.append((b"x-model-version", reply.version.encode()))
        else:
            headers += self.service.version_header
        headers += reply.headers
        if reply.status == NOT_MODIFIED:
            del headers[:2]  # they would describe a body that isn't sent
        return headers

    def below_root(self, path: str) -> str:
        """The path as the routes know it, whether or not a proxy cuts the root off."""
        root = self._root
        if root and (path == root or path.startswith(f"{root}/")):
            return path[len(root) :] or "/"
        return path

    def _identify(self, headers: Headers) -> tuple[str, str]:
        """The request's id (the client's own, if harmless), and its trace."""
        given = headers.get(b"x-request-id")
        if given is not None and SAFE_ID.fullmatch(given):
            request_id = given.decode()
        else:
            request_id = f"{self._start}-{next(self._count):x}"
        trace = ""
        if b"traceparent" in headers:
            match = TRACE.fullmatch(headers[b"traceparent"])
            trace = f',"trace_id":"{match[1].decode()}"' if match else ""
        return request_id, trace

    async def _pass_on(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        started: float,
        request_id: str,
        trace: str,
    ) -> None:
        """Pass a request to the documented application, and record its answer."""
        status, version = 500, b""
        head = scope["method"] == "HEAD"

        async def watched(message: Message) -> None:
            nonlocal status, version
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", [])]
                version = dict(headers).get(b"x-model-version", b"")
                headers.append((b"x-request-id", request_id.encode()))
                if not version:
                    headers += self.service.version_header
                message["headers"] = headers
                if self.service.draining:
                    message["headers"].append((b"connection", b"close"))
            elif head:
                message["body"] = b""
            await send(message)

        api = await self._open_api()
        asked = self._rooted({**scope, "method": "GET"} if head else scope)
        try:
            await api(asked, receive, watched)
        except Disconnected:
            return
        except Exception:  # its own handlers have answered
            log.exception("request %s failed", request_id)
        route = scope["counted_as"] = getattr(asked.get("route"), "path", "other")
        refused = asked.get("refused", "")
        reply = Reply(b"", status, version=version.decode(), refused=refused)
        method = scope["method"]
        self.telemetry.record(method, route, reply, started, request_id, trace)

    def _rooted(self, scope: Scope) -> Scope:
        """The scope with the root path given as the framework expects it."""
        if not self._root:
            return scope
        whole = self._root + self.below_root(scope["path"])
        return {**scope, "root_path": self._root, "path": whole}

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket; it needs a key too, and is refused as a request is."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id, trace = self._identify(headers)

        def record(route: str, reply: Reply, started: float) -> None:
            """Each message is counted and logged as a request is."""
            self.telemetry.record("WS", route, reply, started, request_id, trace)

        async def deny(error: ProjectError) -> None:
            """Answer the request for the WebSocket with a refusal instead."""
            reply, part = refuse(error), "websocket.http.response"
            answer = self._headers(reply, request_id)
            await send(
                {"type": f"{part}.start", "status": reply.status, "headers": answer}
            )
            await send({"type": f"{part}.body", "body": reply.body})
            record("other", reply, started)

        try:
            if self.keys.required:
                self.keys.check(headers.get(b"authorization"))
            api = await self._open_api()
        except ProjectError as error:
            await deny(error)
            return
        more = {"record": record, "deny": deny}
        await api(self._rooted({**scope, **more}), receive, send)

    def _open_api(self) -> "asyncio.Task[App]":
        """The documented application, built once, in a thread.

        Fails: NotReady while the model is loading, since it describes the model.
        """
        if self.service.loading:
            raise NotReady(self.service.phase)
        if self._api is None:
            making = asyncio.to_thread(self._make_api, self.service)
            self._api = asyncio.create_task(making)
        return self._api

    async def _lifespan(self, _: Scope, receive: Receive, send: Send) -> None:
        """Report startup complete at once, so that the socket opens; then load."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        tasks = [asyncio.create_task(self._begin()), asyncio.create_task(self._watch())]
        for task in tasks:
            task.add_done_callback(log_failure)
        await receive()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.service.close()
        self.telemetry.flush()
        await send({"type": "lifespan.shutdown.complete"})

    async def _begin(self) -> None:
        """Start the service, then the documented application with its own lifespan."""
        await self.service.start()
        api: Any = await self._open_api()
        self.service.settle()
        async with api.router.lifespan_context(api):
            await asyncio.Event().wait()

    async def _watch(self) -> None:
        """Every EVERY_S, read changed keys, and count what was asked and answered."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.keys.refresh()
            if self.service.live is not None:
                self.service.live.fold()

    def ready(self, _: Headers) -> Reply:
        if self.service.ready:
            return Reply(b'{"ready":true}')
        return refuse(NotReady(self.service.phase))


def log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a part of the service has ended", exc_info=task.exception())


async def discard(body: bytes, receive: Receive, send: Send) -> None:
    """Answer before the request has been read, and make sure that the answer arrives.

    A socket closed with unread bytes in it is reset, and the client never sees why; so
    incoming bytes are read and discarded for a moment.
    """
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b""})


def live(_: Headers) -> Reply:
    return Reply(b'{"live":true}')


def is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_BELOW)
