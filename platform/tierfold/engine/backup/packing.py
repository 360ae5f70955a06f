"""Filling packs and lists, and putting what is full."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tierfold.compression.lossless import Codec
from tierfold.context.segment import Item, Name
from tierfold.engine.backup.data import DataObjects, StoredData, Uploads
from tierfold.engine.backup.envelope import ObjectKind
from tierfold.engine.backup.manifest import Page
from tierfold.engine.backup.packs import is_cut, packed
from tierfold.engine.backup.records import ContextRecord, Place, encoded
from tierfold.engine.backup.table import PackEntry, PackTable, SeenItems

_PACKS_PER_PAGE: Final = 1 << 14


class Putting:
    """Puts objects and counts what was new."""

    def __init__(self, data: DataObjects, there: set[bytes], *, checks: bool) -> None:
        """Take what the object store has already; with `checks` it is read and compared."""
        self._data = data
        self._there = there
        self._checks = checks
        self._codec = Codec()
        self._uploads = Uploads()
        self.new_bytes = 0
        self.new_packs = 0

    def put(
        self, kind: ObjectKind, entries: Sequence[bytes], then: Callable[[StoredData], None]
    ) -> None:
        """Pack entries and put them, in another thread."""
        self._uploads.add(partial(self._put, kind, entries), partial(self._noted, kind, then))

    def finish(self) -> None:
        """Wait until all is there; raises ObjectStoreError where it is not."""
        self._uploads.finish()

    def close(self) -> None:
        """Leave what is under way."""
        self._uploads.__exit__(None, None, None)

    def _put(self, kind: ObjectKind, entries: Sequence[bytes]) -> StoredData:
        data = packed(kind, entries, self._codec)
        return self._data.put(data, is_there=self._there.__contains__, checks=self._checks)

    def _noted(
        self, kind: ObjectKind, then: Callable[[StoredData], None], stored: StoredData
    ) -> None:
        if stored.is_new:
            self.new_bytes += stored.size_bytes
            self.new_packs += kind is ObjectKind.BODIES
        self._there.add(stored.hashed)
        then(stored)


class BodyPacker:
    """Puts items' bodies into packs."""

    def __init__(self, putting: Putting, table: PackTable, seen: SeenItems) -> None:
        self._putting = putting
        self._table = table
        self._seen = seen
        self._entries: list[bytes] = []
        self._size_bytes = 0
        self._number: int | None = None

    def add(self, item: Item) -> Place:
        """Return where the item's body is: with those met lately, or at the end of this pack."""
        name = item.segment.name
        known = self._seen.get(name)
        if known is not None:
            return known
        if self._number is None:
            self._number = self._table.reserve()
        place = Place(self._number, len(self._entries))
        self._seen.add(name, place)
        bodies = [segment.body for segment in item.segments()]
        self._entries += bodies
        size_bytes = sum(map(len, bodies))
        self._size_bytes += size_bytes
        if is_cut(
            name,
            entry_bytes=size_bytes,
            pack_bytes=self._size_bytes,
            entries=len(self._entries),
        ):
            self.flush()
        return place

    def flush(self) -> None:
        """Put what is there as a pack."""
        if self._number is not None:
            settle = partial(self._settle, self._number)
            self._putting.put(ObjectKind.BODIES, self._entries, settle)
        self._entries, self._size_bytes, self._number = [], 0, None

    def _settle(self, number: int, stored: StoredData) -> None:
        self._table.settle(number, PackEntry(stored.hashed, stored.size_bytes))


class RecordPacker:
    """Puts records into pages of the list of contexts."""

    def __init__(self, putting: Putting) -> None:
        self._putting = putting
        self._entries: list[bytes] = []
        self._size_bytes = 0
        self._count = 0
        self._pages: list[Page] = []

    def add(self, record: ContextRecord, digest: bytes) -> None:
        """Add a record; the context's digest says whether a page may end behind it."""
        self._count += 1
        before = self._size_bytes
        for entry in encoded(record):
            self._add(entry)
        if is_cut(
            digest,
            entry_bytes=max(self._size_bytes - before, 0),
            pack_bytes=self._size_bytes,
            entries=len(self._entries),
        ):
            self._flush()

    def finish(self) -> tuple[Page, ...]:
        """Return all pages; they are there when `Putting.finish` has returned."""
        self._flush()
        self._putting.finish()
        return tuple(self._pages)

    def _add(self, entry: bytes) -> None:
        self._entries.append(entry)
        self._size_bytes += len(entry)
        if is_cut(_NEVER, entry_bytes=0, pack_bytes=self._size_bytes, entries=len(self._entries)):
            self._flush()  # a context of so many items that its record is larger than a page

    def _flush(self) -> None:
        if self._entries:
            noted = partial(self._noted, self._count)
            self._putting.put(ObjectKind.RECORDS, self._entries, noted)
        self._entries, self._size_bytes, self._count = [], 0, 0

    def _noted(self, count: int, stored: StoredData) -> None:
        self._pages.append(Page(hashed=stored.hashed, count=count))


_NEVER = Name(b"\xff" * 16)


def put_table(putting: Putting, table: PackTable) -> tuple[Page, ...]:
    """Put the list of packs and return its pages."""
    pages: list[Page] = []
    entries = table.entries()
    for at in range(0, len(entries), _PACKS_PER_PAGE):
        page = entries[at : at + _PACKS_PER_PAGE]
        note = partial(_note, pages, len(page))
        putting.put(ObjectKind.PACKS, page, note)
    putting.finish()
    return tuple(pages)


def _note(pages: list[Page], count: int, stored: StoredData) -> None:
    pages.append(Page(hashed=stored.hashed, count=count))
