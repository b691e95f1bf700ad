"""Bind, serve, drain, exit 0: uvicorn with a SIGTERM that drops no request."""

import asyncio
import errno
import logging
import math
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import FrameType

import uvicorn

from ..errors import SettingInvalid
from ..settings import Settings
from .edge import Edge
from .stream import MESSAGE_BYTES, Stream
from .telemetry import log_as_json
from .tracing import trace
from .wire import Protocol

log = logging.getLogger(__name__)

# How long a computing thread keeps the event loop waiting. Python's default is 5 ms.
# Each request waits several times, more often the more threads there are.
SWITCH_S = 0.0005
HURRY_S = 1.0


class Server(uvicorn.Server):
    """On the first signal the service turns not ready and keeps serving for `drain_s`.

    A second signal ends the drain; a third one waits for nothing.
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
        """Accept no more; answer accepted requests, except those that stall."""
        self.stopped_at = time.monotonic()
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Check all connections for timeouts; uvicorn calls this ten times a second.

        A timer for each request would cost a tenth of the throughput of small requests.
        """
        now, deadline_s = time.monotonic(), self.settings.deadline_s
        hurried = now > self.stopped_at + HURRY_S
        unread = 0
        for connection in list(self.server_state.connections):
            if isinstance(connection, Protocol):
                since = connection.waiting_since
                if since is not None and (hurried or since < now - deadline_s):
                    connection.give_up(now - since)
                elif connection.idle_since < now - self.settings.keep_alive_s:
                    connection.transport.close()
                unread += connection.transport.get_write_buffer_size()
                if connection.unread_since < now - deadline_s:
                    log.info("an answer that its client takes too long to read is cut")
                    connection.transport.abort()
        self.edge.service.bodies.unread = unread
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the accepted requests, still giving up on those that stall."""
        ticking = asyncio.create_task(self._tick())
        await super().shutdown(sockets)
        ticking.cancel()
        if self.edge.service.stuck:
            leave()

    async def _tick(self) -> None:
        while True:
            await self.on_tick(1)
            await asyncio.sleep(0.1)


def leave() -> None:
    """End although a thread still computes: Python would wait until it is done."""
    log.warning("a model that does not come back is left behind")
    logging.shutdown()
    with suppress(OSError):  # if nobody reads the log any more
        sys.stdout.flush()
    os._exit(0)


def run(edge: Edge, settings: Settings, environment: Mapping[str, str]) -> None:
    """Serve until a signal; returns when every accepted request is answered.

    One process: to scale, start more containers. So counts in memory (metrics, limits)
    are complete for a container.
    environment: says whether and where traces go.
    """
    log_as_json(settings.log_level)
    sys.setswitchinterval(SWITCH_S)
    config = uvicorn.Config(
        trace(edge, environment),
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http=partial(Protocol, edge),  # type: ignore[arg-type]  # uvicorn calls it
        ws=Stream,
        ws_max_size=min(settings.max_body_bytes, MESSAGE_BYTES),
        ws_per_message_deflate=False,  # it would be inflated before its size is known
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here uses the client's address
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=int(settings.deadline_s) + 1,
    )
    with listen(settings.host, settings.port) as bound:
        log.info("listening on http://%s:%d", *bound.getsockname()[:2])
        Server(config, edge, settings).run(sockets=[bound])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Fails: SettingInvalid when the address can't be used."""
    v6 = ":" in host
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if v6 else socket.AF_INET,
            dualstack_ipv6=v6 and socket.has_dualstack_ipv6(),
            backlog=2048,
        )
    except OSError as error:
        expected = "an address that is free"
        if error.errno != errno.EADDRINUSE:
            expected = f"an address to listen on ({error.strerror})"
        raise SettingInvalid(
            "ML_HOST and ML_PORT", expected, f"{host}:{port}"
        ) from error
