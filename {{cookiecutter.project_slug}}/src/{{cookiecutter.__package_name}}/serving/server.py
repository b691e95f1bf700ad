"""Bind, serve, drain, exit 0: uvicorn with a SIGTERM that drops nobody."""

import asyncio
import socket
import sys
from types import FrameType

import uvicorn

from ..errors import SettingInvalid
from ..settings import Settings
from .edge import Edge
from .telemetry import log_as_json


class Server(uvicorn.Server):
    """On the first signal the service turns not ready and serves on for `drain_s`."""

    def __init__(self, config: uvicorn.Config, edge: Edge, drain_s: float) -> None:
        super().__init__(config)
        self.edge = edge
        self.drain_s = drain_s

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        if self.edge.service.phase == "draining" or self.drain_s == 0:
            self.should_exit = True  # a second signal: somebody is in a hurry
        else:
            self.loop.call_soon_threadsafe(
                self.loop.call_later, self.drain_s, self.stop
            )
        self.edge.service.drain()

    def stop(self) -> None:
        self.should_exit = True


def run(edge: Edge, settings: Settings) -> None:
    """Serve until a signal; returns when every accepted request is answered.

    One process: a container is scaled by starting more of them, and counts in memory
    (metrics, limits) are then the whole truth about it.
    """
    log_as_json(settings.log_level)
    config = uvicorn.Config(
        edge,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(settings.deadline_s) + 1,
    )
    with listen(settings.host, settings.port) as bound:
        Server(config, edge, settings.drain_s).run(sockets=[bound])


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
