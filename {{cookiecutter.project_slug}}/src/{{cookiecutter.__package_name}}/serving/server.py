"""Bind, serve, drain, exit 0: uvicorn with a SIGTERM that drops nobody."""

import asyncio
import logging
import math
import socket
import sys
import time
from collections.abc import Mapping
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import BodyTooSlow, SettingInvalid
from ..settings import Settings
from .edge import Edge
from .failures import error_body
from .telemetry import log_as_json
from .tracing import trace

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 65_536
HURRY_S = 1.0
TOO_SLOW = b"408 Request Timeout"
HEAD_TOO_LARGE = b"431 Request Header Fields Too Large"
REFUSAL = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b"
)


class Protocol(HttpToolsProtocol):
    """uvicorn's own, which knows how long the client has kept it waiting, and for what.

    waiting_since: when the request began to arrive, or None while there is none.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting_since: float | None = time.monotonic()
        self.head_bytes = 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.waiting_since = time.monotonic()
        self.head_bytes = 0

    def on_message_complete(self) -> None:
        self.waiting_since = None
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.waiting_since is not None and not self.has_head:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES:
                expected = f"headers: expected at most {MAX_HEAD_BYTES} bytes, got more"
                self.refuse(HEAD_TOO_LARGE, expected)

    @property
    def has_head(self) -> bool:
        scope: dict[str, object] | None = self.scope  # type: ignore[assignment]
        return "method" in (scope or ())  # uvicorn adds it when the head is whole

    def give_up(self, waited_s: float) -> None:
        """The client has taken too long; one that sent nothing hears nothing."""
        if self.has_head:
            self.refuse(TOO_SLOW, str(BodyTooSlow(waited_s)))
        else:
            self.transport.close()

    def refuse(self, status: bytes, text: str) -> None:
        body = error_body(text)
        self.transport.write(REFUSAL % (status, len(body), body))
        self.transport.close()


class Server(uvicorn.Server):
    """On the first signal the service turns not ready and serves on for `drain_s`.

    A second signal ends the drain, a third one does not wait for anything.
    """

    def __init__(self, config: uvicorn.Config, edge: Edge, settings: Settings) -> None:
        super().__init__(config)
        self.edge = edge
        self.settings = settings
        self.stopped_at = math.inf

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        draining = self.edge.service.draining
        self.edge.service.drain()
        if self.should_exit:
            self.force_exit = True
        elif draining or self.settings.drain_s == 0:
            self.loop.call_soon_threadsafe(self.stop)
        else:
            self.loop.call_soon_threadsafe(
                self.loop.call_later, self.settings.drain_s, self.stop
            )

    def stop(self) -> None:
        """Take no more; what has been accepted is answered, what stalls is not."""
        self.stopped_at = time.monotonic()
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls this ten times a second.

        A timer for each request would cost a tenth of the throughput of small ones.
        """
        now, deadline_s = time.monotonic(), self.settings.deadline_s
        hurried = now > self.stopped_at + HURRY_S
        for connection in list(self.server_state.connections):
            if isinstance(connection, Protocol):
                since = connection.waiting_since
                if since is not None and (hurried or since < now - deadline_s):
                    connection.waiting_since = None
                    connection.give_up(now - since)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the accepted requests, and go on looking for those that stall."""
        ticking = asyncio.create_task(self._tick())
        await super().shutdown(sockets)
        ticking.cancel()

    async def _tick(self) -> None:
        while True:
            await self.on_tick(1)
            await asyncio.sleep(0.1)


def run(edge: Edge, settings: Settings, environment: Mapping[str, str]) -> None:
    """Serve until a signal; returns when every accepted request is answered.

    One process: a container is scaled by starting more of them, and counts in memory
    (metrics, limits) are then the whole truth about it.
    environment: says whether and where traces go.
    """
    log_as_json(settings.log_level)
    config = uvicorn.Config(
        trace(edge, environment),
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http=Protocol,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        ws_max_size=settings.max_body_bytes,
        timeout_graceful_shutdown=int(settings.deadline_s) + 1,
    )
    with listen(settings.host, settings.port) as bound:
        log.info("listening on http://%s:%d", *bound.getsockname()[:2])
        Server(config, edge, settings).run(sockets=[bound])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Fails: SettingInvalid when the address can't be had."""
    v6 = ":" in host
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if v6 else socket.AF_INET,
            dualstack_ipv6=v6 and socket.has_dualstack_ipv6(),
            backlog=2048,
        )
    except OSError as error:
        raise SettingInvalid(
            "ML_HOST and ML_PORT", "an address that is free", f"{host}:{port}"
        ) from error
