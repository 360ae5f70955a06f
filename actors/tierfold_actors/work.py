"""Where a call runs: in the event loop, in a thread, or in the worker process.

Every wait is here, in the order of arrival, so that it is bounded and seen. The rules and their
measurements are in docs/adr/0003-where-work-runs.md.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from tierfold.config import Limits
from tierfold.engine.working import Build, Loaded
from tierfold_actors.answering import Answering, Call, Reply
from tierfold_actors.arrival import BodyLedger, BodyLedgers
from tierfold_actors.builds import BuildLane
from tierfold_actors.lane import Lane, generator_of
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
    pool_cpu_ms_max: float = 20.0  # what is longer about stored contexts has a lane of its own
    long_waiting_max: int = 32  # of some tenths of a second each
    builds_waiting_max: int = 8  # of up to ten seconds each, in a process of their own


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
        self._long = Lane(
            "long", lambda call, _: answering.replies(call), waiting_max=limits.long_waiting_max
        )
        self._large = Lane("large", self._large_replies, waiting_max=limits.large_waiting_max)
        self._builds = BuildLane(waiting_max=limits.builds_waiting_max)

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

    def characters_in_time(self, remaining_ms: float) -> int:
        """Return how much can be read and ranked in so many milliseconds."""
        return self._answering.characters_in_time(remaining_ms)

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
        is_long = call.read is not None and cost_ms > self._limits.pool_cpu_ms_max
        return (self._long if is_long else self._pool).replies(call, cost_ms=cost_ms)

    async def compute(self, work: Callable[[], T], *, cost_ms: float) -> T:
        """Return what the work returns, done here where it is short, else in the thread."""
        is_short = cost_ms <= self._limits.inline_cpu_ms_max
        if is_short and self.waiting <= self._limits.inline_waiting_max:
            if cost_ms > self._limits.turnless_cpu_ms_max:
                await self._turns.take()
            return work()
        return await self._pool.compute(work, cost_ms=cost_ms)

    async def make_ready(self, work: Callable[[], T], *, cost_ms: float) -> T:
        """Return what the work on a stored context returns; what is long has a lane of its own."""
        if cost_ms > self._limits.pool_cpu_ms_max:
            return await self._long.compute(work, cost_ms=cost_ms)
        return await self.compute(work, cost_ms=cost_ms)

    async def build(self, job: Build, *, cost_ms: float) -> Loaded:
        """Return a working set: a long build is done in a process of its own.

        Raises OverloadError when too many wait, and what building raises.
        """
        if cost_ms <= self._limits.pool_cpu_ms_max:
            return await self.compute(job.here, cost_ms=cost_ms)
        return await self._builds.build(job, cost_ms=cost_ms)

    def close(self) -> None:
        """Stop the threads and the processes."""
        self._pool.close()
        self._long.close()
        self._builds.close()
        self._large.close()
        self._worker.close()

    def _large_replies(self, call: Call, caller: Cancellable) -> Iterator[Reply]:
        """Yield the worker's replies. A change is unpacked here, in the lane's thread.

        A hundred thousand items take long: the event loop would answer nobody meanwhile.
        """
        with contextlib.closing(generator_of(self._worker.replies(call, caller))) as replies:
            for reply in replies:
                is_packed = call.is_write and not reply.is_problem
                write = unpacked_write(reply.body) if is_packed else None
                yield reply if write is None else replace(reply, body=b"", write=write)

    async def _inline(self, call: Call) -> AsyncGenerator[Reply]:
        with contextlib.closing(generator_of(self._answering.replies(call))) as replies:
            reply = None
            while reply is None or not reply.is_final:
                await self._turns.take()
                reply = next(each for each in replies if each.is_final or each.body)
                yield reply
