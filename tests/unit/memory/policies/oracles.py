"""Slow references, written from the papers with lists and linear searches."""

from collections.abc import Callable, Iterable
from typing import Protocol

Access = tuple[int, int]  # key, bytes
History = list[tuple[bool, list[int]]]  # of each access: a hit, and the keys evicted by it


class Oracle(Protocol):
    def access(self, key: int, size: int) -> tuple[bool, list[int]]: ...


def history(oracle: Oracle, accesses: Iterable[Access]) -> History:
    return [oracle.access(key, size) for key, size in accesses]


class Victims:
    """Any policy that is: on a miss, let the first in an order go until the new one fits."""

    def __init__(self, limit: int, worth: Callable[["Entry"], tuple[float, ...]]) -> None:
        self.limit = limit
        self.worth = worth
        self.entries: list[Entry] = []
        self.time = 0

    def access(self, key: int, size: int) -> tuple[bool, list[int]]:
        self.time += 1
        for entry in self.entries:
            if entry.key == key:
                entry.times.append(self.time)
                return True, []
        if size > self.limit:
            return False, [key]
        gone = []
        while sum(each.size for each in self.entries) + size > self.limit:
            victim = min(self.entries, key=self.worth)
            self.entries.remove(victim)
            gone.append(victim.key)
        self.entries.append(Entry(key, size, self.time))
        return False, gone


class Entry:
    def __init__(self, key: int, size: int, time: int) -> None:
        self.key, self.size, self.times = key, size, [time]


def lru(limit: int) -> Oracle:
    return Victims(limit, lambda entry: (entry.times[-1],))


def lfu(limit: int) -> Oracle:
    return Victims(limit, lambda entry: (len(entry.times), entry.times[-1]))


class S3Fifo:
    """Two lists and a list of ghosts; the head of each is its first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.small: list[list[int]] = []  # key, size, hits
        self.main: list[list[int]] = []
        self.ghosts: list[tuple[int, int]] = []

    def access(self, key: int, size: int) -> tuple[bool, list[int]]:
        for entry in self.small + self.main:
            if entry[0] == key:
                entry[2] = min(3, entry[2] + 1)
                return True, []
        if size > self.limit:
            return False, [key]
        is_ghost = any(ghost == key for ghost, _ in self.ghosts)
        self.ghosts = [each for each in self.ghosts if each[0] != key]
        gone: list[int] = []
        while total(self.small) + total(self.main) + size > self.limit:
            gone += self.evict()
        (self.main if is_ghost else self.small).append([key, size, 0])
        return False, gone

    def evict(self) -> list[int]:
        small_limit = max(1, self.limit // 10)
        if not self.small or total(self.main) > self.limit - small_limit:
            return self.evict_main()
        key, size, hits = self.small.pop(0)
        if hits >= 2:
            self.main.append([key, size, 0])
            return self.evict_main() if not self.small else self.evict_small()
        return self.leave(key, size)

    def evict_small(self) -> list[int]:
        while self.small:
            key, size, hits = self.small.pop(0)
            if hits < 2:
                return self.leave(key, size)
            self.main.append([key, size, 0])
        return self.evict_main()

    def leave(self, key: int, size: int) -> list[int]:
        self.ghosts.append((key, size))
        while sum(bytes_ for _, bytes_ in self.ghosts) > int(self.limit * 0.9):
            self.ghosts.pop(0)
        return [key]

    def evict_main(self) -> list[int]:
        while True:
            key, size, hits = self.main.pop(0)
            if hits == 0:
                return [key]
            self.main.append([key, size, hits - 1])


def total(entries: list[list[int]]) -> int:
    return sum(entry[1] for entry in entries)


class Arc:
    """The paper's figure 4, for objects of one size; the first of a list is its oldest."""

    def __init__(self, limit: int) -> None:
        self.c, self.p = limit, 0.0
        self.t1: list[int] = []
        self.t2: list[int] = []
        self.b1: list[int] = []
        self.b2: list[int] = []
        self.gone: list[int] = []

    def access(self, key: int, _size: int) -> tuple[bool, list[int]]:
        self.gone = []
        if key in self.t1 + self.t2:
            (self.t1 if key in self.t1 else self.t2).remove(key)
            self.t2.append(key)
            return True, []
        if key in self.b1:
            self.p = min(self.c, self.p + max(1.0, len(self.b2) / len(self.b1)))
            self.replace(key)
            self.b1.remove(key)
            self.t2.append(key)
        elif key in self.b2:
            self.p = max(0.0, self.p - max(1.0, len(self.b1) / len(self.b2)))
            self.replace(key)
            self.b2.remove(key)
            self.t2.append(key)
        else:
            self.miss(key)
        return False, self.gone

    def miss(self, key: int) -> None:
        recent, frequent = self.t1 + self.b1, self.t2 + self.b2
        if len(recent) == self.c:
            if len(self.t1) < self.c:
                self.b1.pop(0)
                self.replace(key)
            else:
                self.gone.append(self.t1.pop(0))
        elif len(recent) + len(frequent) >= self.c:
            if len(recent) + len(frequent) == 2 * self.c:
                self.b2.pop(0)
            self.replace(key)
        self.t1.append(key)

    def replace(self, key: int) -> None:
        if len(self.t1) + len(self.t2) < self.c:
            return
        is_over = len(self.t1) > self.p or (key in self.b2 and len(self.t1) == self.p)
        source, ghosts = (self.t1, self.b1) if self.t1 and is_over else (self.t2, self.b2)
        if not source:
            source, ghosts = self.t1, self.b1
        victim = source.pop(0)
        ghosts.append(victim)
        self.gone.append(victim)


class Lirs:
    """One list for the stack, one for the queue, one for the ghosts' age; objects of one size."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        queue = max(limit / 100, 2)
        self.hot_limit = 0 if queue > limit / 2 else limit - int(queue)
        self.stack: list[int] = []
        self.hot: list[int] = []
        self.queue: list[int] = []
        self.ghosts: list[int] = []

    def access(self, key: int, _size: int) -> tuple[bool, list[int]]:
        is_hit = key in self.hot or key in self.queue
        gone = [] if is_hit else self.evict(key)
        was_stacked = key in self.stack
        if was_stacked:
            self.stack.remove(key)
        self.stack.append(key)
        if key not in self.hot:
            if key in self.queue:
                self.queue.remove(key)
            if was_stacked or (not is_hit and len(self.hot) < self.hot_limit):
                self.hot.append(key)
            else:
                self.queue.append(key)
        self.settle()
        return is_hit, gone

    def evict(self, key: int) -> list[int]:
        if key in self.ghosts:
            self.ghosts.remove(key)
        if len(self.hot) + len(self.queue) < self.limit:
            return []
        victim = self.queue.pop(0)
        if victim in self.stack:
            self.ghosts.append(victim)
        if len(self.ghosts) > 2 * self.limit:
            self.stack.remove(self.ghosts.pop(0))
        return [victim]

    def settle(self) -> None:
        while len(self.hot) > self.hot_limit:
            self.prune()
            self.hot.remove(self.stack[0])
            self.queue.append(self.stack.pop(0))
        if self.hot:
            self.prune()

    def prune(self) -> None:
        while self.stack[0] not in self.hot:
            lowest = self.stack.pop(0)
            if lowest in self.ghosts:
                self.ghosts.remove(lowest)
