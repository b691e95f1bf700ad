"""How much is taken on at once: bytes of a body, threads, a queue, and a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..errors import BodyTooLarge, BodyTooSlow, DeadlineExceeded, Overloaded

Result = TypeVar("Result")
OVERDUE = -1.0
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Disconnected(Exception):
    """The client went away before its body was whole; there is nobody to answer."""


class Bodies:
    """Reads bodies, and gives up on those that are too large or too slow.

    A sweep looks for the slow ones now and then: a timer for each request would cost a
    tenth of the throughput of small ones.
    """

    def __init__(self, limit: int, deadline_s: float) -> None:
        self.limit = limit
        self.deadline_s = deadline_s
        self._begun: dict[asyncio.Task[Any] | None, float] = {}

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Fails: BodyTooLarge, BodyTooSlow, Disconnected."""
        declared = headers.get(b"content-length", b"0")
        if len(declared) > 18 or int(declared) > self.limit:
            raise BodyTooLarge("body", self.limit, "bytes", declared.decode("latin-1"))
        task = asyncio.current_task()
        self._begun[task] = time.monotonic()
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body", False):
                return await self._read_rest(body, receive)
        except asyncio.CancelledError:
            if task is None or self._begun[task] != OVERDUE:
                raise
            task.uncancel()
            raise BodyTooSlow(self.deadline_s) from None
        finally:
            del self._begun[task]
        if message["type"] == "http.disconnect":
            raise Disconnected
        if len(body) > self.limit:  # sent in one piece, without a length
            raise BodyTooLarge("body", self.limit, "bytes", len(body))
        return body

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

    def sweep(self) -> None:
        """Give up on every body that began to arrive `deadline_s` ago or earlier."""
        earliest = time.monotonic() - self.deadline_s
        for task, begun in self._begun.items():
            if task is not None and OVERDUE < begun < earliest:
                self._begun[task] = OVERDUE
                task.cancel()


class Workers:
    """Threads for large requests; parser and kernel release the GIL in them.

    A slot is given back when its thread ends, not when the client stops waiting:
    otherwise work that nobody waits for would pile up behind a limit that looks kept.
    """

    def __init__(self, threads: int, queue: int, deadline_s: float) -> None:
        self.threads = threads
        self.queue = queue
        self.deadline_s = deadline_s
        self.taken = 0
        self.shed = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")

    @property
    def in_flight(self) -> int:
        return min(self.taken, self.threads)

    @property
    def queued(self) -> int:
        return self.taken - self.in_flight

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Fails: Overloaded at once when all is taken; DeadlineExceeded."""
        if self.taken >= self.threads + self.queue:
            self.shed += 1
            raise Overloaded(self.in_flight, self.queued)
        self.taken += 1
        loop = asyncio.get_running_loop()
        job = self._pool.submit(function, *arguments)
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._give_back))
        try:
            async with asyncio.timeout(self.deadline_s):
                return await asyncio.wrap_future(job)
        except TimeoutError:
            raise DeadlineExceeded(self.deadline_s) from None

    def _give_back(self) -> None:
        self.taken -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
