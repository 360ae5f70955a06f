"""The file a context was stored from, as its metadata remembers it under `source`."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tierfold.client.documents import ContextObject
from tierfold.memory.lifecycle.staleness import is_due

SOURCE_KEY = "source"

_HASH_BYTES = 16
_SETTLED_MS = 2000  # the coarsest clocks of file systems tick every two seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A file as it was when a context was stored from it."""

    path: str  # absolute
    size_bytes: int
    modified_ms: int
    hash: str  # of its bytes
    format: str  # as `put --format` had it
    read_ms: int  # when it was read or found unchanged
    refresh_after_s: float = 0.0  # 0 is only when asked
    items: int = 0  # of the context made of it
    stored_bytes: int = 0

    @classmethod
    def of(cls, context: ContextObject) -> "FileSource | None":
        """Return what a context's metadata remembers; None where it is nothing of ours."""
        said = context.metadata.get(SOURCE_KEY)
        if not isinstance(said, Mapping):
            return None
        known = {field.name: field.type for field in fields(cls)}
        values = {name: value for name, value in said.items() if name in known}
        if not all(_is_a(known[name], value) for name, value in values.items()):
            return None
        try:
            return cls(**values)
        except TypeError:
            return None

    def in_metadata(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return metadata with this remembered."""
        return {**metadata, SOURCE_KEY: asdict(self)}

    def is_stamped(self, size_bytes: int, modified_ms: int) -> bool:
        """Whether a file of this size and time is the one that was read.

        One that had just been written then may have been written once more in the same moment.
        """
        is_settled = self.read_ms - self.modified_ms > _SETTLED_MS
        return is_settled and (size_bytes, modified_ms) == (self.size_bytes, self.modified_ms)

    def is_due(self, now_ms: int) -> bool:
        """Whether it should be read again by its refresh policy."""
        return is_due(
            read_ms=self.read_ms, refresh_after_ms=int(self.refresh_after_s * 1000), now_ms=now_ms
        )

    def is_of(self, context: ContextObject) -> bool:
        """Whether the context is still what was made of the file, as far as its sizes say."""
        return (context.items, context.size_bytes) == (self.items, self.stored_bytes)


def stamp(path: str) -> tuple[int, int]:
    """Return size and time of change of a file; raises OSError."""
    status = os.stat(path)  # noqa: PTH116  # pathlib costs 5 ms of start-up
    return status.st_size, status.st_mtime_ns // 1_000_000


def hash_of(body: bytes) -> str:
    """Return what tells a file's content from another's."""
    return hashlib.blake2b(body, digest_size=_HASH_BYTES).hexdigest()


def _is_a(kind: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if kind in {float, "float"}:
        return isinstance(value, int | float) and 0 <= value <= 1e9  # noqa: PLR2004  # 30 years
    return isinstance(value, int if kind in {int, "int"} else str)
