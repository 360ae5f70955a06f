"""Backups under way in a gateway: in threads of their own, one of each tenant's at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from tierfold.engine.backup.bodies import Report
from tierfold.engine.backup.reports import BackupProgress
from tierfold.engine.verbs import Step
from tierfold.errors import BackupBusyError, OverloadError, ShardUnavailableError, TierfoldError
from tierfold_actors.desk import StoreDesk

T = TypeVar("T")

JOBS_MAX = 2  # each holds up to 100 MB

_AT_ONCE = 64  # verbs that are on their way to the shards together: other callers want to pass
_LOOKED_S = 0.5  # whether the loop still runs
_TOLD_S = 5.0  # whoever waits hears something that often
_REST_S_MAX = 0.05  # after a step, so long as the step took: questions come first
_RETRY_AFTER_S = 30

BackupSteps = Generator[BackupProgress, None, Report]


class LoopDriver:
    """Has verbs done in an event loop, for a thread beside it."""

    def __init__(
        self,
        store: StoreDesk,
        loop: asyncio.AbstractEventLoop,
        *,
        is_over: Callable[[], bool],
    ) -> None:
        """Take the loop, and what says that it is about to end: then nobody answers any more."""
        self._store = store
        self._loop = loop
        self._is_over = is_over

    def run(self, steps: Generator[Step, Any, T]) -> T:
        """Return what a verb returns; raises what it raises."""
        return self._waited(self._store.run(steps))

    def run_all(self, verbs: Sequence[Generator[Step, Any, T]]) -> list[T | TierfoldError]:
        """Return what verbs that are done side by side return, or the TierfoldError they raise."""
        outcomes: list[T | TierfoldError] = []
        for at in range(0, len(verbs), _AT_ONCE):
            outcomes += self._waited(self._together(verbs[at : at + _AT_ONCE]))
        return outcomes

    async def _together(self, verbs: Sequence[Generator[Step, Any, T]]) -> list[T | TierfoldError]:
        return list(await asyncio.gather(*map(self._outcome, verbs)))

    async def _outcome(self, steps: Generator[Step, Any, T]) -> T | TierfoldError:
        try:
            return await self._store.run(steps)
        except TierfoldError as error:
            return error

    def _waited(self, doing: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(doing, self._loop)
        while not wait((future,), timeout=_LOOKED_S).done:
            if self._is_over():
                future.cancel()
                raise ShardUnavailableError
        return future.result()


class BackupJobs:
    """Runs steps in threads; lives in one event loop."""

    def __init__(self) -> None:
        self.is_closed = False
        self._threads = ThreadPoolExecutor(JOBS_MAX, thread_name_prefix="backup")
        self._busy: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()

    async def run(
        self, tenant: str, begin: Callable[[], BackupSteps]
    ) -> AsyncGenerator[BackupProgress | Report]:
        """Yield how far it is, and in the end what it came to.

        Raises BackupBusyError while the tenant has another one under way. Close the generator when
        the caller has gone: that stops it behind the step it is at.
        """
        if tenant in self._busy:
            problem = "a backup or a restore of this tenant is under way: wait for its end"
            raise BackupBusyError(problem)
        if len(self._busy) >= JOBS_MAX:
            raise OverloadError(retry_after_s=_RETRY_AFTER_S)
        self._busy.add(tenant)
        job = _Job(self._threads, begin)
        try:
            async for told in job.outcomes():
                yield told
        finally:
            ending = asyncio.ensure_future(self._end(tenant, job))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)

    def close(self) -> None:
        """Begin nothing more, and let nobody wait for what will not come."""
        self.is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _end(self, tenant: str, job: "_Job") -> None:
        try:
            await job.end()
        finally:
            self._busy.discard(tenant)


class _Job:
    """Steps that one thread after the other makes."""

    def __init__(self, threads: ThreadPoolExecutor, begin: Callable[[], BackupSteps]) -> None:
        self._threads = threads
        self._begin = begin
        self._steps: BackupSteps | None = None
        self._pending: asyncio.Future[BackupProgress | Report] | None = None

    async def outcomes(self) -> AsyncGenerator[BackupProgress | Report]:
        """Yield what each step says; the last is the report."""
        loop = asyncio.get_running_loop()
        last = BackupProgress(contexts=0, contexts_total=None, size_bytes=0)
        while True:
            began_s = loop.time()
            self._pending = loop.run_in_executor(self._threads, self._advance)
            while not (await asyncio.wait({self._pending}, timeout=_TOLD_S))[0]:
                yield last
            outcome = self._pending.result()
            yield outcome
            if not isinstance(outcome, BackupProgress):
                return
            last = outcome
            await asyncio.sleep(min(loop.time() - began_s, _REST_S_MAX))

    async def end(self) -> None:
        """Wait for the step under way, and let the steps clean up."""
        if self._pending is not None:
            await asyncio.wait({self._pending})
            if not self._pending.cancelled():
                self._pending.exception()  # it has been raised, or nobody is left to hear of it
        if self._steps is not None:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._steps.close)

    def _advance(self) -> BackupProgress | Report:
        if self._steps is None:
            self._steps = self._begin()
        try:
            return next(self._steps)
        except StopIteration as end:
            report: Report = end.value
            return report
