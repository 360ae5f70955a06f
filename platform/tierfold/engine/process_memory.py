"""The memory pools of this process: one for all that works with the same limit."""

from functools import cache
from threading import Lock

from tierfold.config import MemorySettings
from tierfold.engine.allocator import Trimmer
from tierfold.engine.cgroup import pool_bound
from tierfold.engine.clock import MonotonicClock
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.memory.pools import Pools

_lock = Lock()
_UNLIMITED_BYTES = 1 << 62


def process_keeper(settings: MemorySettings) -> PoolKeeper:
    """Return the pools of these settings; whoever asks again in this process gets the same.

    Raises SetupError where the machine allows too little.
    """
    with _lock:
        return _keeper(settings)


def unlimited_keeper() -> PoolKeeper:
    """Return pools that only count: for one who works alone and ends soon."""
    return PoolKeeper(Pools(_UNLIMITED_BYTES, MemorySettings()), clock=MonotonicClock())


@cache
def _keeper(settings: MemorySettings) -> PoolKeeper:
    clock = MonotonicClock()
    pools = Pools(pool_bound(settings).size_bytes, settings)
    trimmer = Trimmer(lambda: pools.limit_bytes, clock=clock)
    return PoolKeeper(pools, clock=clock, returned=trimmer.returned, idle_bytes=trimmer.idle_bytes)
