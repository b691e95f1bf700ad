"""Received bytes are parsed piece by piece, and no faster than requests are answered.

A client may send thousands of requests at once. Parsed, they take a hundred times the
room; uvicorn parses all, and asks for more with each that is answered.
"""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes that are parsed in one go: a thousand of the smallest requests, in some 10 ms.
PIECE_BYTES = 32_768


class Flow(FlowControl):
    """Reads no more while uvicorn asks for a pause, or while received bytes wait."""

    asked = held = False

    def pause_reading(self) -> None:
        self.asked = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self.asked = False
        if not self.held:
            super().resume_reading()

    def hold(self) -> None:
        self.held = True
        super().pause_reading()

    def release(self) -> None:
        self.held = False
        if not self.asked:
            super().resume_reading()


class Piecewise(HttpToolsProtocol):
    """uvicorn's protocol, which takes one piece after the other.

    held: received bytes that are not parsed yet.
    answers: how many requests were answered while they were parsed.
    """

    parse = HttpToolsProtocol.data_received

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: Flow = Flow(transport)
        self.held = b""
        self.answers = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self.held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.held or self.pipeline or len(data) > PIECE_BYTES:
            self.held += data
            self.parse_held()
        else:
            self.parse(data)

    def parse_held(self) -> None:
        """Parse until a request has to wait for its turn, or others should have theirs.

        The rest waits: for the last answer that is owed, or for the next round of the
        event loop when a piece held requests that were answered at once.
        """
        held, self.held, answers = self.held, b"", self.answers
        for at in range(0, len(held), PIECE_BYTES):
            if self.pipeline or self.answers != answers:
                self.held = held[at:]
                break
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                break  # a WebSocket's client sends nothing before it is answered
            self.parse(held[at : at + PIECE_BYTES])
        if self.transport.is_closing():
            self.held = b""
        elif self.held:
            self.flow.hold()
            if not self.pipeline:
                self.loop.call_soon(self.parse_held)
        elif self.flow.held:
            self.flow.release()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.held and not self.pipeline:
            self.parse_held()
