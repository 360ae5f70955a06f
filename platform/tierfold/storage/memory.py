"""Key-values and objects in memory: what tests, the embedded mode and the simulator share."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import RLock

from tierfold.errors import ShardUnavailableError
from tierfold.ports import Batch, Family
from tierfold.storage.envelope import unwrap, wrap
from tierfold.storage.object_key import checked_key, checked_prefix


@dataclass(slots=True)
class _Sorted:
    """One family: stored values by key, and the keys in order."""

    stored: dict[bytes, bytes] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)

    def put(self, key: bytes, stored: bytes) -> None:
        """Set a value."""
        if key not in self.stored:
            insort(self.keys, key)
        self.stored[key] = stored

    def delete(self, key: bytes) -> None:
        """Remove a key that may be there."""
        if self.stored.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]

    def matching(self, prefix: bytes, after: bytes, *, descending: bool) -> list[bytes]:
        """Return the keys of a scan in its order."""
        low = bisect_left(self.keys, prefix)
        end = beyond(prefix)
        high = len(self.keys) if end is None else bisect_left(self.keys, end)
        if after and descending:
            high = min(high, bisect_left(self.keys, after))
        elif after:
            low = max(low, bisect_right(self.keys, after))
        found = self.keys[low:high]
        return found[::-1] if descending else found


def beyond(prefix: bytes) -> bytes | None:
    """Return the first key behind all that begin with the prefix; None where there is none."""
    rest = prefix.rstrip(b"\xff")
    return rest[:-1] + bytes((rest[-1] + 1,)) if rest else None


class MemoryKeyValues:
    """Ordered maps in memory; a scan sees what was there when it began."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._families = {family: _Sorted() for family in Family}
        self._is_closed = False

    def get(self, family: Family, key: bytes) -> bytes | None:
        """Return a value, or None."""
        stored = self._open(family).stored.get(key)
        return None if stored is None else unwrap(family, key, stored)

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys in their order."""
        with self._lock:
            found = [(key, self._open(family).stored.get(key)) for key in keys]
        return [None if stored is None else unwrap(family, key, stored) for key, stored in found]

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with the prefix, and their values, in order."""
        with self._lock:
            kept = self._open(family)
            keys = kept.matching(prefix, after, descending=descending)
            found = list(zip(keys, map(kept.stored.__getitem__, keys), strict=True))
        return ((key, unwrap(family, key, stored)) for key, stored in found)

    def write(self, batch: Batch, *, durable: bool = True) -> None:  # noqa: ARG002  # nothing lasts
        """Make the changes."""
        with self._lock:
            for (family, key), value in batch.puts.items():
                if value is None:
                    self._open(family).delete(key)
                else:
                    self._open(family).put(key, wrap(family, key, value))

    def drop(self, family: Family) -> None:
        """Forget all of a family."""
        with self._lock:
            self._open(family)
            self._families[family] = _Sorted()

    def damage(self, family: Family, key: bytes, *, at: int = -1) -> None:
        """Flip a bit of one byte of a stored value, as a failing disk would."""
        with self._lock:
            stored = bytearray(self._open(family).stored[key])
            stored[at] ^= 1
            self._open(family).stored[key] = bytes(stored)

    def compact(self, *, deleted_only: bool = False) -> None:
        """Nothing is left behind here."""

    def has_room(self) -> bool:
        """There is no disk to fill."""
        return True

    def size_bytes(self) -> dict[Family, int]:
        """Return the bytes of each family's keys and stored values."""
        with self._lock:
            return {
                family: sum(len(key) + len(stored) for key, stored in kept.stored.items())
                for family, kept in self._families.items()
            }

    def log_bytes(self) -> int:
        """Return the bytes of logs: none are kept."""
        return 0

    def close(self) -> None:
        """Refuse whatever comes after; a second time does nothing."""
        self._is_closed = True

    def _open(self, family: Family) -> _Sorted:
        if self._is_closed:
            raise ShardUnavailableError
        return self._families[family]


class MemoryObjects:
    """An object store in memory."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._bodies: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """Where it is."""
        return "memory://"

    def put_new(self, key: str, body: bytes) -> bool:
        """Store an object unless the key is taken."""
        with self._lock:
            if checked_key(key) in self._bodies:
                return False
            self._bodies[key] = body
            return True

    def get(self, key: str) -> bytes | None:
        """Return an object, or None."""
        return self._bodies.get(checked_key(key))

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in order."""
        checked_prefix(prefix)
        with self._lock:
            found = sorted(key for key in self._bodies if key.startswith(prefix))
        return iter(found)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, whether or not they are there."""
        with self._lock:
            for key in keys:
                self._bodies.pop(checked_key(key), None)

    def close(self) -> None:
        """Nothing has to stop."""
