"""One connection: HTTP requests in, answers out, in order and within time limits."""

import asyncio
import math
import sys
import time
from collections import deque
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from ..errors import BodyTooSlow
from .edge import Edge
from .failures import Headers, Reply, error_body
from .failures import refuse as refusal
from .pieces import Piecewise

MAX_HEAD_BYTES = 65_536
# Headers that mean waiting for the body, or decompressing it.
NOT_AS_IT_IS = {b"transfer-encoding", b"content-encoding", b"expect"}
VERSIONS = {"1.0", "1.1"}


class HeadRefused(Exception):
    """A request head that was parsed but is refused; raised to stop the parser."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(error_body(text), status)


def large_head() -> HeadRefused:
    """A new exception each time: one object would keep every stack it was raised in."""
    expected = f"headers: expected at most {MAX_HEAD_BYTES} bytes, got more"
    return HeadRefused(431, expected)


class Protocol(Piecewise):
    """uvicorn's protocol, with time limits, and a short path for small hot requests.

    waiting_since: when the request began to arrive, or None while there is none.
    idle_since: when a hot request was answered, if no other has begun since. A timer
    for each, as the usual path has, would cost as much as reading the head.
    unread_since: since when the client has left an answer unread, else infinity.
    owed: requests of the usual path that may not be answered yet, several if pipelined.
    head_bytes: bytes that have come since the last request was complete.
    again: a head has to be read once more, see `_unsupported_upgrade_warning`.
    hot: the route of a request that is answered here as soon as its last byte has come,
    else "". The usual path, by a task and two messages, takes half as long again.
    """

    def __init__(self, edge: Edge, **given: Any) -> None:
        super().__init__(**given)
        self.edge = edge
        # A tracer around the edge has to see every request; with one, nothing is hot.
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
        self.owed: deque[RequestResponseCycle] = deque()

    def connection_lost(self, exc: Exception | None) -> None:
        for cycle in self.owed:  # uvicorn tells only the newest; others would go on
            cycle.disconnected = True
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Less than uvicorn does: only the usual path needs its scope."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self.waiting_since, self.idle_since = time.monotonic(), math.inf
        self.has_head = False

    def parse(self, data: bytes) -> None:
        while data:
            self.head_bytes += len(data)
            self.chunk, self.rest = data, b""
            super().parse(data)
            data = self.rest  # a loop, since many such heads may come at once
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
            self.headers += headers  # in place: the scope holds this list
            before = self.cycle
            super().on_headers_complete()
            if self.cycle is not before:  # otherwise it becomes a WebSocket
                while self.owed and self.owed[0].response_complete:
                    self.owed.popleft()
                self.owed.append(self.cycle)
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
            # HTTP/1.0 asks for keep-alive by this header and expects it in the answer.
            and (b"connection" not in self.asked or parser.get_http_version() == "1.1")
            and b"host" in self.asked
            and len(self.asked) == len(self.headers)  # no header came twice
            and NOT_AS_IT_IS.isdisjoint(self.asked)
            and int(self.asked.get(b"content-length", b"0")) <= service.at_once
        )
        # Not while an earlier request of the connection is unanswered, nor while the
        # client doesn't read its answers.
        free = getattr(self.cycle, "response_complete", True)  # None at first
        free = free and not self.flow.write_paused and not service.draining
        return route if simple and free else ""

    def check_head(self) -> None:
        """Check what the parser lets through. Fails: HeadRefused.

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
        if self.again:  # complete for the parser only
            return
        self.waiting_since = None
        self.head_bytes = 0  # all that came so far belongs to this request
        if self.hot:
            self.answer()
        else:
            super().on_message_complete()

    def answer(self) -> None:
        """Answer by one write: two would be two system calls and two packets."""
        route, self.hot = self.hot, ""
        edge, asked = self.edge, self.asked
        status, headers, body = edge.answer(route, asked, self.body, self.started)
        last = edge.service.draining
        if last:
            headers.append((b"connection", b"close"))
        self.write(status, headers, body)
        if last:
            self.transport.close()
        self.answers += 1
        self.server_state.total_requests += 1
        self.idle_since = time.monotonic()

    def write(self, status: int, headers: Headers, body: bytes) -> None:
        headers = self.server_state.default_headers + headers
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    def _is_head_large(self) -> bool:
        """Measured by its parts, since bytes of the body may have come along."""
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + fields > MAX_HEAD_BYTES

    def _has_upgrade(self) -> bool:
        return any(name == b"upgrade" for name, _ in self.headers)

    def _should_upgrade(self) -> bool:
        """Not while an answer is owed, which would get into the stream."""
        free = getattr(self.cycle, "response_complete", True)  # None at first
        get = self.parser.get_method() == b"GET"
        return free and get and super()._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """The parser has stopped after a head that asks for another protocol.

        Java's client does so in every request, for HTTP/2. A server may ignore that
        (RFC 9110, section 7.8), so the head is read once more, without that header.
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

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.waiting_since is not None:  # what is missing could not be sent so far
            self.waiting_since = time.monotonic()

    def shutdown(self) -> None:
        self.parse_held()  # what has come is accepted
        if not self.hot:  # else it closes after answering the request that is arriving
            super().shutdown()

    def give_up(self, waited_s: float) -> None:
        """The client took too long: refuse, or just close if it sent no whole head."""
        if self.pipeline:
            return  # not before its turn; the next tick calls this again
        if self.has_head:
            self.refuse(refusal(BodyTooSlow(waited_s)))
        elif not self.end_with_answer():
            self.transport.close()
        self.waiting_since = None

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this when its parser fails or one of our callbacks raises."""
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
        """Send the last answer of this connection, in turn if others are owed."""
        begun = self.has_head and self.waiting_since is not None
        if begun and self.pipeline:
            self.refuse_in_turn(reply)
        elif begun and not self.hot and self.cycle.response_started:
            self.transport.close()  # one request, one answer
        elif begun or not self.end_with_answer():
            headers = self.edge.refused(reply, self.waiting_since or time.monotonic())
            self.write(reply.status, [*headers, (b"connection", b"close")], reply.body)
            self.transport.close()
            if self.cycle is not None:  # nobody will read its answer
                self.cycle.disconnected = True

    def refuse_in_turn(self, reply: Reply) -> None:
        """Refuse in place of the application, once earlier requests are answered."""
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
        """Close after the answer still owed to an earlier request; False if none is."""
        if getattr(self.cycle, "response_complete", True):  # None at first
            return False
        self.cycle.keep_alive = False
        self.flow.pause_reading()
        return True
