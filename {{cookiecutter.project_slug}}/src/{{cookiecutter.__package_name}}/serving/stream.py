"""A WebSocket's bytes are parsed piece by piece, and no faster than it is answered.

A client may send thousands of messages at once. uvicorn parses all of them, answers all
of them before anybody else has a turn, and answers pings whether it is read or not.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent

# Bytes of one message. It is received whole, and hundreds of streams may be open, so a
# larger request is for :predict, which counts what arrives.
MESSAGE_BYTES = 131_072
# A message may come in parts; without a limit, empty ones could come for ever.
MOST_PARTS = 1000

# Bytes that are parsed in one go: some hundred of the smallest messages. They are also
# answered in one go, in some 20 ms.
PIECE_BYTES = 4_096


log = logging.getLogger(__name__)


class Stream(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which takes one piece after the other.

    held: received bytes that are not parsed yet; while there are any, no more are read.
    """

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        self.parse_held()

    def parse_held(self) -> None:
        """Parse a piece, unless messages wait for answers, or answers for a reader."""
        if self.held and not self.read_paused and self.writable.is_set():
            piece, self.held = self.held[:PIECE_BYTES], self.held[PIECE_BYTES:]
            super().data_received(piece)
            if len(self.frames) > MOST_PARTS and not self.conn.close_sent:
                self.conn.fail(1009, f"expected at most {MOST_PARTS} parts")
                self.handle_parser_exception()
            if self.held and not self.read_paused:
                self.loop.call_soon(self.parse_held)
        if self.transport.is_closing():
            self.held = b""
        elif self.held:
            self.transport.pause_reading()
        elif not self.read_paused:
            self.transport.resume_reading()

    def handle_parser_exception(self) -> None:
        log.info("a stream is closed: %s", self.conn.close_sent)
        super().handle_parser_exception()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.parse_held()

    def keepalive_timeout(self) -> None:
        """Close, unless the pong may have come, behind messages that wait for us."""
        if (self.held or self.read_paused) and self.writable.is_set():
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    async def receive(self) -> "ASGIReceiveEvent":
        message = await super().receive()
        if self.held and not self.read_paused:  # the last message of a piece
            self.transport.pause_reading()  # uvicorn has just resumed it
            await asyncio.sleep(0)  # others have their turn
            self.parse_held()
        return message
