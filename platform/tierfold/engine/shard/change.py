"""One context in one step of a round: what it is, and what the step makes of it."""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tierfold.config import StoreLimits
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import (
    Growth,
    Head,
    Shape,
    Spine,
    grown,
    needs_spine,
    remembered,
)
from tierfold.context.segment import Name, Segment
from tierfold.context.stored import ContextInfo, about_of
from tierfold.engine.shard.blocks import CodecOf
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.encoding import Encoded, frame_of
from tierfold.engine.shard.fetched import ChangeReader, Fetched
from tierfold.engine.shard.heads import Heads, is_over
from tierfold.engine.shard.held import Held, held_by
from tierfold.engine.shard.keys import (
    catalogue_key,
    expiry_key,
    head_key,
    outbox_context_key,
)
from tierfold.engine.shard.operations import Changed, Keyed, change_made
from tierfold.engine.shard.referring import Referring
from tierfold.engine.shard.view import Stored
from tierfold.errors import (
    ContextExistsError,
    CorruptError,
    InvalidInputError,
    KeyReusedError,
    TooLargeError,
    UnknownContextError,
    VersionConflictError,
)
from tierfold.ports import Batch, Family, WallClock

# What the search index is told of an item that came or went: a key of its family, and the value.
# The number is the item's index, POSITION_UNKNOWN for one that went.
Waiting = Callable[[str, Name, int], tuple[bytes, bytes]]

POSITION_UNKNOWN = -1

