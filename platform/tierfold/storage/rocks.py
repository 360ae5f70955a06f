"""Key-values in RocksDB: one database per shard, one column family per family."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

from rocksdict import Cache, Rdict, WriteBatch

from tierfold.errors import ShardUnavailableError, StorageFullError, TierfoldError
from tierfold.ports import Batch, Family
from tierfold.storage.envelope import named, unwrap, wrap
from tierfold.storage.rocks_errors import read_error, write_error
from tierfold.storage.rocks_opening import OpenedDatabase, opened_database
from tierfold.storage.rocks_scan import RocksScan
from tierfold.storage.rocks_settings import (
    RocksSettings,
    compact_options,
    family_options,
    write_options,
)
from tierfold.storage.room import free_bytes, has_room

_RECOVERY_BYTES = 4 * 1024 * 1024  # of opening, besides the tables it makes of the logs
_PROBE = "room.dbtmp"
_TABLE, _CHANGES = ".sst", ".log"
_LIVE_BYTES = "rocksdb.live-sst-files-size"
_MEMORY_BYTES = "rocksdb.cur-size-all-mem-tables"
_TABLES = "rocksdb.aggregated-table-properties"
_DELETIONS = re.compile(r"# deletions=(\d+)")
_RESERVE_SHARE = 0.25  # of the floor of free space: kept from what makes room too


class RocksKeyValues:
    """Ordered maps on one disk; many threads read while one writes.

    A durable write is one to the log and then an fsync of it: in this order because rocksdict lets
    other threads run during the second call alone. Readers see a change between the two.

    After a failed write RocksDB refuses all further ones, though it goes on reading. It is opened
    anew by the next write that finds room for that on the disk; scans that are under way then end
    with ShardUnavailableError. After a failed fsync it is opened anew by whoever comes next: what
    its log has by then is the truth, and not what memory has.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        settings: RocksSettings | None = None,
        free_bytes: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.path = Path(path)
        self._settings = settings or RocksSettings()
        self._free_bytes = free_bytes
        self._cache = Cache(self._settings.cache_bytes)
        self._logged = write_options()
        self._compacting, self._writing = Lock(), Lock()  # taken in this order
        self._listing = Lock()
        self._scans: WeakSet[RocksScan] = WeakSet()  # each holds the database open
        self._has_failed = self._is_closed = False
        self._opened: OpenedDatabase | None = None
        self._readers: dict[Family, Rdict] = {}  # empty while nothing is open
        self._open()

    def get(self, family: Family, key: bytes) -> bytes | None:
        """Return a value, or None."""
        try:
            stored = (self._readers.get(family) or self._awaited(family)).get(key)
        except TierfoldError:
            raise
        except Exception as error:
            raise read_error(error, named(family, key), key=key) from error
        return None if stored is None else unwrap(family, key, stored)

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys in their order."""
        wanted: list[Any] = list(keys)
        try:
            found = (self._readers.get(family) or self._awaited(family)).get(wanted)
        except TierfoldError:
            raise
        except Exception:  # noqa: BLE001  # it does not say which: one at a time names it
            return [self.get(family, key) for key in wanted]
        return [
            None if stored is None else unwrap(family, key, stored)
            for key, stored in zip(wanted, found or (), strict=True)
        ]

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with the prefix, and their values, as they are now, in order."""
        reader = self._readers.get(family) or self._awaited(family)
        scan = RocksScan(reader, family, prefix, after=after, descending=descending)
        with self._listing:
            self._scans.add(scan)
        if not self._readers:  # let go of meanwhile
            scan.release()
        return scan

    def write(self, batch: Batch, *, durable: bool = True) -> None:
        """Make the changes; raises StorageFullError before the disk is really full."""
        self._require_room(batch)
        with self._writing:
            self._require_done(self._failure(batch))
            if durable:
                self._require_synced()

    def drop(self, family: Family) -> None:
        """Forget all of a family and give its space back: for what can be made again."""
        with self._writing:
            self._require_done(self._failure_to_drop(family))

    def compact(self, *, deleted_only: bool = False) -> None:
        """Write all that is live into fresh tables and delete the rest; reads and writes go on.

        With `deleted_only` tables are merged with those below them where something was deleted.
        """
        with self._compacting:
            with self._writing:
                self._writable()
            for family in Family:
                try:
                    self._compact(self._awaited(family), deleted_only=deleted_only)
                except TierfoldError:
                    raise
                except Exception as error:  # noqa: BLE001  # as below
                    if self._is_closed:
                        return
                    self._require_done(error)

    def has_room(self) -> bool:
        """Return whether the disk is above the floor at which only deletions are taken."""
        floor = self._settings.free_bytes_min
        return not floor or self._free_bytes(self.path) >= floor

    def size_bytes(self) -> dict[Family, int]:
        """Return the bytes of each family's tables, and its share of the logs' that are in none.

        RocksDB says how much memory a family's changes have been given, which is more than they
        take; together they take what the logs hold, or less where some are in tables already.
        """
        tables, memory = self._property(_LIVE_BYTES), self._property(_MEMORY_BYTES)
        given = sum(memory.values())
        share = min(1.0, self._changes_bytes() / given) if given else 0.0
        return {family: tables[family] + int(memory[family] * share) for family in Family}

    def log_bytes(self) -> int:
        """Return the bytes of all files that are no tables: changes, RocksDB's own lists, prose."""
        return self._files_bytes(lambda each: each.suffix != _TABLE)

    def _property(self, name: str) -> dict[Family, int]:
        return {family: self._awaited(family).property_int_value(name) or 0 for family in Family}

    def _changes_bytes(self) -> int:
        """Return the bytes of the logs of changes."""
        return self._files_bytes(lambda each: each.suffix == _CHANGES)

    def _files_bytes(self, is_counted: Callable[[Path], bool]) -> int:
        sizes = 0
        for each in filter(is_counted, self.path.iterdir()):
            with contextlib.suppress(FileNotFoundError):  # RocksDB deletes as we look
                sizes += each.stat().st_size
        return sizes

    def statistics(self) -> str:
        """Return RocksDB's own counts; nothing unless the settings ask for them."""
        opened = self._opened
        return (opened and opened.options.get_statistics()) or ""

    def close(self) -> None:
        """Write what is in memory into tables, so that the next opening has little to do."""
        opened = self._opened
        if self._is_closed or opened is None:
            self._is_closed = True
            return
        self._is_closed = True
        if self._compacting.locked():
            opened.database.cancel_all_background(wait=True)
        with self._compacting, self._writing:
            if not self._has_failed:
                for reader in opened.readers.values():
                    with contextlib.suppress(Exception):  # the log has it all
                        reader.flush()
            del opened
            self._let_go()

    def _compact(self, reader: Rdict, *, deleted_only: bool) -> None:
        reader.flush()
        if not deleted_only:
            reader.compact_range(None, None, compact_options())
        elif _has_deletions(reader):
            reader.compact_range(None, None)

    def _failure(self, batch: Batch) -> Exception | None:
        """Make the changes; return what RocksDB raised, free of whatever holds the database."""
        opened = self._writable()
        rows, handles = WriteBatch(raw_mode=True), opened.handles
        for (family, key), value in batch.puts.items():
            if value is None:
                rows.delete(key, handles[family])
            else:
                rows.put(key, wrap(family, key, value), handles[family])
        try:
            opened.database.write(rows, self._logged)
        except Exception as error:  # noqa: BLE001  # RocksDB's own have no class
            return error.with_traceback(None)
        return None

    def _failure_to_drop(self, family: Family) -> Exception | None:
        opened = self._writable()
        options = family_options(family, self._settings, self._cache)
        try:
            opened.database.drop_column_family(family.value)
            opened.readers[family] = opened.database.create_column_family(family.value, options)
        except Exception as error:  # noqa: BLE001  # as above
            return error.with_traceback(None)
        opened.handles[family] = opened.database.get_column_family_handle(family.value)
        self._readers = dict(opened.readers)
        return None

    def _require_done(self, failure: Exception | None) -> None:
        if failure is not None:
            self._has_failed = True
            raise write_error(failure, self.path) from failure

    def _require_synced(self) -> None:
        """Wait for the disk; where it fails, nothing that waited for it is shown any more."""
        failure = self._failure_to_sync()
        if failure is not None:
            self._give_up()
            self._require_done(failure)

    def _failure_to_sync(self) -> Exception | None:
        opened = self._writable()
        try:
            opened.database.flush_wal(sync=True)
        except Exception as error:  # noqa: BLE001  # as above
            return error.with_traceback(None)
        return None

    def _require_room(self, batch: Batch) -> None:
        floor = self._settings.free_bytes_min
        if not floor:
            return
        free = self._free_bytes(self.path)
        if free >= floor or (batch.makes_room and free >= floor * _RESERVE_SHARE) or batch.is_lean:
            return
        raise StorageFullError(str(self.path), free_bytes=free, floor_bytes=floor)

    def _writable(self) -> OpenedDatabase:
        """Return the open database, opened anew when a write has failed."""
        if self._is_closed:
            raise ShardUnavailableError
        if self._has_failed:
            needed = self.log_bytes() + _RECOVERY_BYTES
            if not has_room(self.path / _PROBE, needed):
                raise StorageFullError(str(self.path))
            self._give_up()
        return self._opened or self._open(is_again=True)

    def _awaited(self, family: Family) -> Rdict:
        """Return a reader once the database is open again."""
        reader = self._readers.get(family)
        if reader is None:
            with self._writing:
                if self._is_closed:
                    raise ShardUnavailableError
                reader = (self._opened or self._open(is_again=True)).readers[family]
        return reader

    def _open(self, *, is_again: bool = False) -> OpenedDatabase:
        opened = opened_database(self.path, self._settings, self._cache, is_again=is_again)
        self._opened, self._has_failed = opened, False
        self._readers = dict(opened.readers)
        return opened

    def _give_up(self) -> None:
        """Let go of a database that has failed."""
        if self._opened is not None:
            self._opened.database.cancel_all_background(wait=True)  # or it stays open
        self._let_go()

    def _let_go(self) -> None:
        """Drop all that keeps the database open, except what other threads are just reading.

        rocksdict's own `close` fails while another thread reads, and leaves the database open.
        """
        self._readers = {}
        self._opened = None
        with self._listing:
            for scan in self._scans:
                scan.release()


def _has_deletions(reader: Rdict) -> bool:
    """Return whether some table of a family says that something was deleted."""
    counted = _DELETIONS.search(reader.property_value(_TABLES) or "")
    return counted is None or int(counted[1]) > 0
