"""Least recently used first: what everything else is measured against."""

from collections import OrderedDict
from collections.abc import Iterator

from tierfold.memory.policies.bounded import Bounded
from tierfold.memory.policies.policy import Key


class Lru(Bounded):
    """Keeps what was used last."""

    __slots__ = ("_recency",)

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._recency: OrderedDict[Key, int] = OrderedDict()
        self._residents = self._recency

    def access(self, key: Key, size_bytes: int) -> bool:
        """Note an access and return whether the key was here; in one step, for L0 stands on it."""
        recency = self._recency
        if recency.get(key) == size_bytes:
            recency.move_to_end(key)
            return True
        return super().access(key, size_bytes)

    def in_order(self) -> Iterator[Key]:
        """Yield all keys, the least recently used first."""
        return iter(self._recency)

    def _touch(self, key: Key) -> None:
        self._recency.move_to_end(key)

    def _enter(self, key: Key, size_bytes: int) -> None:
        self._make_room(size_bytes)
        self._count(key, size_bytes)

    def _leave(self, key: Key) -> None:
        """Nothing: the residents are the order."""

    def _return(self, key: Key, size_bytes: int, known: None) -> None:
        """Nothing: what is counted last is the last used."""

    def _evict(self) -> None:
        key, size = self._recency.popitem(last=False)
        self._size_bytes -= size
        self.evicted.append((key, size))
