"""Changes of contexts, each as one step of a round: all of it or nothing.

A change has two halves. What takes long and cannot go wrong (frames, walking through pages) is done
in the caller's thread before it waits; the step itself looks at what is stored at its turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Growth, Head, emptied
from tierfold.context.segment import Name
from tierfold.context.stored import About, about_of
from tierfold.engine.shard.blocks import NotAtHandError
from tierfold.engine.shard.change import Change, ChangeParts
from tierfold.engine.shard.encoding import Encoded
from tierfold.engine.shard.fetched import ChangeReader, Fetched
from tierfold.engine.shard.held import Held, held_by
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
    Restored,
)
from tierfold.engine.shard.preparing import Preparation, Prepared, encoded_items, is_longer
from tierfold.engine.shard.view import Stored
from tierfold.errors import ContextExistsError, OverloadError
from tierfold.ports import Batch

_RETRY_AFTER_S = 1


class ChangeStep:
    """One change, ready to be made."""

    __slots__ = (
        "_given_up",
        "_items",
        "_parts",
        "_preparation",
        "_prepared",
        "has_changed",
        "has_left",
        "operation",
        "rows_bytes",
    )

    def __init__(
        self,
        parts: ChangeParts,
        operation: Changing,
        stored: Stored,
        given_up: set[ContextKey] | None = None,
    ) -> None:
        """Do beforehand what can be done; `stored` may have changed when the step's turn comes.

        `given_up` is shared by the steps of one call: those behind one that was given up are given
        up with it where they are of the same context.
        """
        self._parts = parts
        self.operation = operation
        self._given_up: set[ContextKey] = set() if given_up is None else given_up
        self._items = encoded_items(parts, operation)
        self._preparation = Preparation(parts, operation, stored, self._items)
        self._prepared = self._preparation()
        self.rows_bytes = 0  # that it wrote
        self.has_left = False  # bodies that nothing refers to now
        self.has_changed = False  # the context; else it was so before, or refused

    @property
    def size_bytes(self) -> int:
        """Bytes it brings along."""
        return self._items.size_bytes

    def prepare(self) -> None:
        """Get ready once more, after it was given up; raises what hinders that."""
        self._prepared = self._preparation()

    def __call__(self, view: Stored, batch: Batch) -> Changed | Need | Deleted:
        """Make the change; raises what the operation says.

        Raises NotAtHandError where it is not prepared for what is stored now.
        """
        context = self.operation.context
        if context in self._given_up:
            raise NotAtHandError
        change = Change(self._parts, context, view, batch, self._preparation.fetched)
        turn = _Turn(change, self._items, self._prepared)
        try:
            result = _MAKE[type(self.operation)](turn, self.operation)
        except NotAtHandError:
            self._given_up.add(context)
            raise
        self.rows_bytes = change.referring.rows_bytes
        self.has_left = change.has_left
        self.has_changed = change.has_changed
        return result


@dataclass(frozen=True, slots=True)
class _Turn:
    """A change as its round finds it, and what was made ready for it."""

    change: Change
    items: Encoded
    prepared: Prepared

    @property
    def is_foreseen(self) -> bool:
        """Whether the state is the one that the change was prepared for."""
        return self.prepared.data == self.change.data

    def held(self) -> Held:
        """Return all that the stored head refers to."""
        return self.change.held(self.prepared.held if self.is_foreseen else None)


def _create(turn: _Turn, operation: Create) -> Changed:
    change = turn.change
    present = change.head
    if present is not None:
        before = change.made_before(present, operation.keyed)
        if before is not None:
            return before
        if operation.replaces is None:
            raise ContextExistsError(operation.context.id)
    if operation.replaces is not None:
        change.require_version(change.require(), operation.replaces)
    about = operation.about
    begun = Head(
        id=operation.context.id,
        shape=operation.shape,
        about=None if about is None else about.name,
        created_ms=change.now_ms,
        ttl_ms=operation.ttl_ms,
        pinned_until_ms=operation.pinned_until_ms,
        version=0 if present is None else present.version,
    )
    names = [item.segment.name for item in operation.items]
    size_bytes = sum(item.size_bytes for item in operation.items)
    made = _as_before(change.changed(begun, operation.keyed), operation.restored)
    growth = change.grow(made, names, size_bytes)
    left = turn.held().names  # of one that is replaced, or whose time is over
    change.add_items(turn.items, names, 0)
    change.add_segments(growth.made if about is None else (*growth.made, about))
    change.leave(left)
    return change.finish(growth.head, about)


def _as_before(head: Head, restored: Restored | None) -> Head:
    """Return the head of a new context with the times that it had, if it was there before."""
    if restored is None:
        return head
    return replace(
        head,
        version=max(head.version, restored.version),
        created_ms=restored.created_ms,
        updated_ms=restored.updated_ms,
    )


def _append(turn: _Turn, operation: Append) -> Changed:
    change = turn.change
    head = change.require()
    before = change.made_before(head, operation.keyed)
    if before is not None:
        return before
    change.require_version(head, operation.if_version)
    change.require_shape(head, operation.shape)
    if not operation.items:
        return change.nothing(head, operation.keyed)
    names = [item.segment.name for item in operation.items]
    size_bytes = sum(item.size_bytes for item in operation.items)
    growth = change.grow(change.changed(head, operation.keyed), names, size_bytes)
    change.add_items(turn.items, names, head.items)
    return _grown(change, growth)


def _grown(change: Change, growth: Growth) -> Changed:
    change.add_segments(growth.made)
    change.leave_pages(growth.left)
    return change.finish(growth.head)


def _replace(turn: _Turn, operation: Replace) -> Changed | Need:
    change = turn.change
    head = change.require()
    before = change.made_before(head, operation.keyed)
    if before is not None:
        return before
    change.require_version(head, operation.if_version)
    change.require_shape(head, operation.shape)
    if turn.prepared.is_longer if turn.is_foreseen else is_longer(head, operation):
        if len(operation.names) == head.items:
            return change.nothing(head, operation.keyed)
        return _lengthened(turn, head, operation)
    return _rewritten(turn, head, operation)


def _lengthened(turn: _Turn, head: Head, operation: Replace) -> Changed | Need:
    """Add what the new list has more."""
    change = turn.change
    added = operation.names[head.items :]
    size_bytes = operation.size_bytes - head.size_bytes
    growth = change.grow(change.changed(head, operation.keyed), added, size_bytes)
    missing = _list(turn, added, head.items, Held())
    return Need(names=missing) if missing else _grown(change, growth)


def _rewritten(turn: _Turn, head: Head, operation: Replace) -> Changed | Need:
    """Build the list anew from bodies that are here or were sent."""
    change = turn.change
    held = turn.held()
    begun = emptied(change.changed(head, operation.keyed))
    growth = change.grow(begun, operation.names, operation.size_bytes)
    missing = _list(turn, operation.names, 0, held)
    if missing:
        return Need(names=missing)
    change.add_segments(growth.made)
    change.leave(held.names - {head.about})
    return change.finish(growth.head)


def _list(turn: _Turn, names: Sequence[Name], first: int, held: Held) -> tuple[Name, ...]:
    """Refer to listed items that were sent or are here; returns those that are neither."""
    change, items = turn.change, turn.items
    wanted = dict.fromkeys(names)
    missing = change.add_stored([name for name in wanted if name not in items.frames], held)
    if missing:
        change.give_up()
    else:
        change.add_items(items.only(wanted), names, first)
    return missing


def _patch(turn: _Turn, operation: Patch) -> Changed:
    change = turn.change
    head = change.require()
    before = change.made_before(head, operation.keyed)
    if before is not None:
        return before
    change.require_version(head, operation.if_version)
    if _changes_nothing(head, operation):
        return change.nothing(head, operation.keyed)
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


def _changes_nothing(head: Head, operation: Patch) -> bool:
    """Whether all is so already; a life that is given begins anew, so it is a change."""
    about, ttl_ms, pinned_until_ms = operation.about, operation.ttl_ms, operation.pinned_until_ms
    is_said = about is None or about.name == head.about
    if about is not None and head.about is None:
        is_said = about_of(about.body) == About()
    lives_on = ttl_ms is None or ttl_ms == head.ttl_ms == 0
    return is_said and lives_on and pinned_until_ms in {None, head.pinned_until_ms}


def _delete(turn: _Turn, operation: Delete) -> Deleted:
    change = turn.change
    if change.damage is not None and operation.if_version is None:
        return _delete_damaged(turn)
    change.require_version(change.require(), operation.if_version)
    _remove(change, turn.held())
    return Deleted()


def _delete_damaged(turn: _Turn) -> Deleted:
    """Delete a context whose head does not say what it refers to."""
    if not turn.prepared.is_damaged or turn.prepared.held is None:
        raise NotAtHandError
    _remove(turn.change, turn.prepared.held)
    return Deleted()


def removal(
    parts: ChangeParts, tenant: str, head: Head, stored: Stored
) -> Callable[[Stored, Batch], None]:
    """Return the step that deletes a context as it stands, whether or not its time is over."""
    context = ContextKey(tenant, head.id)
    fetched = Fetched()
    reader = ChangeReader(parts.bodies.reader(stored, tenant, context.digest), fetched)
    held = held_by(head, reader, stored, (tenant, context.digest))

    def step(view: Stored, batch: Batch) -> None:
        change = Change(parts, context, view, batch, fetched)
        if change.stored is None:
            return
        try:
            _remove(change, change.held(held if change.stored == head else None))
        except NotAtHandError as error:  # it was changed this moment: upkeep comes again
            raise OverloadError(retry_after_s=_RETRY_AFTER_S) from error

    return step


def _remove(change: Change, held: Held) -> None:
    change.leave(held.names)
    change.remove()


_Make = Callable[[_Turn, Any], Changed | Need | Deleted]
_MAKE: Mapping[type[Changing], _Make] = {
    Create: _create,
    Append: _append,
    Replace: _replace,
    Patch: _patch,
    Delete: _delete,
}
