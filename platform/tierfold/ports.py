"""What the core asks of the world; each port has one real and one fake adapter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Clock(Protocol):
    """Time for measuring; never for deciding what an answer contains."""

    def now_ms(self) -> float:
        """Return monotonic milliseconds since an arbitrary start."""
        ...

    def cpu_ms(self) -> float:
        """Return the milliseconds of CPU this thread has used."""
        ...


class WallClock(Protocol):
    """Time that is stored: creation, change, expiry."""

    def unix_ms(self) -> int:
        """Return milliseconds since 1970."""
        ...


class Family(StrEnum):
    """The key spaces of one shard's database; what each holds stands in `engine/shard/keys.py`."""

    META = "meta"
    HEAD = "head"
    CATALOGUE = "catalogue"
    REFERENCE = "reference"
    BODY = "body"
    BLOCK = "block"
    DICTIONARY = "dictionary"
    EXPIRY = "expiry"
    OUTBOX = "outbox"
    SEARCH = "search"


_NOTES_BYTES = 64  # of values that come with deletions, such as a note for the object store


@dataclass(slots=True)
class Batch:
    """Changes that happen together or not at all, in the order they were added."""

    puts: dict[tuple[Family, bytes], bytes | None] = field(default_factory=dict)  # None deletes
    makes_room: bool = False  # it leads to less on the disk, however much it writes before that

    def put(self, family: Family, key: bytes, value: bytes) -> None:
        """Write a value."""
        self.puts[family, key] = value

    def delete(self, family: Family, key: bytes) -> None:
        """Remove a key, whether or not it is there."""
        self.puts[family, key] = None

    @property
    def is_lean(self) -> bool:
        """Whether it brings next to nothing: a disk that is nearly full still takes it."""
        return sum(len(value) for value in self.puts.values() if value) <= _NOTES_BYTES

    def __len__(self) -> int:
        """Return the number of keys changed."""
        return len(self.puts)


class KeyValues(Protocol):
    """An ordered map per family, on one disk; safe to read while another thread writes.

    Every value is stored with a format number and a checksum of its own. Reads raise CorruptError
    for a value that is not what was written, writes StorageFullError, and then nothing of the batch
    is there. Keys are ordered as bytes.
    """

    def get(self, family: Family, key: bytes) -> bytes | None:
        """Return a value, or None."""
        ...

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys in their order."""
        ...

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with the prefix, and their values, in order.

        `after` is a whole key: only keys beyond it in the direction of the scan are yielded.
        """
        ...

    def write(self, batch: Batch, *, durable: bool = True) -> None:
        """Make the changes; when it returns and `durable`, they survive a crash of the machine."""
        ...

    def drop(self, family: Family) -> None:
        """Forget all of a family at once: for a cache that can be made again."""
        ...

    def compact(self, *, deleted_only: bool = False) -> None:
        """Give back the space of what was deleted; takes as long as it takes.

        With `deleted_only` the rest is not written anew: that needs little room itself.
        """
        ...

    def has_room(self) -> bool:
        """Return whether the disk takes any change; else only deletions and what makes room."""
        ...

    def size_bytes(self) -> dict[Family, int]:
        """Return the bytes on disk of each family, logs left out."""
        ...

    def log_bytes(self) -> int:
        """Return the bytes on disk that belong to no family: logs and lists of files."""
        ...

    def close(self) -> None:
        """Stop; a second time does nothing."""
        ...


class Objects(Protocol):
    """An object store; every method raises ObjectStoreError when it does not answer."""

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        ...

    def put_new(self, key: str, body: bytes) -> bool:
        """Store an object durably unless the key is taken; False where it is."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return an object, or None."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in order."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, whether or not they are there."""
        ...

    def close(self) -> None:
        """Stop."""
        ...
