"""What all policies share: a limit, the bytes held, and how a key comes, changes and goes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from tierfold.memory.policies.policy import Key


class Bounded(ABC):
    """One cache; a subclass says where a key is kept and who goes next."""

    __slots__ = ("_bytes_max", "_residents", "_size_bytes", "evicted")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = require_limit(bytes_max)
        self._size_bytes = 0
        self._residents: dict[Key, int] = {}
        self.evicted: list[tuple[Key, int]] = []

    @property
    def bytes_max(self) -> int:
        """The most that it holds."""
        return self._bytes_max

    @property
    def size_bytes(self) -> int:
        """What it holds now; a key counts at least 1."""
        return self._size_bytes

    def access(self, key: Key, size_bytes: int) -> bool:
        """Note an access and return whether the key was here."""
        before = self._residents.get(key)
        if before == size_bytes:
            self._touch(key)
            return True
        size = size_bytes if size_bytes > 0 else 1
        if before is None:
            if size > self._bytes_max:
                self.evicted.append((key, size))
            else:
                self._enter(key, size)
            return False
        if before == size:
            self._touch(key)
        else:
            self._change(key, size)
        return True

    def remove(self, key: Key) -> int:
        """Take a key out; returns its bytes, or 0."""
        if key not in self._residents:
            return 0
        self._leave(key)
        return self._uncount(key)

    def resize(self, bytes_max: int) -> None:
        """Change the limit; what does not fit any more is evicted now."""
        self._limit(bytes_max)
        self._make_room(0)

    @property
    def residents(self) -> Mapping[Key, int]:
        """What it holds, with the bytes; whole even if a policy has failed half-way."""
        return self._residents

    def adopt(self, key: Key, size_bytes: int) -> None:
        """Take over a key that another policy held; it is not here, and there is room for it."""
        self._enter(key, size_bytes)

    def evict(self) -> None:
        """Let the next key go now, though there is room; there is one."""
        self._evict()

    @abstractmethod
    def in_order(self) -> Iterator[Key]:
        """Yield all keys, about in the order in which they would go."""

    def __contains__(self, key: object) -> bool:
        return key in self._residents

    def __len__(self) -> int:
        return len(self._residents)

    @abstractmethod
    def _touch(self, key: Key) -> None:
        """Note a hit."""

    @abstractmethod
    def _enter(self, key: Key, size_bytes: int) -> None:
        """Make room for a key that is new, count it, and keep it."""

    @abstractmethod
    def _leave(self, key: Key) -> Any:
        """Take a key out of all that is kept beside `_residents`; returns what is known of it."""

    @abstractmethod
    def _return(self, key: Key, size_bytes: int, known: Any) -> None:
        """Keep a key again that has just left, with what was known of it."""

    @abstractmethod
    def _evict(self) -> None:
        """Let one key go; there is one."""

    def _limit(self, bytes_max: int) -> None:
        """Take a limit; a policy of several parts divides it among them."""
        self._bytes_max = require_limit(bytes_max)

    def _change(self, key: Key, size_bytes: int) -> None:
        """Give a key another size; it stands aside while the others make room for it."""
        known = self._leave(key)
        self._uncount(key)
        if size_bytes > self._bytes_max:
            self.evicted.append((key, size_bytes))
            return
        self._make_room(size_bytes)
        self._count(key, size_bytes)
        self._return(key, size_bytes, known)
        self._touch(key)

    def _make_room(self, size_bytes: int) -> None:
        while self._size_bytes + size_bytes > self._bytes_max:
            self._evict()

    def _count(self, key: Key, size_bytes: int) -> None:
        self._residents[key] = size_bytes
        self._size_bytes += size_bytes

    def _uncount(self, key: Key) -> int:
        size = self._residents.pop(key)
        self._size_bytes -= size
        return size

    def _let_go(self, key: Key) -> int:
        size = self._residents.pop(key)
        self._size_bytes -= size
        self.evicted.append((key, size))
        return size


def require_limit(bytes_max: int) -> int:
    """Return a limit; raises ValueError for one below 0."""
    if bytes_max < 0:
        problem = f"a cache of {bytes_max} bytes: give 0 or more"
        raise ValueError(problem)
    return bytes_max
