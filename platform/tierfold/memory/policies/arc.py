"""ARC: recency and frequency share the cache as their ghosts ask for it.

Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain

from tierfold.memory.policies.bounded import Bounded
from tierfold.memory.policies.ghosts import Ghosts
from tierfold.memory.policies.policy import Key


class Arc(Bounded):
    """Two LRU lists, of keys used once and of keys used again, each with ghosts of its own."""

    __slots__ = ("_again", "_again_ghosts", "_once", "_once_bytes", "_once_ghosts", "_once_target")

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._once: OrderedDict[Key, None] = OrderedDict()
        self._again: OrderedDict[Key, None] = OrderedDict()
        self._once_bytes = 0
        self._once_target = 0.0  # the bytes that keys used once should have
        self._once_ghosts = Ghosts(bytes_max)
        self._again_ghosts = Ghosts(2 * bytes_max)

    def in_order(self) -> Iterator[Key]:
        """Yield all keys: those used once, then the others."""
        return chain(self._once, self._again)

    def _limit(self, bytes_max: int) -> None:
        super()._limit(bytes_max)
        self._once_target = min(self._once_target, float(bytes_max))
        self._once_ghosts.resize(bytes_max)
        self._again_ghosts.resize(2 * bytes_max)

    def _touch(self, key: Key) -> None:
        again = self._again
        if key in again:
            again.move_to_end(key)
        else:
            del self._once[key]
            self._once_bytes -= self._residents[key]
            again[key] = None

    def _enter(self, key: Key, size_bytes: int) -> None:
        once, again = self._once_ghosts, self._again_ghosts
        is_from_once, is_from_again = key in once, key in again
        if is_from_once:
            self._adapt(size_bytes, again, once)
            once.forget(key)
        elif is_from_again:
            self._adapt(-size_bytes, once, again)
            again.forget(key)
        while self._size_bytes + size_bytes > self._bytes_max:
            self._replace(is_from_again=is_from_again)
        self._count(key, size_bytes)
        self._list(key, size_bytes, is_once=not (is_from_once or is_from_again))
        self._forget_ghosts()

    def _adapt(self, size_bytes: int, others: Ghosts, own: Ghosts) -> None:
        """Move the target by a ghost's size, faster if it comes from the shorter list."""
        pace = max(1.0, others.size_bytes / own.size_bytes)
        target = self._once_target + size_bytes * pace
        self._once_target = min(max(0.0, target), float(self._bytes_max))

    def _forget_ghosts(self) -> None:
        """Keep the ghosts of one list within the cache's size, and all within twice that."""
        once, again = self._once_ghosts, self._again_ghosts
        while once.size_bytes and self._once_bytes + once.size_bytes > self._bytes_max:
            once.forget_oldest()
        both = self._size_bytes + once.size_bytes
        while again.size_bytes and both + again.size_bytes > 2 * self._bytes_max:
            again.forget_oldest()

    def _list(self, key: Key, size_bytes: int, *, is_once: bool) -> None:
        if is_once:
            self._once[key] = None
            self._once_bytes += size_bytes
        else:
            self._again[key] = None

    def _leave(self, key: Key) -> bool:
        is_once = key in self._once
        if is_once:
            del self._once[key]
            self._once_bytes -= self._residents[key]
        else:
            del self._again[key]
        return is_once

    def _return(self, key: Key, size_bytes: int, known: bool) -> None:  # noqa: FBT001 - what `_leave` returned
        self._list(key, size_bytes, is_once=known)

    def _evict(self) -> None:
        self._replace(is_from_again=False)

    def _replace(self, *, is_from_again: bool) -> None:
        once = self._once_bytes
        excess = once - self._once_target
        if once and (excess > 0 or (is_from_again and excess == 0) or not self._again):
            key, _ = self._once.popitem(last=False)
            size = self._let_go(key)
            self._once_bytes -= size
            self._once_ghosts.add(key, size)
        else:
            key, _ = self._again.popitem(last=False)
            self._again_ghosts.add(key, self._let_go(key))
