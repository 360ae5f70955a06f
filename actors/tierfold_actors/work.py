"""Where a call runs: in the event loop, in a thread, or in the worker process.

Every wait is here, in the order of arrival, so that it is bounded and seen. The rules and their
measurements are in docs/adr/0003-where-work-runs.md.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tierfold.errors import OverloadError
from tierfold_actors.answering import Answering, Call, Reply, problem_reply
from tierfold_actors.problems import InternalError
from tierfold_actors.worker_process import Cancellable, WorkerProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLimits:
    """What may wait, and what is short enough for the event loop."""

    inline_cpu_ms_max: float = 3.0  # a hop to a thread and back costs about .4 ms
    inline_waiting_max: int = 32  # 32 turns of 3 ms keep a health check under .1 s
    inline_body_bytes_max: int = 1024 * 1024  # larger ones go to the worker process
    waiting_max: int = 256  # of up to 20 ms each: the last one waits 5 s
    large_waiting_max: int = 8  # of up to 64 MiB each: half a GiB


class Ticket:
    """A call in a thread's queue, and the way its replies come back to the event loop."""

    def __init__(self, call: Call, cost_ms: float) -> None:
        self.call = call
        self.cost_ms = cost_ms
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
        self._backlog_ms = 0.0
        self.waiting = 0

    async def replies(self, call: Call, cost_ms: float) -> AsyncIterator[Reply]:
        """Yield the call's replies; raises OverloadError when too many wait.

        Closing the iterator takes the call out of the queue or stops it after its current step.
        """
        if self.waiting >= self._waiting_max:
            raise OverloadError(retry_after_s=self.retry_after_s)
        ticket = Ticket(call, cost_ms)
        self._enter(ticket)
        future = self._thread.submit(self._run, ticket)
        try:
            reply = await ticket.next_reply()
            self._begin(future, ticket)
            yield reply
            while not reply.is_final:
                reply = await ticket.next_reply()
                yield reply
        finally:
            ticket.is_cancelled = True
            future.cancel()

    @property
    def retry_after_s(self) -> int:
        """When the work that waits now is expected to be done."""
        return max(1, math.ceil(self._backlog_ms / 1000))

    def close(self) -> None:
        """Take nothing more; what runs ends after its current step."""
        self._thread.shutdown(wait=False, cancel_futures=True)
