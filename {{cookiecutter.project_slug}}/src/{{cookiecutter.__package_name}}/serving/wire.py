"""One connection: HTTP off the wire and on it again, in its order and in its time."""

import asyncio
import math
import sys
import time
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ..errors import BodyTooSlow
from .edge import Edge
from .failures import Headers, Reply, error_body
from .failures import refuse as refusal

MAX_HEAD_BYTES = 65_536
# Headers of a body that has to be waited for, or unpacked.
NOT_AS_IT_IS = {b"transfer-encoding", b"content-encoding", b"expect"}
VERSIONS = {"1.0", "1.1"}


class HeadRefused(Exception):
    """A head that can be read and is not taken; the parser stops with it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(error_body(text), status)


def large_head() -> HeadRefused:
    """A new one each time: an exception keeps every stack that it was raised in."""
    expected = f"headers: expected at most {MAX_HEAD_BYTES} bytes, got more"
    return HeadRefused(431, expected)


class Protocol(HttpToolsProtocol):
    """uvicorn's own, with a sense of time, and a short way for small hot requests.

    waiting_since: when the request began to arrive, or None while there is none.
    idle_since: when a hot request was answered, as long as no other has begun. A timer
    for each of them, as the usual way has one, would cost as much as reading the head.
    unread_since: when its client began to owe us reading an answer, else infinity.
    owed: requests of the usual way that may not be answered yet, several if pipelined.
    head_bytes: what has come since the last request was whole.
    again: a head has to be read once more, see `_unsupported_upgrade_warning`.
    hot: the route of a request that is answered here as soon as its last byte has come,
    else "". The usual way, by a task and two messages, takes half as long again.
    """

    def __init__(self, edge: Edge, **given: Any) -> None:
        super().__init__(**given)
        self.edge = edge
        # A tracer around the edge has to see every request, so nothing is hot then.
        self.hot_urls = edge.hot_urls if self.app is edge else {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting_since: float | None = time.monotonic()
        self.idle_since = self.unread_since = math.inf
        self.head_bytes = 0
        self.has_head = False
        self.hot = ""
        self.chunk = self.rest = b""
        self.again = False
        self.owed: list[RequestResponseCycle] = []

    def connection_lost(self, exc: Exception | None) -> None:
        for cycle in self.owed:  # uvicorn tells the newest only; others would write on
            cycle.disconnected = True
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Less than uvicorn does: its description of a request is for the usual way."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self.waiting_since, self.idle_since = time.monotonic(), math.inf
        self.has_head = False

    def data_received(self, data: bytes) -> None:
        while data:
            self.head_bytes += len(data)
            self.chunk, self.rest = data, b""
            super().data_received(data)
            data = self.rest  # a loop, since many may come at once
        self.chunk = b""
        waits = self.waiting_since is not None and not self.has_head
        large = waits and self.head_bytes > MAX_HEAD_BYTES
        if large and not self.transport.is_closing():
            self.refuse(large_head().reply)

    def on_headers_complete(self) -> None:
        if self.head_bytes > MAX_HEAD_BYTES and self._is_head_large():
            raise large_head()  # the parser stops, see send_400_response
        upgrade = self.parser.should_upgrade()
        self.again = upgrade and not self._should_upgrade() and self._has_upgrade()
        if self.again:
            self.has_head = True
            return
        self.hot = "" if upgrade else self.find_hot()
        if not self.hot:
            self.check_head()
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers  # the list that the description holds
            before = self.cycle
            super().on_headers_complete()
            if self.cycle is not before:  # else it becomes a stream
                owed = [each for each in self.owed if not each.response_complete]
                self.owed = [*owed, self.cycle]
            if not upgrade:
                self.headers = []  # a trailer is no header (RFC 9110, section 6.5.1)
        self.has_head = True

    def find_hot(self) -> str:
        route = self.hot_urls.get(self.url)
        if route is None:
            return ""
        parser, service = self.parser, self.edge.service
        self.started = time.perf_counter()
        self.asked, self.body = dict(self.headers), b""
        simple = (
            parser.get_method() == b"POST"
            and parser.should_keep_alive()
            # HTTP/1.0 would have to say so by this header.
            and (b"connection" not in self.asked or parser.get_http_version() == "1.1")
            and b"host" in self.asked
            and len(self.asked) == len(self.headers)  # none came twice
            and NOT_AS_IT_IS.isdisjoint(self.asked)
            and int(self.asked.get(b"content-length", b"0")) <= service.at_once
        )
        # An earlier request of the connection is answered first, and a client that does
        # not read its answers gets no more of them.
        free = getattr(self.cycle, "response_complete", True)  # None at first
        free = free and not self.flow.write_paused and not service.draining
        return route if simple and free else ""

    def check_head(self) -> None:
        """What the parser lets through. Fails: HeadRefused.

        Source: RFC 9112, sections 2.3, 3.2 and 6.1.
        """
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            raise HeadRefused(505, f"expected HTTP/1.1, received HTTP/{version}")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts != 1 and (version == "1.1" or hosts):
            raise HeadRefused(400, f"headers: expected one host, received {hosts}")
        for name, value in self.headers:
            if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                received = value.decode("latin-1")
                expected = f"{name.decode()}: expected chunked, received {received!r}"
                raise HeadRefused(501, expected)

    def on_body(self, body: bytes) -> None:
        if self.hot:
            self.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.again:  # only the parser takes it for complete
            return
        self.waiting_since = None
        self.head_bytes = 0  # what came so far was of this request
        if self.hot:
            self.answer()
        else:
            super().on_message_complete()

    def answer(self) -> None:
        """By one write: two would be two system calls, and two packets."""
        route, self.hot = self.hot, ""
        edge, asked = self.edge, self.asked
        status, headers, body = edge.answer(route, asked, self.body, self.started)
        last = edge.service.draining
        if last:
            headers.append((b"connection", b"close"))
        self.write(status, headers, body)
        if last:
            self.transport.close()
        self.server_state.total_requests += 1
        self.idle_since = time.monotonic()

    def write(self, status: int, headers: Headers, body: bytes) -> None:
        headers = self.server_state.default_headers + headers
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    def _is_head_large(self) -> bool:
        """By its parts: bytes of a body may have come along."""
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + fields > MAX_HEAD_BYTES

    def _has_upgrade(self) -> bool:
        return any(name == b"upgrade" for name, _ in self.headers)

    def _should_upgrade(self) -> bool:
        """Not while an answer is owed: it would run into the stream."""
        free = getattr(self.cycle, "response_complete", True)  # None at first
        get = self.parser.get_method() == b"GET"
        return free and get and super()._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """The parser has stopped behind a head that wishes for another protocol.

        As Java's client does with every request, for HTTP/2. A server may ignore that
        (RFC 9110, section 7.8), so the head is read once more, without the wish.
        """
        stop = sys.exception()
        if not self.again or not isinstance(stop, HttpParserUpgrade):
            super()._unsupported_upgrade_warning()
            return
        parser, rest = self.parser, self.chunk[stop.args[0] :]
        version = parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b\r\n" % (parser.get_method(), self.url, version)]
        head += [b"%b: %b\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        self.again, self.head_bytes = False, 0
        self.parser = HttpRequestParser(self)
        self.rest = b"".join([*head, b"\r\n", rest])

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread_since = time.monotonic()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unread_since = math.inf

    def shutdown(self) -> None:
        if not self.hot:  # else it ends with the answer to what has begun to arrive
            super().shutdown()

    def give_up(self, waited_s: float) -> None:
        """The client has taken too long; one that sent nothing hears nothing."""
        if self.pipeline:
            return  # not before its turn; the next tick asks again
        if self.has_head:
            self.refuse(refusal(BodyTooSlow(waited_s)))
        elif not self.end_with_answer():
            self.transport.close()
        self.waiting_since = None

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this on what its parser can't read, or what we refuse in it."""
        stop = sys.exception()
        cause = stop.__context__ if stop is not None else None
        if isinstance(cause, HeadRefused):
            self.refuse(cause.reply)
        elif self._is_head_large():
            self.refuse(large_head().reply)
        else:
            text = f"request: expected HTTP/1.1, received none: {msg}"
            self.refuse(Reply(error_body(text), 400))

    def refuse(self, reply: Reply) -> None:
        """The last answer of this connection, in its turn if others are owed."""
        begun = self.has_head and self.waiting_since is not None
        if begun and self.pipeline:
            self.refuse_in_turn(reply)
        elif begun and not self.hot and self.cycle.response_started:
            self.transport.close()  # one request, one answer
        elif begun or not self.end_with_answer():
            headers = self.edge.refused(reply, self.waiting_since or time.monotonic())
            self.write(reply.status, [*headers, (b"connection", b"close")], reply.body)
            self.transport.close()
            if self.cycle is not None:  # nobody hears it any more
                self.cycle.disconnected = True

    def refuse_in_turn(self, reply: Reply) -> None:
        """In the place of the application, once those before it are answered."""
        began = self.waiting_since or time.monotonic()

        async def refused(_: Any, __: Any, send: Any) -> None:
            start = {"type": "http.response.start", "status": reply.status}
            headers = self.edge.refused(reply, began)
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})

        cycle, _ = self.pipeline[0]  # the newest
        cycle.keep_alive = False
        self.pipeline[0] = (cycle, refused)
        self.waiting_since = None
        self.flow.pause_reading()

    def end_with_answer(self) -> bool:
        """Close behind the answer that is still owed to an earlier request, if any."""
        if getattr(self.cycle, "response_complete", True):  # None at first
            return False
        self.cycle.keep_alive = False
        self.flow.pause_reading()
        return True
