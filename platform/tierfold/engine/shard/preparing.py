"""What a change needs to know, found out in its caller's thread: that may take long, a round not.

It is found out about what is stored then. When the step's turn comes that may be another state:
what was read holds for it as well, what was concluded does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from tierfold.context.manifest import NO_CHAIN, Head, chained, needs_spine
from tierfold.context.segment import Name
from tierfold.engine.shard.change import ChangeParts
from tierfold.engine.shard.encoding import NOTHING, Encoded, encoded
from tierfold.engine.shard.fetched import ChangeReader, Fetched
from tierfold.engine.shard.heads import is_over
from tierfold.engine.shard.held import Held, found_by_scan, held_by
from tierfold.engine.shard.keys import Place, head_key, name_prefix
from tierfold.engine.shard.operations import Append, Changing, Create, Delete, Patch, Replace
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError
from tierfold.ports import Family

_ITEMS_AT_ONCE = 1024  # their bodies are in memory together

_NOT_HELD = Held()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was concluded for a change, and the head it was concluded from."""

    data: bytes | None = None  # of the head; what follows holds for no other
    held: Held | None = None
    is_longer: bool = False  # the new list begins with the present one
    is_damaged: bool = False  # the head is; then `held` was found without it


def encoded_items(parts: ChangeParts, operation: Changing) -> Encoded:
    """Return what an operation brings along as frames."""
    if isinstance(operation, Patch | Delete):
        return NOTHING
    return encoded(operation.items, parts.codec_of(operation.context.tenant))


def is_longer(head: Head, operation: Replace) -> bool:
    """Whether the new list begins with the present one."""
    beginning = operation.names[: head.items]
    return len(beginning) == head.items and chained(NO_CHAIN, beginning) == head.chain


class Preparation:
    """Looks at what is stored on behalf of one operation."""

    def __init__(
        self, parts: ChangeParts, operation: Changing, stored: Stored, items: Encoded
    ) -> None:
        """Take what the operation brings along as `items`."""
        self._parts = parts
        self._operation = operation
        self._stored = stored
        self._items = items
        self._where = (operation.context.tenant, operation.context.digest)
        self._key = head_key(*self._where)
        self._is_again = False
        self.fetched = Fetched()

    def __call__(self) -> Prepared:
        """Look at the present state, once more where it was another by the step's turn.

        Damage that is met again and can be no change under way is raised: CorruptError. Raises
        ObjectStoreError too.
        """
        if not self._is_again and not self._is_worth_it():
            prepared = Prepared()
        else:
            prepared = self._prepared()
        self._is_again = True
        return prepared

    def _is_worth_it(self) -> bool:
        """Whether there may be something to find out: what is on this disk a step reads itself."""
        if isinstance(self._operation, Create):
            return self._parts.has_l4 or self._operation.replaces is not None
        return self._parts.has_l4 or isinstance(self._operation, Replace | Delete)

    def _prepared(self) -> Prepared:
        try:
            data = self._stored.get(Family.HEAD, self._key)
            head = None if data is None else self._parts.heads.head(self._key, data)
        except CorruptError:
            return self._of_damaged()
        if data is None or head is None:
            return Prepared()
        if is_over(head, self._parts.wall.unix_ms()):
            return self._of_ended(data, head)
        return self._of_present(data, head)

    def _of_damaged(self) -> Prepared:
        if not isinstance(self._operation, Delete):
            return Prepared()  # the step refuses it
        return Prepared(held=found_by_scan(self._stored, self._where), is_damaged=True)

    def _of_ended(self, data: bytes, head: Head) -> Prepared:
        """Look at a context that only a new one can take the place of."""
        return Prepared(data, self._held(head) if isinstance(self._operation, Create) else None)

    def _of_present(self, data: bytes, head: Head) -> Prepared:
        operation = self._operation
        match operation:
            case Append():
                self._fetch(data, head, len(operation.items))
            case Create(replaces=int()):
                return Prepared(data, self._held(head))
            case Create() | Patch():
                self._fetch(data, head, 0)
            case Delete():
                return Prepared(data, self._held(head))
            case Replace():
                return self._of_list(data, head, operation)
            case _:
                assert_never(operation)
        return Prepared(data)

    def _of_list(self, data: bytes, head: Head, operation: Replace) -> Prepared:
        if is_longer(head, operation):
            added = operation.names[head.items :]
            self._fetch(data, head, len(added))
            self._look_at(data, added, _NOT_HELD)
            return Prepared(data, is_longer=True)
        self._fetch(data, head, 0)
        held = self._held(head)
        self._look_at(data, operation.names, held)
        return Prepared(data, held)

    def _held(self, head: Head) -> Held:
        return held_by(head, self._reader(), self._stored, self._where)

    def _fetch(self, data: bytes, head: Head, added: int) -> None:
        """Bring up what the step will read and L4 alone may have."""
        if not self._parts.has_l4:
            return
        wanted = [head.spine] if needs_spine(head, added) else []
        if self._parts.heads.info(self._key, head) is None:
            wanted.append(head.about)
        names = [name for name in wanted if name is not None]
        if names:
            self._attempt(data, partial(self._reader().bodies, names))

    def _look_at(self, data: bytes, names: Sequence[Name], held: Held) -> None:
        """Find out which of the items that are neither sent nor held are split."""
        known = held.names if held.is_read else frozenset[Name]()
        wanted = [n for n in dict.fromkeys(names) if n not in self._items.frames and n not in known]
        for at in range(0, len(wanted), _ITEMS_AT_ONCE):
            self._attempt(data, partial(self._look_at_some, wanted[at : at + _ITEMS_AT_ONCE]))

    def _look_at_some(self, names: Sequence[Name]) -> None:
        self._reader().look_at(self._places(names))

    def _places(self, names: Sequence[Name]) -> dict[Name, Place]:
        """Return where bodies are, whichever context refers to them."""
        tenant = self._operation.context.tenant
        scans = ((n, self._stored.scan(Family.REFERENCE, name_prefix(tenant, n))) for n in names)
        found = ((name, next(scan, None)) for name, scan in scans)
        return {name: Place.decode(row[1]) for name, row in found if row is not None}

    def _attempt(self, data: bytes, read: Callable[[], object]) -> None:
        """Read what may be damaged: the step meets it again, unless it has been written anew."""
        try:
            read()
        except CorruptError:
            if self._is_again and self._stored.get(Family.HEAD, self._key) == data:
                raise

    def _reader(self) -> ChangeReader:
        return ChangeReader(self._parts.bodies.reader(self._stored, *self._where), self.fetched)
