"""LIRS: keys with a short distance between two uses stay; the others pass through a small queue.

Jiang and Zhang, "LIRS: an efficient low inter-reference recency set replacement policy to improve
buffer cache performance", SIGMETRICS 2002.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain

from tierfold.memory.policies.bounded import Bounded
from tierfold.memory.policies.ghosts import Ghosts
from tierfold.memory.policies.policy import Key

QUEUE_SHARE = 0.01
GHOST_SHARE = 2.0
_QUEUE_OBJECTS_MIN = 2  # of the largest seen; a queue of less lets everything go at once
_QUEUE_SHARE_MAX = 0.5  # one that would need more takes all: this is LRU then


class Lirs(Bounded):
    """A stack of the keys by recency, the hot ones marked in it; what is cold waits in a queue."""

    __slots__ = (
        "_ghosts",
        "_hot",
        "_hot_bytes",
        "_hot_bytes_max",
        "_queue",
        "_size_largest",
        "_stack",
    )

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._stack: OrderedDict[Key, None] = OrderedDict()  # hot, cold and ghost; its top is last
        self._hot: set[Key] = set()
        self._queue: OrderedDict[Key, None] = OrderedDict()
        self._hot_bytes = 0
        self._size_largest = 1
        self._ghosts = Ghosts(int(bytes_max * GHOST_SHARE))
        self._hot_bytes_max = 0
        self._divide()

    def in_order(self) -> Iterator[Key]:
        """Yield all keys: the queue, then the hot ones."""
        return chain(self._queue, (key for key in self._stack if key in self._hot))

    def _limit(self, bytes_max: int) -> None:
        super()._limit(bytes_max)
        for key in self._ghosts.resize(int(bytes_max * GHOST_SHARE)):
            del self._stack[key]
        self._divide()
        self._cool()

    def _divide(self) -> None:
        """Set what the hot keys may have; the rest is the queue's."""
        queue = max(self._bytes_max * QUEUE_SHARE, self._size_largest * _QUEUE_OBJECTS_MIN)
        is_too_small = queue > self._bytes_max * _QUEUE_SHARE_MAX
        self._hot_bytes_max = 0 if is_too_small else self._bytes_max - int(queue)

    def _touch(self, key: Key) -> None:
        stack = self._stack
        if key in self._hot:
            is_lowest = next(iter(stack)) == key
            stack.move_to_end(key)
            if is_lowest:
                self._prune()
        elif key in stack:
            del self._queue[key]
            stack.move_to_end(key)
            self._heat(key, self._residents[key])
        else:
            stack[key] = None
            self._queue.move_to_end(key)

    def _heat(self, key: Key, size_bytes: int) -> None:
        self._hot.add(key)
        self._hot_bytes += size_bytes
        self._cool()

    def _cool(self) -> None:
        """Send the hot keys that were used longest ago to the queue, until the others fit."""
        while self._hot_bytes > self._hot_bytes_max:
            self._cool_lowest()

    def _cool_lowest(self) -> None:
        self._prune()
        key, _ = self._stack.popitem(last=False)
        self._hot.remove(key)
        self._hot_bytes -= self._residents[key]
        self._queue[key] = None
        self._prune()

    def _prune(self) -> None:
        """Forget what lies below the lowest hot key: its distance is longer than any hot one's."""
        stack, hot = self._stack, self._hot
        while stack:
            key = next(iter(stack))
            if key in hot:
                return
            del stack[key]
            self._ghosts.forget(key)

    def _enter(self, key: Key, size_bytes: int) -> None:
        if size_bytes > self._size_largest:
            self._measure(size_bytes)
        is_ghost = self._ghosts.forget(key)
        while self._size_bytes + size_bytes > self._bytes_max:
            self._evict()
        self._residents[key] = size_bytes
        self._size_bytes += size_bytes
        self._stack[key] = None
        self._stack.move_to_end(key)
        if is_ghost or self._hot_bytes + size_bytes <= self._hot_bytes_max:
            self._heat(key, size_bytes)
        else:
            self._queue[key] = None

    def _measure(self, size_bytes: int) -> None:
        if size_bytes > self._size_largest:
            self._size_largest = size_bytes
            self._divide()
            self._cool()

    def _leave(self, key: Key) -> tuple[bool, bool]:
        is_hot, is_stacked = key in self._hot, key in self._stack
        if is_hot:
            self._hot.remove(key)
            self._hot_bytes -= self._residents[key]
        else:
            del self._queue[key]
        if is_stacked:
            del self._stack[key]
            self._prune()
        return is_hot, is_stacked

    def _return(self, key: Key, size_bytes: int, known: tuple[bool, bool]) -> None:
        self._measure(size_bytes)
        is_hot, is_stacked = known
        if is_stacked:
            self._stack[key] = None
        if is_hot:
            self._heat(key, size_bytes)
        else:
            self._queue[key] = None

    def _evict(self) -> None:
        if not self._queue:
            self._cool_lowest()
        key, _ = self._queue.popitem(last=False)
        size = self._let_go(key)
        if key in self._stack:
            for forgotten in self._ghosts.add(key, size):
                del self._stack[forgotten]
