"""One trace through one cache: what it missed, what it let go, how fast it decided."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from tierfold.memory.policies import Key
from tierfold.ports import Clock
from tierfold.sim.trace import Trace

ACCESSES_PER_STEP = 65_536  # between two reports, and the most that waits in `evicted`


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one policy made of one trace in a cache of one size."""

    trace: str
    policy: str
    bytes_max: int
    accesses: int
    misses: int
    bytes_asked: int
    bytes_missed: int
    evicted_bytes: int  # what it let go, and what was too large for it
    cpu_s: float  # of its decisions alone
    problem: str = ""  # what failed in a policy that goes on without it
    metadata_bytes: float | None = None  # it keeps per object beside key and content; if measured

    @property
    def object_miss_ratio(self) -> float:
        """The share of accesses that it missed."""
        return self.misses / self.accesses

    @property
    def byte_miss_ratio(self) -> float:
        """The share of bytes asked for that it missed."""
        return self.bytes_missed / self.bytes_asked

    @property
    def accesses_per_s(self) -> float:
        """How many accesses it decides in a second of CPU."""
        return self.accesses / self.cpu_s if self.cpu_s > 0 else float("inf")


class Cache(Protocol):
    """What is replayed: the part of a `Policy` that needs no owner."""

    evicted: list[tuple[Key, int]]

    @property
    def bytes_max(self) -> int:
        """The most that it holds."""
        ...

    def access(self, key: Key, size_bytes: int) -> bool:
        """Note an access and return whether the key was here."""
        ...


class StandingClock:
    """The clock of a replay that is not timed: it stands still."""

    def now_ms(self) -> float:
        """Return zero."""
        return 0.0

    def cpu_ms(self) -> float:
        """Return zero."""
        return 0.0


Progress = Callable[[int], None]  # is told how many accesses were replayed since the last time


def replay(
    trace: Trace,
    cache: Cache,
    *,
    name: str,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Return what the cache makes of the whole trace; without a clock, in no time."""
    sizes = iter(trace.size.tolist())
    keys = iter(trace.key.tolist())
    watch = clock or StandingClock()
    missed = np.zeros(len(trace), np.bool_)
    evicted_bytes, cpu_ms = 0, 0.0
    for start in range(0, len(trace), ACCESSES_PER_STEP):
        began = watch.cpu_ms()
        hits = list(map(cache.access, islice(keys, ACCESSES_PER_STEP), sizes))
        cpu_ms += watch.cpu_ms() - began
        missed[start : start + len(hits)] = np.logical_not(hits)
        evicted_bytes += sum(size for _, size in cache.evicted)
        cache.evicted.clear()
        if progress is not None:
            progress(len(hits))
    return Replay(
        trace=trace.name,
        policy=name,
        bytes_max=cache.bytes_max,
        accesses=len(trace),
        misses=int(missed.sum()),
        bytes_asked=int(trace.size.sum()),
        bytes_missed=int(trace.size[missed].sum()),
        evicted_bytes=evicted_bytes,
        cpu_s=cpu_ms / 1000,
        problem=getattr(cache, "problem", ""),
    )
