"""Keys that were evicted lately: no content, only the memory of them."""

from collections import OrderedDict
from collections.abc import Sequence

from tierfold.memory.policies.policy import Key

GHOSTS_MAX = 262_144  # whatever their bytes: about 30 MB


class Ghosts:
    """Remembers keys up to a number of bytes that they had, and up to a count."""

    __slots__ = ("_bytes_max", "_keys", "size_bytes")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._keys: OrderedDict[Key, int] = OrderedDict()
        self.size_bytes = 0

    def add(self, key: Key, size_bytes: int) -> Sequence[Key]:
        """Remember a key that is not remembered yet; returns those forgotten for it."""
        keys = self._keys
        keys[key] = size_bytes
        self.size_bytes += size_bytes
        forgotten: tuple[Key, ...] = ()
        while self.size_bytes > self._bytes_max or len(keys) > GHOSTS_MAX:
            oldest, size = keys.popitem(last=False)
            self.size_bytes -= size
            forgotten += (oldest,)
        return forgotten

    def forget(self, key: Key) -> bool:
        """Forget a key and return whether it was remembered."""
        if key not in self._keys:
            return False
        self.size_bytes -= self._keys.pop(key)
        return True

    def forget_oldest(self) -> Key:
        """Forget the one that was evicted first, and return it."""
        key, size = self._keys.popitem(last=False)
        self.size_bytes -= size
        return key

    def resize(self, bytes_max: int) -> Sequence[Key]:
        """Remember up to so many bytes from now on; returns those forgotten."""
        self._bytes_max = bytes_max
        forgotten: list[Key] = []
        while self.size_bytes > bytes_max:
            forgotten.append(self.forget_oldest())
        return forgotten

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)
