"""A level's policy under the order that all levels share."""

from heapq import heappop, heapreplace

from tierfold.memory.hierarchy.ranking import Ranking
from tierfold.memory.policies import Key, Ranked


class SharedOrder(Ranked):
    """Keeps what the shared ranking puts highest; can say whom it would take in.

    A key that ranks below all that are here, where there is no room, goes at once.
    """

    __slots__ = ("_ranking",)

    def __init__(self, bytes_max: int, ranking: Ranking) -> None:
        super().__init__(bytes_max)
        self._ranking = ranking

    def admits(self, key: Key, size_bytes: int) -> bool:
        """Return whether a key has room here, or stands above the one that would go for it."""
        if self._size_bytes + size_bytes <= self._bytes_max:
            return True
        return size_bytes <= self._bytes_max and self._lowest() < self._ranking.rank(key)

    def _enter(self, key: Key, size_bytes: int) -> None:
        """Take a key in, then let the lowest go; that may be the one that came."""
        rank = self._ranking.rank(key)
        self._count(key, size_bytes)
        self._ranks[key] = rank
        self._push(key, rank)
        self._make_room(0)

    def _lowest(self) -> float:
        """Return the lowest rank here; there is a key."""
        heap, ranks = self._heap, self._ranks
        while True:
            noted, _, key = heap[0]
            rank = ranks.get(key)
            if rank == noted:
                return noted
            if rank is None:
                heappop(heap)
            else:
                self._entries += 1
                heapreplace(heap, (rank, self._entries, key))

    def _rank(self, key: Key, _size_bytes: int, _before: float | None) -> float:
        return self._ranking.rank(key)