_STATE = struct.Struct(">QQ8s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeParts:
    """What every change needs."""

    bodies: Bodies
    heads: Heads
    codec_of: CodecOf
    wall: WallClock
    limits: StoreLimits
    has_l4: bool  # then the outbox is told
    waiting: Waiting | None  # None: there is no search index


class Change:
    """A context as a step finds it; what it becomes is put into the step's batch."""

    def __init__(
        self,
        parts: ChangeParts,
        context: ContextKey,
        view: Stored,
        batch: Batch,
        fetched: Fetched,
    ) -> None:
        self._parts = parts
        self._fetched = fetched
        self._context = context
        self._batch = batch
        self._view = view
        self._digest = context.digest
        self._key = head_key(context.tenant, self._digest)
        self.now_ms = parts.wall.unix_ms()
        self.data: bytes | None = None
        self.stored: Head | None = None
        self.damage: CorruptError | None = None  # of the head: then there is none to go by
        self._find()
        if self.stored is not None and self.stored.id != context.id:
            raise ContextExistsError(self.stored.id)  # by chance its digest is the same
        self.has_left = False  # names that nothing refers to now
        self.has_changed = False  # the context
        self.referring = Referring(view, batch, context.tenant, self._digest)

    def _find(self) -> None:
        try:
            self.data = self._view.get(Family.HEAD, self._key)
            if self.data is not None:
                self.stored = self._parts.heads.head(self._key, self.data)
        except CorruptError as error:
            self.damage = error

    @property
    def head(self) -> Head | None:
        """The present head; None where there is none, or its time is over.

        Raises CorruptError where it is damaged: only a deletion can do without it.
        """
        if self.damage is not None:
            found = self.damage
            problem = f"{found.problem}; delete context {self._context.id!r} to make it anew"
            raise CorruptError(what=found.what, problem=problem, key=found.key) from found
        return None if self.stored is None or is_over(self.stored, self.now_ms) else self.stored

    def require(self) -> Head:
        """Return the present head; raises UnknownContextError."""
        head = self.head
        if head is None:
            raise UnknownContextError(self._context.id)
        return head

    def require_version(self, head: Head, if_version: int | None) -> None:
        """Raise VersionConflictError where the caller means another version."""
        if if_version is not None and head.version != if_version:
            raise VersionConflictError(head.id, asked=if_version, current=head.version)

    def require_shape(self, head: Head, shape: Shape) -> None:
        """Raise InvalidInputError for items of another shape."""
        if head.shape is not shape:
            problem = (
                f"context {head.id!r} is a list of {head.shape.name.lower()}: "
                f"{shape.name.lower()} cannot be stored in it"
            )
            raise InvalidInputError(problem)

    def made_before(self, head: Head, keyed: Keyed | None) -> Changed | None:
        """Return what was made under this key before; raises KeyReusedError."""
        known = head.change_of(keyed.key) if keyed and head.changes else None
        if known is None or keyed is None:
            return None
        if known.fingerprint != keyed.fingerprint:
            raise KeyReusedError
        info = self._info(replace(head, version=known.version))
        return Changed(info=info, was_made_before=True)

    def reader(self) -> ChangeReader:
        """Return a reader of the context's bodies as the round has them.

        It raises NotAtHandError where L4 would have to be asked: all writers would wait for that.
        """
        where = (self._context.tenant, self._digest)
        reader = self._parts.bodies.reader(self._view, *where, from_l4=False)
        return ChangeReader(reader, self._fetched)

    def held(self, known: Held | None) -> Held:
        """Return all that the stored head refers to; `known` where that was found out already."""
        if self.stored is None:
            return Held()
        if known is not None:
            return known
        where = (self._context.tenant, self._digest)
        return held_by(self.stored, self.reader(), self._view, where)

    def grow(self, head: Head, names: Sequence[Name], size_bytes: int) -> Growth:
        """Return a head with names added; raises TooLargeError."""
        items = head.items + len(names)
        limits = self._parts.limits
        if items > limits.items_max:
            raise TooLargeError(what="items of one context", size=items, limit=limits.items_max)
        if head.shape is Shape.MESSAGES and items > limits.rows_max:
            what = "rows of one chat, which could not be asked (begin another, or put fewer)"
            raise TooLargeError(what=what, size=items, limit=limits.rows_max)
        spine = Spine()
        if head.spine is not None and needs_spine(head, len(names)):
            spine = Spine.decode(self.reader().body(head.spine))
        return grown(head, names, size_bytes=size_bytes, spine=spine)

    def add_items(self, encoded: Encoded, names: Sequence[Name], first: int) -> None:
        """Refer to items with their bodies; `names` is the list, which begins at item `first`."""
        new = [name for name, frame in encoded.frames.items() if self.referring.add(name, frame)]
        for name, frame in encoded.piece_frames.items():
            self.referring.add(name, frame)
        if self._parts.waiting is not None and new:
            positions = {name: first + at for at, name in enumerate(names)}
            self._tell_search((name, positions[name]) for name in new)

    def leave(self, names: Iterable[Name]) -> None:
        """Refer no more to what was left behind, unless this change needs it."""
        gone = self.referring.remove_all(names)
        self.has_left |= bool(gone)
        self._tell_search((name, POSITION_UNKNOWN) for name in gone)

    def leave_pages(self, names: Iterable[Name]) -> None:
        """Refer no more to pages and spines; the search index never knew them."""
        self.has_left |= bool(self.referring.remove_all(names))

    def add_stored(self, names: Sequence[Name], held: Held) -> tuple[Name, ...]:
        """Refer to items whose bodies are here; returns those whose are not."""
        known = [name for name in names if held.is_read and name in held.names]
        self.referring.keep(known)
        self.referring.keep(piece for name in known for piece in held.pieces.get(name, ()))
        kept = set(known)
        places = {name: self.referring.add_stored(name) for name in names if name not in kept}
        found = {name: place for name, place in places.items() if place is not None}
        reader = self.reader()
        lost = reader.look_at(found)
        if lost:
            raise CorruptError(what=f"segment {lost[0].hex()}", problem="it is missing")
        for pieces in reader.known_pieces(found).values():
            for piece in pieces:
                self.referring.add_stored(piece)
        return tuple(name for name, place in places.items() if place is None)

    def add_segments(self, segments: Iterable[Segment]) -> None:
        """Refer to pages, spines or what the caller says of the context."""
        for segment in segments:
            codec = self._parts.codec_of(self._context.tenant)
            self.referring.add(segment.name, frame_of(segment, codec))

    def changed(self, head: Head, keyed: Keyed | None = None) -> Head:
        """Return a head as it begins its next version."""
        version = head.version + 1
        updated_ms = max(self.now_ms, head.updated_ms)
        changed = replace(head, version=version, updated_ms=updated_ms)
        return remembered(changed, None if keyed is None else change_made(keyed, version))

    def finish(self, head: Head, about: Segment | None = None) -> Changed:
        """Put the head and all keys that follow from it."""
        batch, context, old = self._batch, self._context, self.stored
        self.has_changed = True
        data = head.encode()
        batch.put(Family.HEAD, self._key, data)
        if old is None:
            batch.put(Family.CATALOGUE, catalogue_key(context.tenant, context.id), b"")
        self._move_expiry(0 if old is None else old.expires_ms, head.expires_ms)
        self._tell_l4(_STATE.pack(head.version, head.created_ms, head.chain[:8]))
        said = about.body if about is not None and about.name == head.about else None
        info = self._info(head, said)
        self._parts.heads.remember(self._key, data, info)
        return Changed(info=info)

    def nothing(self, head: Head, keyed: Keyed | None) -> Changed:
        """Return a context that is already what the change would make of it.

        Its version stays. The key is remembered all the same: the change, sent again after others
        were made, must not undo them.
        """
        if keyed is None:
            return Changed(info=self._info(head))
        noted = remembered(head, change_made(keyed, head.version, was_made=False))
        data, info = noted.encode(), self._info(noted)
        self._batch.put(Family.HEAD, self._key, data)
        self._parts.heads.remember(self._key, data, info)
        return Changed(info=info)

    def remove(self) -> None:
        """Delete the head and all keys that follow from it.

        Of a damaged one the key it ends by stays: the reaper removes it at its time.
        """
        batch, context, old = self._batch, self._context, self.stored
        self.has_changed = batch.makes_room = True
        batch.delete(Family.HEAD, self._key)
        batch.delete(Family.CATALOGUE, catalogue_key(context.tenant, context.id))
        self._move_expiry(0 if old is None else old.expires_ms, 0)
        self._tell_l4(b"")

    def give_up(self) -> None:
        """Take back all that this step has put."""
        self._batch.puts.clear()

    def _move_expiry(self, before_ms: int, after_ms: int) -> None:
        if before_ms == after_ms:
            return
        tenant = self._context.tenant
        if before_ms:
            self._batch.delete(Family.EXPIRY, expiry_key(before_ms, tenant, self._digest))
        if after_ms:
            self._batch.put(Family.EXPIRY, expiry_key(after_ms, tenant, self._digest), b"")

    def _tell_search(self, items: Iterable[tuple[Name, int]]) -> None:
        if self._parts.waiting is not None:
            for name, position in items:
                key, value = self._parts.waiting(self._context.tenant, name, position)
                self._batch.put(Family.SEARCH, key, value)

    def _tell_l4(self, state: bytes) -> None:
        if self._parts.has_l4:
            key = outbox_context_key(self._context.tenant, self._digest)
            self._batch.put(Family.OUTBOX, key, state)

    def _info(self, head: Head, said: bytes | None = None) -> ContextInfo:
        """Return a head with what the caller says of it; `said` where that is new."""
        if said is not None:
            return ContextInfo(head=head, about=about_of(said))
        known = self._parts.heads.info(self._key, head)
        if known is not None:
            return known
        assert head.about is not None, "without it all is known"
        return ContextInfo(head=head, about=about_of(self.reader().body(head.about)))
