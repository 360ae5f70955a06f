"""The cache itself while experts change: one decides, the last one's keys come over in steps."""

from collections.abc import Callable, Iterator

from tierfold.memory.policies import Bounded, Key

KEYS_PER_ACCESS = 16  # that come over: the last expert is empty long before the next one is chosen


class Live:
    """One expert, and for a while the one before it; a change flushes nothing and stops nothing."""

    def __init__(self, name: str, expert: Bounded) -> None:
        self.name = name
        self.expert = expert
        self.asked = name  # who was asked last: at fault if an error comes out of here
        self._last: tuple[str, Bounded] | None = None  # holds keys that have not come over yet

    @property
    def can_change(self) -> bool:
        """Whether another expert may come now: all keys are with the present one."""
        return self._last is None

    @property
    def evicted(self) -> list[tuple[Key, int]]:
        """Keys and bytes that either has let go: one list."""
        return self.expert.evicted

    @evicted.setter
    def evicted(self, evicted: list[tuple[Key, int]]) -> None:
        for _, each in self._both():
            each.evicted = evicted

    @property
    def size_bytes(self) -> int:
        """What both hold."""
        return sum(each.size_bytes for _, each in self._both())

    def change(self, name: str, expert: Bounded) -> None:
        """Let another expert, with nothing in it yet, decide from now on."""
        expert.evicted = self.evicted
        self._last = (self.name, self.expert)
        self.asked = name
        self.name, self.expert = name, expert

    def access(self, key: Key, size_bytes: int) -> bool:
        """Note an access and return whether either held the key; the present one does then."""
        if self._last is not None:
            self._bring(key, size_bytes)
        self.asked = self.name
        return self.expert.access(key, size_bytes)

    def quickest_access(self) -> Callable[[Key, int], bool]:
        """Return what to call for an access, until the next change of experts."""
        return self.access if self._last is not None else self.expert.access

    def remove(self, key: Key) -> int:
        """Take a key out, whoever holds it; returns its bytes, or 0."""
        size = 0
        for name, each in self._both():
            self.asked = name
            size += each.remove(key)
        return size

    def resize(self, bytes_max: int) -> None:
        """Change the limit; what has not come over yet goes first."""
        self._shrink(bytes_max)
        self.asked = self.name
        self.expert.resize(bytes_max)

    def in_order(self) -> list[Key]:
        """Return all keys, about in the order in which they would go."""
        keys: list[Key] = []
        for name, each in self._both():
            self.asked = name
            keys += each.in_order()
        return keys

    def recover(self, name: str, expert: Bounded, without: Key | None = None) -> None:
        """Give all keys to another expert that is sound; whatever failed is let go of.

        What cannot be held any more stands in `evicted`: nothing is lost.
        """
        residents = {key: size for _, each in self._both() for key, size in each.residents.items()}
        residents.pop(without, None)
        expert.evicted = self.evicted
        self._last = None
        self.name, self.expert = name, expert
        for key, size in residents.items():
            expert.access(key, size)

    def __contains__(self, key: object) -> bool:
        return any(key in each.residents for _, each in self._both())

    def __len__(self) -> int:
        return sum(len(each.residents) for _, each in self._both())

    def _both(self) -> Iterator[tuple[str, Bounded]]:
        if self._last is not None:
            yield self._last
        yield self.name, self.expert

    def _bring(self, key: Key, size_bytes: int) -> None:
        """Bring over the key that is asked for, and the next ones; leave room for this one."""
        self._take(key)
        size, bytes_max = max(1, size_bytes), self.expert.bytes_max
        if size <= bytes_max:
            self._shrink(bytes_max - size + self.expert.residents.get(key, 0))
        for _ in range(KEYS_PER_ACCESS):
            self._take_next()

    def _take(self, key: Key) -> None:
        if self._last is not None:
            self.asked, last = self._last
            size = last.remove(key)
            if size:
                self.asked = self.name
                self.expert.adopt(key, size)

    def _take_next(self) -> None:
        """Bring over the key that the last expert would let go of first; if it has none, part."""
        if self._last is None:
            return
        self.asked, last = self._last
        if not len(last):
            self._last = None
            return
        evicted, last.evicted = last.evicted, []
        try:
            last.evict()
        finally:
            moved, last.evicted = last.evicted, evicted
        self._adopt(moved)

    def _adopt(self, moved: list[tuple[Key, int]]) -> None:
        """Give keys to the present expert; those that it fails to take are evicted, not lost."""
        self.asked = self.name
        try:
            for key, size in moved:
                self.expert.adopt(key, size)
        except Exception:
            self.evicted += [each for each in moved if each[0] not in self.expert.residents]
            raise

    def _shrink(self, bytes_max: int) -> None:
        """Let go of what has not come over until all is within a limit, or no more is left."""
        if self._last is not None:
            self.asked, last = self._last
            while len(last) and self.size_bytes > bytes_max:
                last.evict()
