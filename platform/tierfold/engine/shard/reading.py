"""Reads: from a head to bodies, in the caller's thread and no further than the question goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar, cast

from tierfold.context import Tokenizer
from tierfold.context.handle import Handle, check_of
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Head, chained
from tierfold.context.stored import ContextInfo, about_of
from tierfold.engine.shard.bodies import Bodies, BodyReader, Reading
from tierfold.engine.shard.finding import first_of
from tierfold.engine.shard.heads import Heads, is_over
from tierfold.engine.shard.keys import head_key
from tierfold.engine.shard.names import names_between
from tierfold.engine.shard.newest import read_newest
from tierfold.engine.shard.operations import (
    GetInfo,
    GetVersion,
    Items,
    NewestItems,
    ReadHandle,
    ReadItems,
    ReadNewest,
    ReadSince,
    Version,
)
from tierfold.engine.shard.settled import Settled
from tierfold.errors import (
    CorruptError,
    OverloadError,
    TooLargeError,
    UnknownContextError,
    UnknownHandleError,
)
from tierfold.ports import Family, WallClock

T = TypeVar("T")

_CHANGES_MAX = 16  # of a context while it is read: then it changes too fast to be read
_RETRY_AFTER_S = 1
_ROUND_S_MAX = 0.25  # at a time, for the round that is just deleting what is read


class SharedSets(Protocol):
    """L1: working sets as files that readers map."""

    def find(self, digest: bytes, tokenizer: Tokenizer, info: ContextInfo) -> Path | None:
        """Return the file of exactly this version, where there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """A context was read; what the tiers learn from it."""

    key: tuple[str, bytes]  # tenant and digest
    reading: Reading
    pinned_until_ms: int
    tokenizer: Tokenizer | None = None  # of the working set the reader could have mapped
    is_partial: bool = False  # the reader had no time for all: the next one should find a file


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderParts:
    """What reads need."""

    settled: Settled
    bodies: Bodies
    heads: Heads
    wall: WallClock
    shared: SharedSets | None
    was_read: Callable[[Read], None]


