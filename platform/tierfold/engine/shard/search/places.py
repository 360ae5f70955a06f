"""Where a segment stands: in which context, at which index, under which handle."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice

from tierfold.context.handle import Handle, check_of
from tierfold.context.manifest import Head
from tierfold.context.segment import NAME_BYTES, Name
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.heads import is_over
from tierfold.engine.shard.keys import head_key, name_prefix, split_reference
from tierfold.engine.shard.names import ReadBodies, names_between
from tierfold.engine.shard.settled import Settled
from tierfold.ports import Family, KeyValues, WallClock

CONTEXTS_TRIED_MAX = 16  # of those that share a segment
ITEMS_SOUGHT_MAX = 65_536  # from the end of a context in which the item moved
LISTS_KEPT = 8  # of names that were sought through, at most 1 MiB each


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlace:
    """An item of a context as it is now."""

    context: str  # id
    index: int
    handle: str


class Places:
    """Finds the contexts that need a segment now; any thread may use it at any time."""

    def __init__(
        self, values: KeyValues, settled: Settled, bodies: Bodies, wall: WallClock
    ) -> None:
        self._values = values
        self._settled = settled
        self._bodies = bodies
        self._wall = wall
        self._lock = threading.Lock()
        self._lists: OrderedDict[tuple[str, bytes, bytes], bytes] = OrderedDict()

    def find(self, tenant: str, name: Name, position: int) -> ItemPlace | None:
        """Return a place of the segment, believed to be at `position`; None where it has none."""
        scan = self._values.scan(Family.REFERENCE, name_prefix(tenant, name))
        for key, _ in islice(scan, CONTEXTS_TRIED_MAX):
            _, _, digest = split_reference(key)
            head = self._head(tenant, digest)
            index = None if head is None else self._index(tenant, digest, head, name, position)
            if head is not None and index is not None:
                handle = Handle(digest=digest, first=index, count=1, check=check_of([name]))
                return ItemPlace(context=head.id, index=index, handle=handle.encode())
        return None

    def _head(self, tenant: str, digest: bytes) -> Head | None:
        value = self._settled.get(Family.HEAD, head_key(tenant, digest))
        head = None if value is None else Head.decode(value)
        return None if head is None or is_over(head, self._wall.unix_ms()) else head

    def _index(
        self, tenant: str, digest: bytes, head: Head, name: Name, position: int
    ) -> int | None:
        read = self._bodies.reader(self._values, tenant, digest).bodies
        if 0 <= position < head.items:
            (there,) = names_between(head, position, position + 1, read)
            if there == name:
                return position
        first = max(0, head.items - ITEMS_SOUGHT_MAX)
        at = _place_in(self._listed((tenant, digest, head.chain), head, first, read), name)
        return None if at is None else first + at

    def _listed(
        self, key: tuple[str, bytes, bytes], head: Head, first: int, read: ReadBodies
    ) -> bytes:
        """Return the names of a context from an item on, one after another."""
        with self._lock:
            known = self._lists.get(key)
        if known is None:
            known = b"".join(names_between(head, first, head.items, read))
            with self._lock:
                self._lists[key] = known
                while len(self._lists) > LISTS_KEPT:
                    self._lists.popitem(last=False)
        return known


def _place_in(listed: bytes, name: Name) -> int | None:
    """Return which of the names it is; a match across the border of two is none."""
    at = listed.find(name)
    while at >= 0 and at % NAME_BYTES:
        at = listed.find(name, at + 1)
    return None if at < 0 else at // NAME_BYTES
