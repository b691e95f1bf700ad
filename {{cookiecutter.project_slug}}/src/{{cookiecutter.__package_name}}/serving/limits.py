"""How many large requests are computed at once: threads, a queue, and a deadline."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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
        answer: asyncio.Future[Result] = loop.create_future()
        job = self._pool.submit(function, *arguments)
        # One call into the loop and one timer: `wrap_future` and `timeout` cost a
        # request of 1,000 rows another twentieth of its time.
        job.add_done_callback(
            lambda job: loop.call_soon_threadsafe(self._end, job, answer)
        )
        deadline = loop.call_later(self.deadline_s, self._give_up, answer)
        try:
            return await answer
        finally:
            deadline.cancel()
            job.cancel()  # if it has not begun: nobody waits for it any more

    def _end(self, job: Future[Result], answer: asyncio.Future[Result]) -> None:
        self.taken -= 1
        if answer.done():
            return
        if job.cancelled():  # by `close`
            answer.cancel()
        elif error := job.exception():
            answer.set_exception(error)
        else:
            answer.set_result(job.result())

    def _give_up(self, answer: asyncio.Future[Result]) -> None:
        if not answer.done():
            answer.set_exception(DeadlineExceeded(self.deadline_s))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
