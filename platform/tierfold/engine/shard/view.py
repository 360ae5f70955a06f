"""What is stored as a change sees it: with all that its round has changed already."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Protocol

from tierfold.context.identity import DIGEST_BYTES
from tierfold.context.segment import NAME_BYTES
from tierfold.ports import Batch, Family, KeyValues

Row = tuple[bytes, bytes]


class Stored(Protocol):
    """What can be read: what is on the disk, or that with changes on top."""

    def get(self, family: Family, key: bytes) -> bytes | None:
        """Return a value, or None."""
        ...

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys in their order."""
        ...

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[Row]:
        """Yield keys that begin with the prefix, and their values, in order."""
        ...


class View:
    """Reads through the changes of one round, which are not on the disk yet."""

    def __init__(self, values: KeyValues) -> None:
        self._values = values
        self._changes = Batch()
        self._references: dict[bytes, dict[bytes, bytes | None]] = {}  # by tenant and name
        self.heads: dict[tuple[Family, bytes], bytes | None] = {}  # read from the disk

    @property
    def changes(self) -> Batch:
        """All changes of the round so far."""
        return self._changes

    def absorb(self, batch: Batch) -> None:
        """Add the changes of a step that went well."""
        if self._changes.makes_room or not self._changes.puts:
            self._changes.makes_room = batch.makes_room or batch.is_lean
        self._changes.puts.update(batch.puts)
        for (family, key), value in batch.puts.items():
            if family is Family.REFERENCE:
                self._references.setdefault(key[:-DIGEST_BYTES], {})[key] = value

    def get(self, family: Family, key: bytes) -> bytes | None:
        """Return a value, or None."""
        changed, at = self._changes.puts, (family, key)
        if changed and at in changed:
            return changed[at]
        value = self._values.get(family, key)
        if family is Family.HEAD:
            self.heads[at] = value
        return value

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys in their order."""
        values = self._values.get_many(family, keys)
        changed = self._changes.puts
        if changed:
            return [
                changed.get((family, key), value) for key, value in zip(keys, values, strict=True)
            ]
        return values

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[Row]:
        """Yield keys that begin with the prefix, and their values, in order."""
        stored = self._values.scan(family, prefix, after=after, descending=descending)
        changed = self._changed(family, prefix)
        if not changed:
            return stored
        return merged(stored, changed, after=after, descending=descending)

    def _changed(self, family: Family, prefix: bytes) -> dict[bytes, bytes | None]:
        if not self._changes.puts:
            return {}
        if family is Family.REFERENCE and _is_name_prefix(prefix):
            return self._references.get(prefix, {})
        return {
            key: value
            for (of, key), value in self._changes.puts.items()
            if of is family and key.startswith(prefix)
        }


def _is_name_prefix(prefix: bytes) -> bool:
    return len(prefix) > NAME_BYTES and len(prefix) == 1 + prefix[0] + NAME_BYTES


def merged(
    stored: Iterator[Row], changed: dict[bytes, bytes | None], *, after: bytes, descending: bool
) -> Iterator[Row]:
    """Yield stored rows with the changed ones put in their places and the deleted ones left out."""
    added = sorted(
        (
            (key, value)
            for key, value in changed.items()
            if value is not None and (not after or (key < after if descending else key > after))
        ),
        reverse=descending,
    )
    kept = ((key, value) for key, value in stored if key not in changed)
    return heapq.merge(kept, added, key=lambda row: row[0], reverse=descending)
