"""S3-FIFO: a small queue that most keys leave unread, a main queue, and ghosts.

Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain

from tierfold.memory.policies.bounded import Bounded
from tierfold.memory.policies.ghosts import Ghosts
from tierfold.memory.policies.policy import Key

SMALL_SHARE = 0.1
GHOST_SHARE = 0.9
HITS_TO_MAIN = 2
HITS_MAX = 3


class S3Fifo(Bounded):
    """Evicts quickly what is read once; what is read again in time goes to the main queue."""

    __slots__ = ("_ghosts", "_hits", "_main", "_main_bytes_max", "_small", "_small_bytes")

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._hits: dict[Key, int] = {}
        self._small: OrderedDict[Key, None] = OrderedDict()
        self._main: OrderedDict[Key, None] = OrderedDict()
        self._small_bytes = 0
        self._ghosts = Ghosts(0)
        self._limit(bytes_max)

    def adopt(self, key: Key, size_bytes: int) -> None:
        """Take over a key that another policy held: it has proved itself there."""
        self._count(key, size_bytes)
        self._queue(key, size_bytes, is_small=False)
        self._hits[key] = 0

    def in_order(self) -> Iterator[Key]:
        """Yield all keys: the small queue, then the main one."""
        return chain(self._small, self._main)

    def _limit(self, bytes_max: int) -> None:
        super()._limit(bytes_max)
        self._main_bytes_max = max(0, bytes_max - max(1, int(bytes_max * SMALL_SHARE)))
        self._ghosts.resize(int(bytes_max * GHOST_SHARE))

    def _touch(self, key: Key) -> None:
        hits = self._hits
        if hits[key] < HITS_MAX:
            hits[key] += 1

    def _enter(self, key: Key, size_bytes: int) -> None:
        is_known = self._ghosts.forget(key)
        while self._size_bytes + size_bytes > self._bytes_max:
            self._evict()
        self._residents[key] = size_bytes
        self._size_bytes += size_bytes
        self._hits[key] = 0
        if is_known:
            self._main[key] = None
        else:
            self._small[key] = None
            self._small_bytes += size_bytes

    def _queue(self, key: Key, size_bytes: int, *, is_small: bool) -> None:
        if is_small:
            self._small[key] = None
            self._small_bytes += size_bytes
        else:
            self._main[key] = None

    def _leave(self, key: Key) -> tuple[bool, int]:
        is_small = key in self._small
        if is_small:
            del self._small[key]
            self._small_bytes -= self._residents[key]
        else:
            del self._main[key]
        return is_small, self._hits.pop(key)

    def _return(self, key: Key, size_bytes: int, known: tuple[bool, int]) -> None:
        is_small, self._hits[key] = known
        self._queue(key, size_bytes, is_small=is_small)

    def _evict(self) -> None:
        small, hits, residents = self._small, self._hits, self._residents
        if self._size_bytes - self._small_bytes <= self._main_bytes_max:
            while small:
                key, _ = small.popitem(last=False)
                size = residents[key]
                self._small_bytes -= size
                if hits[key] < HITS_TO_MAIN:
                    del hits[key], residents[key]
                    self._size_bytes -= size
                    self.evicted.append((key, size))
                    self._ghosts.add(key, size)
                    return
                hits[key] = 0
                self._main[key] = None
        self._evict_main()

    def _evict_main(self) -> None:
        main, hits = self._main, self._hits
        while True:
            key = next(iter(main))
            if not hits[key]:
                break
            hits[key] -= 1
            main.move_to_end(key)
        del main[key], hits[key]
        self._let_go(key)
