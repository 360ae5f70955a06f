"""One run over the keys of a RocksDB family, as they were when it began."""

from collections.abc import Iterator

from rocksdict import Rdict, RdictIter

from tierfold.errors import ShardUnavailableError
from tierfold.ports import Family
from tierfold.storage.envelope import named, unwrap
from tierfold.storage.memory import beyond
from tierfold.storage.rocks_errors import read_error


class RocksScan(Iterator[tuple[bytes, bytes]]):
    """Yields keys and values; holds the database open until its end or `release`.

    RocksDB's cursor ends at damage as at the end of the keys, and tells only who asks for its
    status: rocksdict's own iterators do not ask. Bounds that are set through rocksdict end a scan
    at wrong keys, so the prefix is compared here.
    """

    def __init__(
        self, reader: Rdict, family: Family, prefix: bytes, *, after: bytes, descending: bool
    ) -> None:
        cursor = reader.iter()
        if descending:
            _place_at_last(cursor, prefix, after)
        else:
            _place_at_first(cursor, prefix, after)
        self._move = cursor.prev if descending else cursor.next
        self._cursor: RdictIter | None = cursor
        self._family = family
        self._prefix = prefix
        self._last = after
        self._is_released = False

    def __next__(self) -> tuple[bytes, bytes]:
        cursor = self._cursor
        if cursor is None:
            raise self._end()
        if not cursor.valid() or not cursor.key().startswith(self._prefix):
            self._let_go()
            damage, cursor = _damage(cursor), None
            if damage is not None:
                what = f"what follows {named(self._family, self._last)}"
                raise read_error(damage, what) from damage
            raise StopIteration
        key, stored = cursor.key(), cursor.value()
        self._move()
        self._last, cursor = key, None  # errors carry this frame, and may be kept
        return key, unwrap(self._family, key, stored)

    def release(self) -> None:
        """End it, because the database closes."""
        self._is_released = True
        self._let_go()

    def _let_go(self) -> None:
        self._cursor = None
        self._move = _stay

    def _end(self) -> Exception:
        return ShardUnavailableError() if self._is_released else StopIteration()


def _damage(cursor: RdictIter) -> Exception | None:
    """Return why it ended, where that is not the end of the keys."""
    try:
        cursor.status()
    except Exception as error:  # noqa: BLE001  # RocksDB's own have no class
        return error.with_traceback(None)
    return None


def _place_at_first(cursor: RdictIter, prefix: bytes, after: bytes) -> None:
    cursor.seek(max(prefix, after))
    if after and cursor.valid() and cursor.key() == after:
        cursor.next()


def _place_at_last(cursor: RdictIter, prefix: bytes, after: bytes) -> None:
    end = beyond(prefix)
    start = min(filter(None, (end, after)), default=None)
    if start is None:
        cursor.seek_to_last()
        return
    cursor.seek_for_prev(start)
    if cursor.valid() and cursor.key() == start:
        cursor.prev()


def _stay() -> None:
    pass
