"""Disks and object stores that fail on purpose; each wraps a real one, and they can be stacked."""

import time
from collections.abc import Callable, Iterator, Sequence

from tierfold.errors import ObjectStoreError, SetupError, StorageFullError
from tierfold.ports import Batch, Family, KeyValues, Objects
from tierfold.storage.envelope import unwrap, wrap


class FaultyKeyValues:
    """Key-values on a disk that fails as it is told; a failed write leaves nothing behind."""

    def __init__(
        self,
        inner: KeyValues,
        *,
        room_bytes: int | None = None,
        write_ms: float = 0.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.inner = inner
        self.room_bytes = room_bytes  # left for keys and values; None is no limit
        self.write_ms = write_ms  # what each write takes longer
        self.writes_failing = 0  # as many of the next ones fail
        self.damaged: set[tuple[Family, bytes]] = set()  # read with a flipped bit
        self._pause = pause

    def get(self, family: Family, key: bytes) -> bytes | None:
        """Return a value, or None."""
        value = self.inner.get(family, key)
        return None if value is None else self._read(family, key, value)

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys in their order."""
        values = zip(keys, self.inner.get_many(family, keys), strict=True)
        return [None if value is None else self._read(family, key, value) for key, value in values]

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with the prefix, and their values, in order."""
        found = self.inner.scan(family, prefix, after=after, descending=descending)
        return ((key, self._read(family, key, value)) for key, value in found)

    def write(self, batch: Batch, *, durable: bool = True) -> None:
        """Make the changes, unless this one is to fail."""
        if self.write_ms:
            self._pause(self.write_ms / 1000)
        if self.writes_failing:
            self.writes_failing -= 1
            problem = "the disk refused this write: look after it"
            raise SetupError(problem)
        size_bytes = sum(len(key) + len(value or b"") for (_, key), value in batch.puts.items())
        if self.room_bytes is not None:
            is_lean = all(value is None for value in batch.puts.values())
            if not (batch.makes_room or is_lean) and size_bytes > self.room_bytes:
                place = "the disk"
                raise StorageFullError(place)
            self.room_bytes = max(0, self.room_bytes - size_bytes)
        self.inner.write(batch, durable=durable)

    def drop(self, family: Family) -> None:
        """Forget all of a family."""
        self.inner.drop(family)

    def compact(self, *, deleted_only: bool = False) -> None:
        """Give back the space of what was deleted."""
        self.inner.compact(deleted_only=deleted_only)

    def has_room(self) -> bool:
        """Return whether it takes any change."""
        return self.room_bytes != 0 and self.inner.has_room()

    def size_bytes(self) -> dict[Family, int]:
        """Return the bytes on disk of each family."""
        return self.inner.size_bytes()

    def log_bytes(self) -> int:
        """Return the bytes of logs."""
        return self.inner.log_bytes()

    def close(self) -> None:
        """Stop."""
        self.inner.close()

    def _read(self, family: Family, key: bytes, value: bytes) -> bytes:
        if (family, key) not in self.damaged:
            return value
        return unwrap(family, key, flipped(wrap(family, key, value)))


class FaultyObjects:
    """An object store that fails as it is told."""

    def __init__(
        self,
        inner: Objects,
        *,
        call_ms: float = 0.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.inner = inner
        self.call_ms = call_ms  # what each call takes longer
        self.is_down = False
        self.answers_lost = 0  # as many of the next puts arrive and seem to fail
        self.damaged: set[str] = set()  # read with a flipped bit
        self._pause = pause

    @property
    def url(self) -> str:
        """Where it is."""
        return self.inner.url

    def put_new(self, key: str, body: bytes) -> bool:
        """Store an object unless the key is taken."""
        self._require_up()
        is_new = self.inner.put_new(key, body)
        if self.answers_lost:
            self.answers_lost -= 1
            raise ObjectStoreError(url=self.url, problem="it does not answer in time")
        return is_new

    def get(self, key: str) -> bytes | None:
        """Return an object, or None."""
        self._require_up()
        body = self.inner.get(key)
        return flipped(body) if body and key in self.damaged else body

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in order."""
        self._require_up()
        return self.inner.keys(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        self._require_up()
        self.inner.delete(keys)

    def close(self) -> None:
        """Stop."""
        self.inner.close()

    def _require_up(self) -> None:
        if self.call_ms:
            self._pause(self.call_ms / 1000)
        if self.is_down:
            raise ObjectStoreError(url=self.url, problem="it is down")


def flipped(body: bytes) -> bytes:
    """Return bytes with one bit of the last one flipped."""
    return body[:-1] + bytes((body[-1] ^ 1,))
