"""Changes of contexts, each as one step of a round: all of it or nothing.

A change has two halves. What takes long and cannot go wrong (frames, walking through pages) is done
in the caller's thread before it waits; the step itself looks at what is stored at its turn.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from tierfold.context.identity import ContextKey
from tierfold.context.manifest import NO_CHAIN, Growth, Head, chained, emptied, needs_spine
from tierfold.context.segment import Name
from tierfold.engine.shard.change import Change, ChangeParts
from tierfold.engine.shard.encoding import NOTHING, Encoded, encoded
from tierfold.engine.shard.held import Held, held_by
from tierfold.engine.shard.keys import head_key
from tierfold.engine.shard.operations import (
    Append,
    Changed,
    Changing,
    Create,
    Delete,
    Deleted,
    Need,
    Patch,
    Replace,
)
from tierfold.engine.shard.view import Stored
from tierfold.errors import ContextExistsError, CorruptError
from tierfold.ports import Batch, Family


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made ready for a change, and the head it was made ready for."""

    encoded: Encoded = NOTHING
    data: bytes | None = None  # of the head; what follows holds for no other
    held: Held | None = None
    is_longer: bool = False  # the new list begins with the present one


class ChangeStep:
    """One change, ready to be made."""

    __slots__ = ("_parts", "_prepared", "has_left", "operation", "rows_bytes")

    def __init__(self, parts: ChangeParts, operation: Changing, stored: Stored) -> None:
        """Do beforehand what can be done; `stored` may have changed when the step's turn comes."""
        self._parts = parts
        self.operation = operation
        self._prepared = _prepared(parts, operation, stored)
        self.rows_bytes = 0  # that it wrote
        self.has_left = False  # bodies that nothing refers to now

    @property
    def size_bytes(self) -> int:
        """Bytes it brings along."""
        return self._prepared.encoded.size_bytes

    def __call__(self, view: Stored, batch: Batch) -> Changed | Need | Deleted:
        """Make the change; raises what the operation says."""
        change = Change(self._parts, self.operation.context, view, batch)
        result = _MAKE[type(self.operation)](change, self.operation, self._prepared)
        self.rows_bytes = change.referring.rows_bytes
        self.has_left = change.has_left
        return result


def _prepared(parts: ChangeParts, operation: Changing, stored: Stored) -> Prepared:
    codec = parts.codec_of(operation.context.tenant)
    match operation:
        case Create():
            return Prepared(encoded(operation.items, codec))
        case Append():
            _fetch(parts, operation, stored, len(operation.items))
            return Prepared(encoded(operation.items, codec))
        case Patch():
            _fetch(parts, operation, stored, 0)
            return Prepared()
        case Replace():
            return _prepared_whole(parts, operation, stored, encoded(operation.items, codec))
        case Delete():
            return _prepared_whole(parts, operation, stored, NOTHING)


def _fetch(parts: ChangeParts, operation: Append | Patch, stored: Stored, added: int) -> None:
    """Bring up what the step will read and L4 alone may have: nobody waits for that in a round."""
    if not parts.has_l4:
        return
    context = operation.context
    key = head_key(context.tenant, context.digest)
    data = stored.get(Family.HEAD, key)
    if data is None:
        return
    head = parts.heads.head(key, data)
    wanted = [head.spine] if needs_spine(head, added) else []
    if parts.heads.info(key, head) is None:
        wanted.append(head.about)
    reader = parts.bodies.reader(stored, context.tenant, context.digest)
    with suppress(CorruptError):  # the step meets it again, unless it has been written anew
        reader.bodies([name for name in wanted if name is not None])


def _prepared_whole(
    parts: ChangeParts, operation: Replace | Delete, stored: Stored, items: Encoded
) -> Prepared:
    """Look at the present state of a context that will be left behind, as far as it is."""
    context = operation.context
    key = head_key(context.tenant, context.digest)
    data = stored.get(Family.HEAD, key)
    if data is None:
        return Prepared(items)
    head = parts.heads.head(key, data)
    if isinstance(operation, Replace) and _is_longer(head, operation):
        return Prepared(items, data, is_longer=True)
    reader = parts.bodies.reader(stored, context.tenant, context.digest)
    held = held_by(head, reader, stored, (context.tenant, context.digest))
    return Prepared(items, data, held)


def _is_longer(head: Head, operation: Replace) -> bool:
    beginning = operation.names[: head.items]
    return len(beginning) == head.items and chained(NO_CHAIN, beginning) == head.chain


def _create(change: Change, operation: Create, prepared: Prepared) -> Changed:
    present = change.head
    if present is not None:
        before = change.made_before(present, operation.keyed)
        if before is None:
            raise ContextExistsError(operation.context.id)
        return before
    about = operation.about
    begun = Head(
        id=operation.context.id,
        shape=operation.shape,
        about=None if about is None else about.name,
        created_ms=change.now_ms,
        ttl_ms=operation.ttl_ms,
        pinned_until_ms=operation.pinned_until_ms,
    )
    names = [item.segment.name for item in operation.items]
    size_bytes = sum(item.size_bytes for item in operation.items)
    growth = change.grow(change.changed(begun, operation.keyed), names, size_bytes)
    left = change.held(None).names  # of one whose time is over
    change.add_items(prepared.encoded, names, 0)
    change.add_segments(growth.made if about is None else (*growth.made, about))
    change.leave(left)
    return change.finish(growth.head, about)