class Reader:
    """Answers reads of single contexts; for any thread."""

    def __init__(self, parts: ReaderParts) -> None:
        self._parts = parts

    def version(self, operation: GetVersion) -> Version:
        """Return which state a context is in."""
        context = operation.context
        _, head = self._present(context.tenant, context.digest, context.id)
        return Version.of(head)

    def info(self, operation: GetInfo) -> ContextInfo:
        """Return a context without its items."""
        return self._steady(operation.context, self._info)

    def items(self, operation: ReadItems) -> Items:
        """Return a range of items; what is outside of the list is left out."""

        def read(head: Head, reader: BodyReader) -> Items:
            start = min(max(operation.start, 0), head.items)
            stop = head.items if operation.stop is None else min(operation.stop, head.items)
            names = names_between(head, start, stop, reader.bodies)
            bodies = reader.items(names, bytes_max=operation.bytes_max)
            return self._read(head, reader, start, bodies)

        return self._steady(operation.context, read)

    def since(self, operation: ReadSince) -> Items:
        """Return what a reader does not have, or all where what it has is another list."""

        def read(head: Head, reader: BodyReader) -> Items:
            return self._since(operation, head, reader)

        return self._steady(operation.context, read)

    def newest(self, operation: ReadNewest) -> Items | NewestItems:
        """Return what a reader does not have, or the newest items where that is too much."""

        def read(head: Head, reader: BodyReader) -> Items | NewestItems:
            return self._newest(operation, head, reader)

        return self._steady(operation.context, read)

    def handle(self, operation: ReadHandle) -> Items:
        """Return the items a handle means; raises UnknownHandleError."""
        handle = Handle.decode(operation.handle)

        def read(head: Head, reader: BodyReader) -> Items:
            first = first_of(handle, head, reader.bodies)
            if first is None:
                raise UnknownHandleError(operation.handle)
            names = names_between(head, first, first + handle.count, reader.bodies)
            bodies = reader.items(names[: operation.items_max], bytes_max=operation.bytes_max)
            rest = names[len(bodies) :]
            items = self._read(head, reader, first, bodies)
            return replace(items, rest_check=check_of(rest)) if rest else items

        try:
            return self._steady_at(operation.tenant, handle.digest, None, read)
        except UnknownContextError as error:
            raise UnknownHandleError(operation.handle) from error

    def described(self, tenant: str, digest: bytes) -> ContextInfo:
        """Return a context without its items, for upkeep."""
        return self._steady_at(tenant, digest, None, self._info)

    def whole(self, tenant: str, digest: bytes) -> tuple[ContextInfo, tuple[bytes, ...]]:
        """Return a context with all items, for upkeep: it counts as no read."""

        def read(head: Head, reader: BodyReader) -> tuple[ContextInfo, tuple[bytes, ...]]:
            names = names_between(head, 0, head.items, reader.bodies)
            return self._info(head, reader), reader.items(names)

        return self._steady_at(tenant, digest, None, read)

    def bring_up(self, tenant: str, digest: bytes) -> Mapping[int, int]:
        """Bring the blocks of a context to memory, for upkeep; returns their bytes by number."""

        def read(head: Head, reader: BodyReader) -> Mapping[int, int]:
            reader.items(names_between(head, 0, head.items, reader.bodies))
            return reader.reading.blocks

        return self._steady_at(tenant, digest, None, read)

    def _since(self, operation: ReadSince, head: Head, reader: BodyReader) -> Items:
        if _is_beginning(operation, head, reader):
            return self._items(head, reader, operation.items, head.items)
        return self._shared(operation, head, reader) or self._items(
            head, reader, 0, head.items, _tokenizer(operation)
        )

    def _newest(self, operation: ReadNewest, head: Head, reader: BodyReader) -> Items | NewestItems:
        known_bytes = operation.size_bytes
        is_little = 0 <= head.size_bytes - known_bytes <= operation.bytes_max
        if is_little and _is_beginning(operation, head, reader):
            return self._items(head, reader, operation.items, head.items)
        shared = self._shared(operation, head, reader)
        if shared is not None:
            return shared
        tokenizer = _tokenizer(operation)
        if head.size_bytes <= operation.bytes_max:
            return self._items(head, reader, 0, head.items, tokenizer)
        if head.items > operation.items_max:
            what = "items of a context that is asked"
            raise TooLargeError(what=what, size=head.items, limit=operation.items_max)
        found = read_newest(head, reader, operation.bytes_max)
        self._note(reader, head, tokenizer, is_partial=True)
        return NewestItems(
            info=self._info(head, reader),
            names=b"".join(found.names),
            indexes=found.indexes,
            bodies=found.bodies,
            tier=reader.reading.tier,
        )

    def _shared(
        self, operation: ReadSince | ReadNewest, head: Head, reader: BodyReader
    ) -> Items | None:
        """Return the file of this very version, where there is one that the reader could map."""
        tokenizer = _tokenizer(operation)
        if tokenizer is None or self._parts.shared is None:
            return None
        info = self._info(head, reader)
        path = self._parts.shared.find(operation.context.digest, tokenizer, info)
        if path is None:
            return None
        reader.reading.tier = "L1"
        self._note(reader, head, tokenizer)
        return Items(info=info, start=0, bodies=(), tier="L1", shared=str(path))

    def _items(
        self,
        head: Head,
        reader: BodyReader,
        start: int,
        stop: int,
        tokenizer: Tokenizer | None = None,
    ) -> Items:
        names = names_between(head, start, stop, reader.bodies)
        return self._read(head, reader, start, reader.items(names), tokenizer)

    def _read(
        self,
        head: Head,
        reader: BodyReader,
        start: int,
        bodies: tuple[bytes, ...],
        tokenizer: Tokenizer | None = None,
    ) -> Items:
        self._note(reader, head, tokenizer)
        tier = reader.reading.tier
        return Items(info=self._info(head, reader), start=start, bodies=bodies, tier=tier)

    def _note(
        self,
        reader: BodyReader,
        head: Head,
        tokenizer: Tokenizer | None,
        *,
        is_partial: bool = False,
    ) -> None:
        pinned = head.pinned_until_ms
        self._parts.was_read(Read(reader.context, reader.reading, pinned, tokenizer, is_partial))

    def _info(self, head: Head, reader: BodyReader) -> ContextInfo:
        known = self._parts.heads.info(head_key(*reader.context), head)
        if known is not None:
            return known
        assert head.about is not None, "without it all is known"
        info = ContextInfo(head=head, about=about_of(reader.body(head.about)))
        self._parts.heads.describe(head_key(*reader.context), info)
        return info

    def _steady(self, context: ContextKey, read: Callable[[Head, BodyReader], T]) -> T:
        return self._steady_at(context.tenant, context.digest, context.id, read)

    def _steady_at(
        self, tenant: str, digest: bytes, id_: str | None, read: Callable[[Head, BodyReader], T]
    ) -> T:
        """Read one state of a context; begin anew where it changed and something is missing."""
        data, head = self._present(tenant, digest, id_)
        for _ in range(_CHANGES_MAX):
            try:
                return read(head, self._parts.bodies.reader(self._parts.settled, tenant, digest))
            except CorruptError:
                was_changing = self._is_changing(tenant, digest)
                before = data
                data, head = self._present(tenant, digest, id_)
                if data == before and not was_changing:
                    raise
        raise OverloadError(retry_after_s=_RETRY_AFTER_S)

    def _is_changing(self, tenant: str, digest: bytes) -> bool:
        """Wait for the round that leaves the shown state behind; returns whether there is one."""
        key = head_key(tenant, digest)
        return self._parts.settled.wait(Family.HEAD, key, timeout_s=_ROUND_S_MAX)

    def _present(self, tenant: str, digest: bytes, id_: str | None) -> tuple[bytes, Head]:
        """Return a head and its bytes; raises UnknownContextError, also where its time is over."""
        key = head_key(tenant, digest)
        data = self._parts.settled.get(Family.HEAD, key)
        head = None if data is None else self._parts.heads.head(key, data)
        if data is None or head is None or (id_ is not None and head.id != id_):
            raise UnknownContextError(id_ or digest.hex())
        if head.ttl_ms and is_over(head, self._parts.wall.unix_ms()):
            raise UnknownContextError(head.id)
        return data, head


def _is_beginning(operation: ReadSince | ReadNewest, head: Head, reader: BodyReader) -> bool:
    """Return whether what a reader has is still the beginning of the list."""
    if not 0 < operation.items <= head.items:
        return False
    names = names_between(head, operation.items, head.items, reader.bodies)
    return chained(operation.chain, names) == head.chain


def _tokenizer(operation: ReadSince | ReadNewest) -> Tokenizer | None:
    return cast("Tokenizer", operation.shared) if operation.shared else None
