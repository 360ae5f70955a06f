"""One thread that takes calls in the order of their arrival."""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tierfold.errors import OverloadError
from tierfold_actors.answering import Call, Reply, log_unforeseen, problem_reply
from tierfold_actors.problems import InternalError
from tierfold_actors.worker_process import Cancellable

T = TypeVar("T")


class Ticket:
    """A call in a thread's queue, and the way its replies come back to the event loop."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.is_cancelled = False
        self._loop = asyncio.get_running_loop()
        self._replies: asyncio.Queue[Reply] = asyncio.Queue()

    async def next_reply(self) -> Reply:
        """Wait for the next reply."""
        return await self._replies.get()

    def put(self, reply: Reply) -> None:
        """Hand a reply over; called in the lane's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._replies.put_nowait, reply)


class Lane:
    """One thread that takes calls in the order of their arrival."""

    def __init__(
        self, name: str, source: Callable[[Call, Cancellable], Iterator[Reply]], *, waiting_max: int
    ) -> None:
        self._source = source
        self._waiting_max = waiting_max
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._open = 0  # calls that wait or run
        self._backlog_ms = 0.0

    @property
    def waiting(self) -> int:
        """Calls behind the one that runs."""
        return max(0, self._open - 1)

    @property
    def retry_after_s(self) -> int:
        """When the work that is here now is expected to be done."""
        return max(1, math.ceil(self._backlog_ms / 1000))

    async def replies(self, call: Call, *, cost_ms: float) -> AsyncGenerator[Reply]:
        """Yield the call's replies; raises OverloadError when too many wait.

        Closing the iterator takes the call out of the queue, or stops it after its current step.
        """
        if self.waiting >= self._waiting_max:
            raise OverloadError(retry_after_s=self.retry_after_s)
        ticket = Ticket(call)
        self._open += 1
        self._backlog_ms += cost_ms
        future = self._thread.submit(self._run, ticket)
        try:
            reply = await ticket.next_reply()
            yield reply
            while not reply.is_final:
                reply = await ticket.next_reply()
                yield reply
        finally:
            ticket.is_cancelled = True
            future.cancel()
            self._open -= 1
            self._backlog_ms -= cost_ms

    async def compute(self, work: Callable[[], T], *, cost_ms: float) -> T:
        """Return what the work returns; raises OverloadError when too many wait."""
        if self.waiting >= self._waiting_max:
            raise OverloadError(retry_after_s=self.retry_after_s)
        self._open += 1
        self._backlog_ms += cost_ms
        try:
            return await asyncio.wrap_future(self._thread.submit(work))
        finally:
            self._open -= 1
            self._backlog_ms -= cost_ms

    def close(self) -> None:
        """Take nothing more; what runs ends after its current step."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run(self, ticket: Ticket) -> None:
        try:
            with contextlib.closing(generator_of(self._source(ticket.call, ticket))) as replies:
                for reply in replies:
                    if ticket.is_cancelled:
                        return
                    ticket.put(reply)
        except Exception as error:  # noqa: BLE001  # somebody waits for a reply
            log_unforeseen(error, ticket.call)
            ticket.put(problem_reply(InternalError(), ticket.call))


def generator_of(replies: Iterator[Reply]) -> Generator[Reply]:
    """Return a generator, whatever the iterator is: closing it closes a generator within."""
    yield from replies
