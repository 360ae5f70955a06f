"""The clairvoyant bound: who knows the future evicts what is asked for again last.

Like every policy it takes in whatever is asked for. Where all objects have one size, none that
does so misses less; where sizes differ it stays the usual yardstick, but a policy that weighs size
against distance may fall below it.
"""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush

import numpy as np

from tierfold.sim.trace import Integers, Trace

NAME = "belady"
NEVER = np.iinfo(np.int64).max
_HEAP_ENTRIES_MIN = 4096  # below it the heap is not swept


def next_uses(trace: Trace) -> Integers:
    """Return for each access the place of its key's next one, or NEVER."""
    order = np.argsort(trace.key, kind="stable")
    follows = np.full(len(trace), NEVER, np.int64)
    is_same = trace.key[order[:-1]] == trace.key[order[1:]]
    follows[order[:-1][is_same]] = order[1:][is_same]
    return follows


class Belady:
    """A cache that is asked for exactly the accesses of its trace, in order.

    Sizes are those of the trace: one per key.
    """

    def __init__(self, trace: Trace, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.evicted: list[tuple[Hashable, int]] = []
        self._next = next_uses(trace).tolist()
        self._keys, self._sizes = trace.key.tolist(), trace.size.tolist()
        self._at = 0
        self._size_bytes = 0
        # A resident is known by the place of its next use; those that have none go first of all.
        self._is_awaited = bytearray(len(trace))
        self._awaited = 0
        self._farthest: list[int] = []  # places, negated; it also has some that are past
        self._done: list[int] = []

    def access(self, key: Hashable, size_bytes: int) -> bool:
        """Return whether the next access of the trace is a hit."""
        at = self._at
        self._at += 1
        is_hit = bool(self._is_awaited[at])
        if is_hit:
            self._awaited -= 1
        elif size_bytes > self.bytes_max:
            self.evicted.append((key, size_bytes))
            return False
        else:
            while self._size_bytes + size_bytes > self.bytes_max:
                self._evict()
            self._size_bytes += size_bytes
        self._keep(at, self._next[at])
        return is_hit

    def _keep(self, at: int, next_use: int) -> None:
        if next_use == NEVER:
            self._done.append(at)
            return
        self._is_awaited[next_use] = 1
        self._awaited += 1
        heappush(self._farthest, -next_use)
        if len(self._farthest) > 2 * self._awaited + _HEAP_ENTRIES_MIN:
            self._farthest = [place for place in self._farthest if -place > at]
            heapify(self._farthest)

    def _evict(self) -> None:
        if self._done:
            place = self._done.pop()
        else:
            place = -heappop(self._farthest)
            self._is_awaited[place] = 0
            self._awaited -= 1
        size = self._sizes[place]
        self._size_bytes -= size
        self.evicted.append((self._keys[place], size))
