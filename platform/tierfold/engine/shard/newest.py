"""The newest items of a context, as many as there is time for.

With them come the rows of a chat that must stay whatever is left out: those of the system in front,
and the last one of a user, looked for near the end and near the begin. All names come too: handles
of what is not read are made of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from tierfold.context.canonical import json_of
from tierfold.context.manifest import Head, Shape
from tierfold.context.segment import PIECE_BYTES_MAX, Name, joined, pieces_in
from tierfold.engine.shard.bodies import BodyReader
from tierfold.engine.shard.names import names_between

LEADING_ROWS_MAX = 16  # looked at; one of the system that comes later is read only when it is new
USER_ROWS_MAX = 1024  # looked at behind the newest for the last row of a user
_AT_ONCE_MAX = 512  # items
_VERBATIM_ROLES = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class NewestRead:
    """What was read: which items, in order, and their whole bodies."""

    names: tuple[Name, ...]  # of all items
    indexes: tuple[int, ...]
    bodies: tuple[bytes, ...]


def read_newest(head: Head, reader: BodyReader, bytes_max: int) -> NewestRead:
    """Return the last items within the bytes; of a text one at least, which may be cut later."""
    names = names_between(head, 0, head.items, reader.bodies)
    reading = _Reading(names, reader, head.size_bytes // max(head.items, 1) + 1)
    bodies = reading.tail(bytes_max, items_min=head.shape is Shape.TEXT)
    if head.shape is Shape.MESSAGES:
        first = min(bodies, default=head.items)
        has_user = any(_role(body) == "user" for body in bodies.values())
        leading = reading.leading(first)
        bodies |= _of_system(leading)
        if not has_user:
            bodies |= reading.last_user(first, bytes_max) or _last_user(leading)
    indexes = tuple(sorted(bodies))
    return NewestRead(names, indexes, tuple(bodies[index] for index in indexes))


class _Reading:
    """Reads items of one context by their indexes, some at a time."""

    def __init__(self, names: Sequence[Name], reader: BodyReader, item_bytes: int) -> None:
        self._names = names
        self._reader = reader
        self._item_bytes = item_bytes  # about

    def tail(self, bytes_max: int, *, items_min: int) -> dict[int, bytes]:
        """Return the last items that fit together, the first that does not ends them."""
        found: dict[int, bytes] = {}
        room = bytes_max
        for index, own in self._backwards(len(self._names), bytes_max):
            size_bytes = _size_bytes(own)
            if size_bytes > room and len(found) >= items_min:
                break
            found[index] = self._whole(own)
            room -= size_bytes
        return found

    def leading(self, stop: int) -> dict[int, bytes]:
        """Return the first rows, up to an index."""
        names = self._names[: min(stop, LEADING_ROWS_MAX)]
        own = self._reader.bodies(names)
        return {index: self._whole(own[name]) for index, name in enumerate(names)}

    def last_user(self, stop: int, bytes_max: int) -> dict[int, bytes]:
        """Return the last row of a user in front of an index, where it is near and no giant."""
        for index, own in self._backwards(stop, bytes_max):
            if stop - index > USER_ROWS_MAX or _size_bytes(own) > max(bytes_max, PIECE_BYTES_MAX):
                break
            body = self._whole(own)
            if _role(body) == "user":
                return {index: body}
        return {}

    def _backwards(self, stop: int, bytes_max: int) -> Iterator[tuple[int, bytes]]:
        """Yield items' own bodies with their indexes, the last first."""
        while stop:
            start = max(0, stop - min(max(bytes_max // self._item_bytes, 1), _AT_ONCE_MAX))
            names = self._names[start:stop]
            own = self._reader.bodies(names)
            for index in range(stop - 1, start - 1, -1):
                yield index, own[self._names[index]]
            stop = start

    def _whole(self, own: bytes) -> bytes:
        pieces = pieces_in(own)
        if not pieces:
            return own
        bodies = self._reader.bodies(pieces)
        return joined([bodies[piece] for piece in pieces])


def _of_system(rows: dict[int, bytes]) -> dict[int, bytes]:
    """Return the rows in front of the first that is not of the system."""
    return dict(takewhile(lambda row: _role(row[1]) in _VERBATIM_ROLES, rows.items()))


def _last_user(rows: dict[int, bytes]) -> dict[int, bytes]:
    """Return the last row of a user among these, if there is one."""
    users = [index for index, body in rows.items() if _role(body) == "user"]
    return {index: rows[index] for index in users[-1:]}


def _size_bytes(own: bytes) -> int:
    """Return the bytes of an item, an upper bound where it is split."""
    return len(pieces_in(own)) * PIECE_BYTES_MAX or len(own)


def _role(body: bytes) -> str:
    role = json_of(body).get("role")
    return role if isinstance(role, str) else ""
