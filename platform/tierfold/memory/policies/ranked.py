"""What policies share that give each key a rank: the lowest goes first."""

from abc import abstractmethod
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

from tierfold.memory.policies.bounded import Bounded
from tierfold.memory.policies.policy import Key

_STALE_MIN = 64  # entries of the heap that may be out of date, whatever the cache holds


class Ranked(Bounded):
    """A cache with a heap of ranks; a hit changes a rank alone, the heap learns of it late.

    That is right as long as accesses only raise ranks: an entry that is out of date is then too
    low, comes up too early, and is put back with the rank of today.
    """

    __slots__ = ("_entries", "_heap", "_ranks")

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._ranks: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._entries = 0  # ever made: of equal ranks the older goes first, keys are not compared

    def in_order(self) -> Iterator[Key]:
        """Yield all keys, the lowest rank first."""
        return iter(sorted(self._ranks, key=self._ranks.__getitem__))

    @abstractmethod
    def _rank(self, key: Key, size_bytes: int, before: float | None) -> float:
        """Return a key's rank after an access; `before` is None if it is new."""

    def _touch(self, key: Key) -> None:
        ranks = self._ranks
        ranks[key] = self._rank(key, self._residents[key], ranks[key])

    def _enter(self, key: Key, size_bytes: int) -> None:
        while self._size_bytes + size_bytes > self._bytes_max:
            self._evict()
        self._residents[key] = size_bytes
        self._size_bytes += size_bytes
        self._ranks[key] = rank = self._rank(key, size_bytes, None)
        self._entries += 1
        heappush(self._heap, (rank, self._entries, key))

    def _leave(self, key: Key) -> Any:
        rank = self._ranks.pop(key)
        self._compact()
        return rank

    def _return(self, key: Key, _size_bytes: int, known: Any) -> None:
        self._ranks[key] = known
        self._push(key, known)

    def _evict(self) -> None:
        heap, ranks = self._heap, self._ranks
        while True:
            noted, _, key = heap[0]
            rank = ranks.get(key)
            if rank is None:
                heappop(heap)
            elif rank == noted:
                heappop(heap)
                self._forget(key, rank)
                self._let_go(key)
                return
            else:
                self._entries += 1
                heapreplace(heap, (rank, self._entries, key))

    def _forget(self, key: Key, _rank: float) -> None:
        """Drop what is known of a key that is evicted now, with this rank."""
        del self._ranks[key]

    def _push(self, key: Key, rank: float) -> None:
        self._entries += 1
        heappush(self._heap, (rank, self._entries, key))
        self._compact()

    def _compact(self) -> None:
        """Make the heap anew when more than half of it is out of date."""
        if len(self._heap) > 2 * len(self._residents) + _STALE_MIN:
            self._heap = [(rank, at, key) for at, (key, rank) in enumerate(self._ranks.items())]
            heapify(self._heap)