def _append(change: Change, operation: Append, prepared: Prepared) -> Changed:
    head = change.require()
    before = change.made_before(head, operation.keyed)
    if before is not None:
        return before
    change.require_version(head, operation.if_version)
    change.require_shape(head, operation.shape)
    names = [item.segment.name for item in operation.items]
    size_bytes = sum(item.size_bytes for item in operation.items)
    growth = change.grow(change.changed(head, operation.keyed), names, size_bytes)
    change.add_items(prepared.encoded, names, head.items)
    return _grown(change, growth)


def _grown(change: Change, growth: Growth) -> Changed:
    change.add_segments(growth.made)
    change.leave_pages(growth.left)
    return change.finish(growth.head)


def _replace(change: Change, operation: Replace, prepared: Prepared) -> Changed | Need:
    head = change.require()
    before = change.made_before(head, operation.keyed)
    if before is not None:
        return before
    change.require_version(head, operation.if_version)
    change.require_shape(head, operation.shape)
    is_known = prepared.data == change.data
    if prepared.is_longer if is_known else _is_longer(head, operation):
        if len(operation.names) == head.items:
            return change.nothing(head)
        return _lengthened(change, head, operation, prepared.encoded)
    return _rewritten(change, head, operation, prepared)


def _lengthened(change: Change, head: Head, operation: Replace, items: Encoded) -> Changed | Need:
    """Add what the new list has more."""
    added = operation.names[head.items :]
    size_bytes = operation.size_bytes - head.size_bytes
    growth = change.grow(change.changed(head, operation.keyed), added, size_bytes)
    missing = _list(change, added, head.items, items, Held())
    return Need(names=missing) if missing else _grown(change, growth)


def _rewritten(
    change: Change, head: Head, operation: Replace, prepared: Prepared
) -> Changed | Need:
    """Build the list anew from bodies that are here or were sent."""
    held = change.held(prepared.held if prepared.data == change.data else None)
    begun = emptied(change.changed(head, operation.keyed))
    growth = change.grow(begun, operation.names, operation.size_bytes)
    missing = _list(change, operation.names, 0, prepared.encoded, held)
    if missing:
        return Need(names=missing)
    change.add_segments(growth.made)
    change.leave(held.names - {head.about})
    return change.finish(growth.head)


def _list(
    change: Change, names: Sequence[Name], first: int, items: Encoded, held: Held
) -> tuple[Name, ...]:
    """Refer to listed items that were sent or are here; returns those that are neither."""
    wanted = dict.fromkeys(names)
    missing = change.add_stored([name for name in wanted if name not in items.frames], held)
    if missing:
        change.give_up()
    else:
        change.add_items(items.only(wanted), names, first)
    return missing


def _patch(change: Change, operation: Patch, _: Prepared) -> Changed:
    head = change.require()
    before = change.made_before(head, operation.keyed)
    if before is not None:
        return before
    change.require_version(head, operation.if_version)
    about = operation.about
    made = change.changed(head, operation.keyed)
    if operation.ttl_ms is not None:
        made = replace(made, ttl_ms=operation.ttl_ms)
    if operation.pinned_until_ms is not None:
        made = replace(made, pinned_until_ms=operation.pinned_until_ms)
    if about is not None:
        made = replace(made, about=about.name)
        change.add_segments((about,))
        change.leave_pages(() if head.about is None else (head.about,))
    return change.finish(made, about)


def _delete(change: Change, operation: Delete, prepared: Prepared) -> Deleted:
    head = change.require()
    change.require_version(head, operation.if_version)
    _remove(change, prepared.held if prepared.data == change.data else None)
    return Deleted()


def removal(
    parts: ChangeParts, tenant: str, head: Head, stored: Stored
) -> Callable[[Stored, Batch], None]:
    """Return the step that deletes a context as it stands, whether or not its time is over."""
    context = ContextKey(tenant, head.id)
    reader = parts.bodies.reader(stored, tenant, context.digest)
    held = held_by(head, reader, stored, (tenant, context.digest))

    def step(view: Stored, batch: Batch) -> None:
        change = Change(parts, context, view, batch)
        if change.stored is not None:
            _remove(change, held if change.stored == head else None)

    return step


def _remove(change: Change, held: Held | None) -> None:
    change.leave(change.held(held).names)
    change.remove()


_Make = Callable[[Change, Any, Prepared], Changed | Need | Deleted]
_MAKE: Mapping[type[Changing], _Make] = {
    Create: _create,
    Append: _append,
    Replace: _replace,
    Patch: _patch,
    Delete: _delete,
}
