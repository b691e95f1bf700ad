"""How many large requests are computed at once: threads, a queue, and a deadline."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..errors import DeadlineExceeded, Overloaded

Result = TypeVar("Result")


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

    def check_room(self) -> None:
        """Fails: Overloaded when threads and queue are taken."""
        if self.taken >= self.threads + self.queue:
            self.shed += 1
            raise Overloaded(
                f"{self.in_flight} requests in flight and {self.queued} waiting"
            )

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Fails: Overloaded at once when all is taken; DeadlineExceeded."""
        self.check_room()
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
