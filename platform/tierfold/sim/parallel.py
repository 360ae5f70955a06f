"""Many replays over the cores of the machine; the results are the same as one after another."""

import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tierfold.engine.clock import MonotonicClock
from tierfold.errors import TierfoldError
from tierfold.sim.contestants import BUILDERS, contestant
from tierfold.sim.metadata import metadata_bytes
from tierfold.sim.replay import Progress, Replay, replay
from tierfold.sim.sources import Source

TASK_S_MAX = 900.0  # of one replay: a process that was killed never answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One replay to be made."""

    source: Source
    policy: str
    bytes_max: int
    is_weighed: bool = False  # its metadata too

    def run(self, progress: Progress | None = None) -> Replay:
        """Make it."""
        trace = self.source.read()
        cache = contestant(self.policy, trace, self.bytes_max)
        clock = MonotonicClock()
        done = replay(trace, cache, name=self.policy, clock=clock, progress=progress)
        build = BUILDERS.get(self.policy)
        if not self.is_weighed or build is None:
            return done
        return replace(done, metadata_bytes=metadata_bytes(partial(build, self.bytes_max), trace))


def replays(
    tasks: Sequence[Task], *, workers: int | None = None, progress: Progress | None = None
) -> Iterator[Replay]:
    """Yield the result of each task in their order; several processes make them, one per core.

    Tasks of one trace that follow one another read it once. Leaving early ends the processes.
    """
    processes = min(workers or os.cpu_count() or 1, len(tasks))
    if processes <= 1:
        yield from (task.run(progress) for task in tasks)
        return
    with mp.get_context("spawn").Pool(processes, _begin_worker) as pool:
        found = pool.imap(Task.run, tasks)
        for task in tasks:
            try:
                done = found.next(timeout=TASK_S_MAX)
            except mp.TimeoutError as error:
                problem = f"{task.policy} did not answer for {TASK_S_MAX:.0f} s"
                raise TierfoldError(problem) from error
            if progress is not None:
                progress(done.accesses)
            yield done


def _begin_worker() -> None:
    """Leave Ctrl-C to the process that waits, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
