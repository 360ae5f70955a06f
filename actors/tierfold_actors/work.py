"""Where a call runs: in the event loop, in a thread, or in the worker process.

Every wait is here, in the order of arrival, so that it is bounded and seen. The rules and their
measurements are in docs/adr/0003-where-work-runs.md.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from tierfold.config import Limits
from tierfold.errors import OverloadError
from tierfold_actors.answering import Answering, Call, Reply, log_unforeseen, problem_reply
from tierfold_actors.arrival import BodyLedger, BodyLedgers
from tierfold_actors.problems import InternalError
from tierfold_actors.worker_process import Cancellable
from tierfold_actors.writes import unpacked_write

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLimits:
    """What may wait, and what is short enough for the event loop."""

    inline_cpu_ms_max: float = 3.0  # a hop to a thread and back costs about .4 ms
    turnless_cpu_ms_max: float = 0.2  # so little needs no turn of the loop of its own
    inline_waiting_max: int = 32  # 32 turns of 3 ms keep a health check under .1 s
    inline_body_bytes_max: int = 1024 * 1024  # larger ones go to the worker process
    waiting_max: int = 256  # of up to 20 ms each: the last one waits 5 s
    large_waiting_max: int = 8  # of up to seconds each, one after the other


def body_ledgers(work: WorkLimits, limits: Limits) -> BodyLedgers:
    """Return ledgers with room for a largest body in every place of its lane.

    Places are what waits and the one that runs: 257 of 1 MiB and 9 of 64 MiB, 833 MiB at the very
    worst, a fifth of what k8s/rayservice.yaml gives a pod. So a full queue is met before a full
    ledger, and knows when to come back; the ledger bounds what no queue sees, bodies being read.
    """
    return BodyLedgers(
        small=_ledger(1 + work.waiting_max, body_bytes_max=work.inline_body_bytes_max),
        large=_ledger(1 + work.large_waiting_max, body_bytes_max=limits.body_bytes_max),
    )


def _ledger(places: int, *, body_bytes_max: int) -> BodyLedger:
    return BodyLedger(bytes_max=places * body_bytes_max, body_bytes_max=body_bytes_max)


class LargeWorker(Protocol):
    """What takes large bodies: `worker_process.WorkerProcess`."""

    def replies(self, call: Call, caller: Cancellable) -> Iterator[Reply]:
        """Yield the call's replies; end early when the caller has gone."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


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
            with contextlib.closing(_generator(self._source(ticket.call, ticket))) as replies:
                for reply in replies:
                    if ticket.is_cancelled:
                        return
                    ticket.put(reply)
        except Exception as error:  # noqa: BLE001  # somebody waits for a reply
            log_unforeseen(error, ticket.call)
            ticket.put(problem_reply(InternalError(), ticket.call))


class Turns:
    """Gives each turn of the event loop to one piece of work, in the order of arrival."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.waiting = 0

    async def take(self) -> None:
        """Wait for a turn; whoever comes next gets a later one."""
        self.waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self.waiting -= 1
        asyncio.get_running_loop().call_soon(self._lock.release)


class Work:
    """Decides where each call runs and bounds what waits."""

    def __init__(self, answering: Answering, worker: LargeWorker, limits: WorkLimits) -> None:
        self._answering = answering
        self._worker = worker
        self._limits = limits
        self._turns = Turns()
        self._pool = Lane(
            "pool", lambda call, _: answering.replies(call), waiting_max=limits.waiting_max
        )
        self._large = Lane("large", self._large_replies, waiting_max=limits.large_waiting_max)

    @property
    def waiting(self) -> int:
        """Small calls that wait, wherever they will run."""
        return self._turns.waiting + self._pool.waiting

    @property
    def large_waiting(self) -> int:
        """Calls that wait for the worker process."""
        return self._large.waiting

    @property
    def is_full(self) -> bool:
        """Whether a small call would be refused now."""
        return self._pool.waiting >= self._limits.waiting_max

    def is_large(self, call: Call) -> bool:
        """Whether the call's body is for the worker process."""
        return len(call.body) > self._limits.inline_body_bytes_max

    def predict_cpu_ms(self, call: Call) -> float:
        """Return the CPU a call is expected to take."""
        return self._answering.predict_cpu_ms(call)

    def predict_building_ms(self, size_bytes: int) -> float:
        """Return the CPU it is expected to take to make so much text ready for questions."""
        return self._answering.predict_building_ms(size_bytes)

    def replies(self, call: Call) -> AsyncGenerator[Reply]:
        """Return the call's replies; iterating raises OverloadError when too many wait.

        Close the iterator (`contextlib.aclosing`) when the caller has gone: that stops the work.
        """
        cost_ms = self.predict_cpu_ms(call)
        if self.is_large(call):
            return self._large.replies(call, cost_ms=cost_ms)
        is_short = cost_ms <= self._limits.inline_cpu_ms_max
        if is_short and self.waiting <= self._limits.inline_waiting_max:
            return self._inline(call)
        return self._pool.replies(call, cost_ms=cost_ms)

    async def compute(self, work: Callable[[], T], *, cost_ms: float) -> T:
        """Return what the work returns, done here where it is short, else in the thread."""
        is_short = cost_ms <= self._limits.inline_cpu_ms_max
        if is_short and self.waiting <= self._limits.inline_waiting_max:
            if cost_ms > self._limits.turnless_cpu_ms_max:
                await self._turns.take()
            return work()
        return await self._pool.compute(work, cost_ms=cost_ms)

    def close(self) -> None:
        """Stop the threads and the worker process."""
        self._pool.close()
        self._large.close()
        self._worker.close()

    def _large_replies(self, call: Call, caller: Cancellable) -> Iterator[Reply]:
        """Yield the worker's replies. A change is unpacked here, in the lane's thread.

        A hundred thousand items take long: the event loop would answer nobody meanwhile.
        """
        with contextlib.closing(_generator(self._worker.replies(call, caller))) as replies:
            for reply in replies:
                is_packed = call.is_write and not reply.is_problem
                write = unpacked_write(reply.body) if is_packed else None
                yield reply if write is None else replace(reply, body=b"", write=write)

    async def _inline(self, call: Call) -> AsyncGenerator[Reply]:
        with contextlib.closing(_generator(self._answering.replies(call))) as replies:
            reply = None
            while reply is None or not reply.is_final:
                await self._turns.take()
                reply = next(each for each in replies if each.is_final or each.body)
                yield reply


def _generator(replies: Iterator[Reply]) -> Generator[Reply]:
    """Return a generator, whatever the iterator is: closing it closes a generator within."""
    yield from replies
