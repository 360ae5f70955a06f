"""What a backup says of one context: all but the bodies, and in which packs those are.

A record is a list of entries: one with everything but the items, then one for every few thousand
items. So a list of contexts is read entry by entry, however long one of them is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from tierfold.compression.lossless.varint import read_varints, varints
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import NO_CHAIN, Head, Shape, chained
from tierfold.context.segment import NAME_BYTES, Name, Segment, names_in, segment
from tierfold.context.segment import SegmentKind as Kind
from tierfold.context.stored import ContextInfo, about_segment
from tierfold.engine.backup.envelope import DamagedBackupError
from tierfold.errors import CorruptError, TierfoldError

ITEMS_PER_ENTRY: Final = 4096

_CONTEXT, _ITEMS = b"C", b"R"
_ABOUT_BYTES_MAX: Final = 1 << 20  # far above every limit of a store
_RUN_NUMBERS: Final = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item's body is: a pack's number in the backup, and an entry of it."""

    pack: int
    entry: int


@dataclass(frozen=True, slots=True)
class Run:
    """Items that follow one another in a pack, one entry each."""

    pack: int
    entry: int
    count: int

    def places(self) -> Iterator[Place]:
        """Yield where each of them is."""
        return (Place(self.pack, self.entry + at) for at in range(self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRecord:
    """A context as it was at one version."""

    id: str
    shape: Shape
    version: int
    items: int
    size_bytes: int
    chain: bytes
    created_ms: int
    updated_ms: int
    ttl_ms: int = 0
    pinned_until_ms: int = 0
    about: bytes = field(default=b"", repr=False)  # title and metadata as they are stored
    names: bytes = field(default=b"", repr=False)  # of all items, one behind the other
    runs: tuple[Run, ...] = field(default=(), repr=False)

    @property
    def expires_ms(self) -> int:
        """When it ends; 0 is never."""
        return self.updated_ms + self.ttl_ms if self.ttl_ms else 0

    def about_segment(self) -> Segment | None:
        """Return title and metadata; None where there are none."""
        return segment(Kind.ABOUT, self.about) if self.about else None

    def places(self) -> Iterator[tuple[Name, Place]]:
        """Yield each item's name and place."""
        places = (place for run in self.runs for place in run.places())
        return zip(names_in(self.names), places, strict=True)

    def require_whole(self) -> None:
        """Raise CorruptError where the names are not those that the context had."""
        if chained(NO_CHAIN, names_in(self.names)) != self.chain:
            raise _damaged(problem="its list of items is another one")


def record_of(info: ContextInfo) -> ContextRecord:
    """Return the record of a context, without items yet."""
    head = info.head
    about = about_segment(info.title, info.metadata, size_bytes_max=_ABOUT_BYTES_MAX)
    return ContextRecord(
        id=head.id,
        shape=head.shape,
        version=head.version,
        items=head.items,
        size_bytes=head.size_bytes,
        chain=head.chain,
        created_ms=head.created_ms,
        updated_ms=head.updated_ms,
        ttl_ms=head.ttl_ms,
        pinned_until_ms=head.pinned_until_ms,
        about=b"" if about is None else about.body[1:],
    )


def is_same(record: ContextRecord, head: Head, about: bytes) -> bool:
    """Whether a stored context is what a record says, but for its version and its times."""
    return (
        record.chain == head.chain
        and record.items == head.items
        and record.shape is head.shape
        and record.ttl_ms == head.ttl_ms
        and record.about == about
    )


class Runs:
    """Places as they come, those that follow one another as one run."""

    def __init__(self, begun: Iterable[Run] = ()) -> None:
        self._runs = list(begun)

    def add(self, place: Place) -> None:
        """Add the place of the next item."""
        if self._runs:
            last = self._runs[-1]
            if (last.pack, last.entry + last.count) == (place.pack, place.entry):
                self._runs[-1] = Run(last.pack, last.entry, last.count + 1)
                return
        self._runs.append(Run(place.pack, place.entry, 1))

    def taken(self) -> tuple[Run, ...]:
        """Return all of them."""
        return tuple(self._runs)


def encoded(record: ContextRecord) -> Iterator[bytes]:
    """Yield the entries of a record."""
    said = orjson.dumps(
        {
            "id": record.id,
            "shape": record.shape.value,
            "version": record.version,
            "items": record.items,
            "size_bytes": record.size_bytes,
            "chain": record.chain.hex(),
            "created_ms": record.created_ms,
            "updated_ms": record.updated_ms,
            "ttl_ms": record.ttl_ms,
            "pinned_until_ms": record.pinned_until_ms,
        }
    )
    yield b"".join((_CONTEXT, varints([len(said)]), said, record.about))
    at = 0
    for runs in _portions(record.runs):
        count = sum(run.count for run in runs)
        numbers = [n for run in runs for n in (run.pack, run.entry, run.count)]
        names = record.names[at * NAME_BYTES : (at + count) * NAME_BYTES]
        yield b"".join((_ITEMS, varints([len(runs), *numbers]), names))
        at += count


def _portions(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Yield the runs in lists that have few enough items, cut where that is needed."""
    portion: list[Run] = []
    room = ITEMS_PER_ENTRY
    for run in runs:
        first, left = run.entry, run.count
        while left:
            taken = min(left, room)
            portion.append(Run(run.pack, first, taken))
            first, left, room = first + taken, left - taken, room - taken
            if not room:
                yield portion
                portion, room = [], ITEMS_PER_ENTRY
    if portion:
        yield portion


class RecordDecoder:
    """Takes entries one after another and returns records as they become whole."""

    def __init__(self) -> None:
        self._record: ContextRecord | None = None
        self._names = bytearray()
        self._runs: list[Run] = []

    @property
    def is_between(self) -> bool:
        """Whether nothing is waited for."""
        return self._record is None

    def add(self, entry: bytes) -> ContextRecord | None:
        """Take the next entry; raises CorruptError, and forgets what it was at."""
        try:
            return self._added(entry)
        except (TierfoldError, ValueError, TypeError, KeyError) as error:
            self.forget()
            if isinstance(error, CorruptError):
                raise
            raise _damaged(problem="it is garbled") from error

    def forget(self) -> None:
        """Leave the record that is not whole: what follows of it has nothing to stand in."""
        self._record = None
        self._names.clear()
        self._runs.clear()

    def _added(self, entry: bytes) -> ContextRecord | None:
        if entry[:1] == _CONTEXT:
            if self._record is not None:
                raise _damaged(problem="its items are cut short")
            self._record = _decoded(entry)
        elif entry[:1] != _ITEMS:
            raise _damaged(problem="it begins as none")
        elif self._record is None:
            return None  # the rest of a damaged one
        else:
            self._add_items(entry)
        return self._whole()

    def _add_items(self, entry: bytes) -> None:
        (count,), at = read_varints(entry, 1, 1, what=_WHAT)
        numbers, at = read_varints(entry, at, _RUN_NUMBERS * count, what=_WHAT)
        fields = iter(numbers)
        runs = [Run(*each) for each in zip(fields, fields, fields, strict=True)]
        if sum(run.count for run in runs) * NAME_BYTES != len(entry) - at:
            raise _damaged(problem="its places are not those of its items")
        self._runs += runs
        self._names += entry[at:]

    def _whole(self) -> ContextRecord | None:
        record = self._record
        assert record is not None
        missing = record.items * NAME_BYTES - len(self._names)
        if missing < 0:
            raise _damaged(problem="it has too many items")
        if missing:
            return None
        fields = {name: getattr(record, name) for name in _PLAIN}
        whole = ContextRecord(**fields, names=bytes(self._names), runs=tuple(self._runs))
        self.forget()
        return whole


_WHAT = "a context in a backup"
_PLAIN = tuple(name for name in ContextRecord.__slots__ if name not in ("names", "runs"))


def _decoded(entry: bytes) -> ContextRecord:
    (size,), at = read_varints(entry, 1, 1, what=_WHAT)
    said = orjson.loads(entry[at : at + size])
    ContextKey("any", said["id"])  # what is no id was never backed up
    fields = {name: said[name] for name in _NUMBERS}
    if not all(isinstance(each, int) and each >= 0 for each in fields.values()):
        raise _damaged(problem="its numbers are none")
    chain = bytes.fromhex(said["chain"])
    shape = Shape(said["shape"])
    return ContextRecord(
        id=said["id"], shape=shape, chain=chain, about=entry[at + size :], **fields
    )


_NUMBERS = (
    *("version", "items", "size_bytes", "created_ms", "updated_ms"),
    *("ttl_ms", "pinned_until_ms"),
)


def _damaged(*, problem: str) -> DamagedBackupError:
    return DamagedBackupError(what=_WHAT, problem=problem)
