"""Bytes off the wire in, one plain body out: bounded in size and number."""

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from ..errors import (
    BodyTooLarge,
    Malformed,
    MediaUnsupported,
    Overloaded,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Headers = Mapping[bytes, bytes]

SMALL = 32_768  # bytes; bodies up to here are not counted
AT_ONCE = 8  # bodies of the largest size that may be in memory as they arrive or leave
WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


class Disconnected(Exception):
    """The client went away before its body was whole; there is nobody to answer."""


class Bodies:
    """Reads bodies, and refuses those that are too large or too many.

    check_room: fails when there is no room to compute a large request, so that it is
    refused before it is read. Slow bodies are left to server.py and wire.py.
    unread: bytes of answers that clients have not read yet, as the server last saw.
    """

    def __init__(self, limit: int, check_room: Callable[[], None]) -> None:
        self.limit = limit
        self._check_room = check_room
        self._arriving = 0
        self.unread = 0

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """Fails: BodyTooLarge, Overloaded, Disconnected."""
        reserved = self._reserve(headers)
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body", False):
                return await self._read_rest(body, receive)
        finally:
            self._arriving -= reserved
        if message["type"] == "http.disconnect":
            raise Disconnected
        if len(body) > self.limit:  # sent in one piece, but without a length
            raise BodyTooLarge("body", self.limit, "bytes", len(body))
        return body

    def _reserve(self, headers: Headers) -> int:
        """Reserve room for a large body that is about to arrive; returns its bytes."""
        size = declared_size(headers)
        if size is None:
            size = self.limit
        elif size > self.limit:
            raise BodyTooLarge("body", self.limit, "bytes", size)
        if size <= SMALL:
            return 0
        self._check_room()
        if self._arriving + size > AT_ONCE * self.limit:
            raise Overloaded(f"{self._arriving} bytes are arriving")
        if self.unread > AT_ONCE * self.limit:
            raise Overloaded(f"{self.unread} bytes of answers are not read yet")
        self._arriving += size
        return size

    async def _read_rest(self, body: bytes, receive: Receive) -> bytes:
        parts, size, more = [body], len(body), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limit:
                raise BodyTooLarge("body", self.limit, "bytes", f"{size} or more")
            more = message.get("more_body", False)
        return b"".join(parts)


def declared_size(headers: Headers) -> int | None:
    """Bytes of body that a request's headers announce; None when they don't say."""
    declared = headers.get(b"content-length")
    if declared is not None:
        return int(declared[:18])  # more digits would be too large by far
    return None if b"transfer-encoding" in headers else 0


def inflate(body: bytes, encoding: bytes, limit: int) -> bytes:
    """A compressed body, decompressed.

    The size is measured first, chunk by chunk, so that a bomb never fills the memory.
    Fails: MediaUnsupported, Malformed, BodyTooLarge.
    """
    bits = WINDOW_BITS.get(encoding)
    if bits is None:
        received = encoding.decode("latin-1")
        raise MediaUnsupported("content-encoding", "gzip, deflate or none", received)
    try:
        size, rest, measure = 0, body, zlib.decompressobj(bits)
        while rest and not measure.eof:
            size += len(measure.decompress(rest, 65_536))
            if size > limit:
                raise BodyTooLarge("body", limit, "bytes when inflated", f"{size}+")
            rest = measure.unconsumed_tail
        if not measure.eof or measure.unused_data:
            raise Malformed("one whole compressed stream", "a part, or more than one")
        return zlib.decompress(body, wbits=bits, bufsize=max(size, 1))
    except zlib.error as error:
        raise Malformed(encoding.decode(), str(error)) from None
