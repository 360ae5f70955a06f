"""What a policy keeps for itself, weighed on a part of a trace."""

import gc
import tracemalloc
from collections.abc import Callable

from tierfold.memory.policies import Policy
from tierfold.sim.trace import Trace

ACCESSES_WEIGHED = 50_000
_ACCESSES_PER_STEP = 4096


def metadata_bytes(build: Callable[[], Policy], trace: Trace) -> float:
    """Return the bytes per object it holds at the end: order, counters and ghosts, no keys.

    Not a number when it holds nothing then.
    """
    part = trace.head(ACCESSES_WEIGHED)
    keys, sizes = part.key.tolist(), part.size.tolist()
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        policy = build()
        for start in range(0, len(keys), _ACCESSES_PER_STEP):
            step = slice(start, start + _ACCESSES_PER_STEP)
            for key, size in zip(keys[step], sizes[step], strict=True):
                policy.access(key, size)
            policy.evicted.clear()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        if not was_tracing:
            tracemalloc.stop()
    return (after - before) / len(policy) if len(policy) else float("nan")
