"""Which requests are large, and how many of these are computed at once.

Small ones are answered in the event loop, where they cost least; but one that takes a
millisecond there keeps all others waiting, health checks included. So requests that
take about that long take turns, and larger ones go to threads.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..errors import DeadlineExceeded, Overloaded
from ..model.arrays import Floats

Result = TypeVar("Result")

BRIEF_S, TURN_S = 0.001, 0.002
NUMBER_BYTES = 4  # of a short number and its comma in a body; most take more
TRIES = 3


def brief_body(
    answer: Callable[[Floats], object],
    row: Floats,
    limit: int,
    within_s: float = BRIEF_S,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Bytes of the largest body whose rows take at most `within_s`, up to `limit`.

    row: (1, d), a typical one, since others may be quicker.
    Returns 0 when a single row takes longer. The number of rows is doubled each time,
    so that a slow model is asked for few; the best of several tries counts, since other
    work on the machine only slows a try down.
    """
    row_bytes = NUMBER_BYTES * row.size
    most = max(limit // row_bytes, 1)
    rows = 0
    while rows < most:
        more = min(2 * rows or 1, most)
        X = row.repeat(more, axis=0)
        seconds = []
        for _ in range(TRIES):
            began = clock()
            answer(X)
            seconds.append(clock() - began)
        if min(seconds) > within_s:
            return rows * row_bytes
        rows = more
    return limit


class Workers:
    """Turns for requests of a millisecond or two, and threads for larger ones.

    A slot is freed when its thread ends, not when the client stops waiting: otherwise
    abandoned work would pile up while the limit seems to be kept.
    """

    def __init__(self, threads: int, queue: int, deadline_s: float) -> None:
        self.threads = threads
        self.queue = queue
        self.deadline_s = deadline_s
        self.taken = 0
        self.shed = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    @property
    def in_flight(self) -> int:
        return min(self.taken, self.threads)

    @property
    def queued(self) -> int:
        return self.taken - self.in_flight

    def check_room(self) -> None:
        """Fails: Overloaded when all threads and the queue are taken."""
        if self.taken >= self.threads + self.queue:
            self.shed += 1
            raise Overloaded(
                f"{self.in_flight} requests in flight and {self.queued} waiting"
            )

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Run in a thread. Fails: Overloaded at once, when full; DeadlineExceeded."""
        self.check_room()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        job = self._pool.submit(function, *arguments)  # fails when threads run out
        self.taken += 1
        # Only one call into the loop and one timer: `wrap_future` and `timeout` would
        # add a twentieth to the time of a request of 1,000 rows.
        job.add_done_callback(
            lambda job: loop.call_soon_threadsafe(self._end, job, answer)
        )
        deadline = loop.call_later(self.deadline_s, self._give_up, answer)
        try:
            return await answer
        finally:
            deadline.cancel()
            job.cancel()  # works only if it hasn't begun; nobody waits for it any more

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

    async def in_turn(
        self, function: Callable[..., Result], *arguments: object
    ) -> Result:
        """Run in the event loop, one per round of the loop, to let others in between.

        A thread would cost such a request another tenth of its time.
        Fails: Overloaded at once if all is taken; DeadlineExceeded.
        """
        self.check_room()
        self.taken += 1
        try:
            loop = asyncio.get_running_loop()
            if self._turning:
                until = loop.time() + self.deadline_s
                turn: asyncio.Future[None] = loop.create_future()
                self._waiting.append(turn)
                await turn
                if loop.time() > until:
                    raise DeadlineExceeded(self.deadline_s)
            else:
                self._turning = True
                loop.call_soon(self._next_turn)
            return function(*arguments)
        finally:
            self.taken -= 1

    def _next_turn(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # otherwise nobody waits for it any more
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._next_turn)
                return
        self._turning = False

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
