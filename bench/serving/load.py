"""Keep-alive HTTP/1.1 load from one core: request bytes in, rates and latencies out.

One epoll loop on raw sockets, because a client slower than the server measures itself.
Each sample says how busy the client was: well under 1.0 means that the server was what
held things up. Every answer's status is read, and every body is compared with one that
the oracle has accepted.
"""

import gc
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from http_answer import BODY_SEPARATOR, OK, LoadError, split, whole_length

RECEIVE_BYTES = 1 << 20
SILENCE_S = 60
# A slow server is given time beyond the planned seconds to reach this many answers.
FEWEST_ANSWERS = 20

Address = tuple[str, int]


@dataclass
class Group:
    """Connections that send the same kind of request.

    judge(request number, head, body) raises when the answer is wrong; it is asked only
    about bodies that differ from the last one it accepted. With `rate` (requests per
    second) requests fall due by the clock and latency counts from then, so a stalled
    server cannot hide the ones it kept waiting.
    """

    requests: Sequence[bytes]
    judge: Callable[[int, bytes, bytes], None]
    connections: int
    rate: float | None = None
    accepted: dict[int, bytes] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    idle: deque["Connection"] = field(default_factory=deque)
    due: float = 0.0

    def check(self, number: int, answer: bytes) -> None:
        """A whole answer in; cheap when its body is, byte for byte, an accepted one."""
        known = self.accepted.get(number)
        if known is not None and answer.startswith(OK) and answer.endswith(known):
            return
        self.judge(number, *split(answer))
        self.accepted[number] = answer[answer.index(BODY_SEPARATOR) :]


@dataclass(frozen=True)
class Sample:
    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    client_busy: float


class Connection:
    __slots__ = ("group", "inbox", "needed", "number", "outbox", "since", "socket")

    def __init__(self, address: Address, group: Group, number: int) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.group = group
        self.number = number % len(group.requests)
        self.since = 0.0
        self.inbox = bytearray()
        self.needed = 0
        self.outbox = memoryview(b"")


def drive(
    address: Address, groups: Sequence[Group], seconds: float, warm_up: float
) -> list[Sample]:
    """Load the server with all groups at once; one sample per group, warm-up left out.

    Fails: LoadError, and whatever a judge raises.
    """
    load = Load(address, groups)
    gc.collect()
    gc.disable()
    try:
        wall, busy = load.run(seconds, warm_up)
    finally:
        gc.enable()
        load.close()
    return [_sample(group.latencies, wall, busy) for group in groups]


def ask(address: Address, request: bytes, patience_s: float) -> tuple[bytes, bytes]:
    """One request on a connection of its own; head and body of the answer."""
    with socket.create_connection(address, timeout=patience_s) as connection:
        connection.sendall(request)
        answer = b""
        while not (needed := whole_length(answer)) or len(answer) < needed:
            data = connection.recv(RECEIVE_BYTES)
            if not data:
                raise LoadError("the server closed the connection without an answer")
            answer += data
    return split(answer)


class Load:
    """All connections of one measurement, in one loop."""

    def __init__(self, address: Address, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._paced = [group for group in groups if group.rate]
        self._connections = {}
        self._poller = select.epoll()
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._counting = False
        for group in groups:
            for number in range(group.connections):
                connection = Connection(address, group, number)
                self._connections[connection.socket.fileno()] = connection
                self._poller.register(connection.socket, select.EPOLLIN)

    def close(self) -> None:
        self._poller.close()
        for connection in self._connections.values():
            connection.socket.close()

    def run(self, seconds: float, warm_up: float) -> tuple[float, float]:
        """Fill the groups' latencies; return the seconds counted and the busy share."""
        now = heard = time.perf_counter()
        busy_from = 0.0
        counting_from, deadline = now + warm_up, now + warm_up + seconds
        for group in self._paced:
            group.due = now
        for connection in self._connections.values():
            self._next(connection)
        # With a paced group the loop spins: epoll's timeout is in whole milliseconds.
        patience = 0 if self._paced else SILENCE_S
        while now < deadline or self._too_few():
            events = self._poller.poll(patience)
            now = time.perf_counter()
            if not self._counting and now >= counting_from:
                self._counting = True
                counting_from, busy_from = now, time.process_time()
            self._send_due(now)
            for descriptor, event in events:
                connection = self._connections[descriptor]
                if event & select.EPOLLOUT:
                    self._send_rest(connection)
                if event & select.EPOLLIN:
                    self._receive(connection)
            if events:
                heard = now
            elif now - heard >= SILENCE_S:
                raise LoadError(f"no answer for {SILENCE_S} s")
        wall = time.perf_counter() - counting_from
        return wall, (time.process_time() - busy_from) / wall

    def _too_few(self) -> bool:
        return any(len(group.latencies) < FEWEST_ANSWERS for group in self._groups)

    def _next(self, connection: Connection) -> None:
        if connection.group.rate:
            connection.group.idle.append(connection)
        else:
            self._send(connection, time.perf_counter())

    def _send(self, connection: Connection, since: float) -> None:
        connection.since = since
        request = connection.group.requests[connection.number]
        sent = connection.socket.send(request)
        if sent < len(request):
            connection.outbox = memoryview(request)[sent:]
            self._poller.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def _send_rest(self, connection: Connection) -> None:
        sent = connection.socket.send(connection.outbox)
        connection.outbox = connection.outbox[sent:]
        if not connection.outbox:
            self._poller.modify(connection.socket, select.EPOLLIN)

    def _send_due(self, now: float) -> None:
        for group in self._paced:
            while group.idle and group.due <= now:
                self._send(group.idle.popleft(), group.due)
                group.due += 1 / (group.rate or 1)

    def _receive(self, connection: Connection) -> None:
        size = connection.socket.recv_into(self._buffer)
        if not size:
            raise LoadError("the server closed a connection")
        if connection.inbox:
            connection.inbox += self._buffer[:size]
            if len(connection.inbox) < connection.needed:
                return
            answer = bytes(connection.inbox)
        else:
            answer = bytes(self._buffer[:size])
        needed = connection.needed or whole_length(answer)
        if not needed or len(answer) < needed:
            connection.needed = needed
            connection.inbox = bytearray(answer)
            return
        group = connection.group
        if self._counting:
            group.latencies.append(time.perf_counter() - connection.since)
        group.check(connection.number, answer)
        connection.inbox.clear()
        connection.needed = 0
        connection.number = (connection.number + 1) % len(group.requests)
        self._next(connection)


def _sample(latencies: list[float], wall: float, busy: float) -> Sample:
    ordered = sorted(latencies)
    return Sample(
        requests=len(ordered),
        requests_per_s=len(ordered) / wall,
        p50_ms=ordered[len(ordered) // 2] * 1e3,
        p99_ms=ordered[len(ordered) * 99 // 100] * 1e3,
        client_busy=busy,
    )
