"""What is left of a database that does not open, as a new one beside it; the old one is only read.

RocksDB's repair keeps every table that can be read from end to end and takes the whole rest for
lost. Alone it would bring back tables that were replaced long ago, and lose what is only in the log
of a family that has no table: so the copy is opened first, damaged tables and all.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rocksdict import Cache, DBRecoveryMode, Options, Rdict

from tierfold.ports import Family
from tierfold.storage.durable import make_folder, sync_folder
from tierfold.storage.rocks_errors import open_error
from tierfold.storage.rocks_settings import RocksSettings, database_options, family_options
from tierfold.storage.write_log import LogDamage, log_damage

_TABLE = ".sst"
_LEFT = ("LOCK", "LOG", "lost")  # RocksDB's own lock and prose
_LOST = "lost"  # where its repair puts what it cannot read


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What could not be taken over."""

    tables: tuple[str, ...]  # names of files
    is_log_damaged: bool
    is_list_damaged: bool  # which tables are live was not to be known

    @property
    def damage(self) -> Iterator[str]:
        """What is wrong, a line for each."""
        for name in self.tables:
            yield f"table {name} cannot be read"
        if self.is_log_damaged:
            yield "a log of changes is damaged before its end"
        if self.is_list_damaged:
            yield "RocksDB's list of its tables is damaged or missing"


def salvage(folder: Path, into: Path) -> Salvaged:
    """Make a database of all that another one, which nobody has open, still gives.

    `into` is a folder of the same disk that is not there yet: tables are linked, not copied.
    Raises CorruptError where nothing comes of it, StorageFullError, SetupError.
    """
    try:
        _copy(folder, into)
        is_log_damaged = log_damage(into) is LogDamage.MIDDLE
    except OSError as error:
        raise open_error(error, into) from error
    is_list_damaged = not _is_settled(into)
    _done(lambda: Rdict.repair(str(into), _lenient(create=True)), into)
    lost = sorted(each.name for each in into.glob(f"{_LOST}/*{_TABLE}"))
    shutil.rmtree(into / _LOST, ignore_errors=True)
    _done(lambda: sync_folder(into), into)
    return Salvaged(
        tables=tuple(lost), is_log_damaged=is_log_damaged, is_list_damaged=is_list_damaged
    )


def _copy(folder: Path, into: Path) -> None:
    make_folder(into)
    for each in folder.iterdir():
        if each.name.startswith(_LEFT) or not each.is_file():
            continue
        if each.suffix == _TABLE:
            _link(each, into / each.name)
        else:
            shutil.copyfile(each, into / each.name)


def _link(path: Path, target: Path) -> None:
    """Give a table a second name; RocksDB never writes into one that is finished."""
    try:
        os.link(path, target)
    except OSError:  # a file system without links
        shutil.copyfile(path, target)


def _is_settled(folder: Path) -> bool:
    """Write the copy's logs into tables and drop those that are replaced; whether that works."""
    cache = Cache(RocksSettings().cache_bytes)
    families = {family.value: _still(family, cache) for family in Family}
    try:
        database = Rdict(
            str(folder),
            _lenient(create=False),
            column_families={"default": Options(raw_mode=True), **families},
        )
        with contextlib.suppress(Exception):  # the repair reads the logs that are left
            for family in Family:
                database.get_column_family(family.value).flush()
        database.cancel_all_background(wait=True)  # it closes when nobody holds it any more
    except Exception:  # noqa: BLE001  # RocksDB's own have no class
        return False
    return True


def _lenient(*, create: bool) -> Options:
    """Return options that open what is damaged, and take all records of the logs that are sound."""
    options = database_options(RocksSettings())
    options.create_if_missing(create_if_missing=create)
    options.set_paranoid_checks(enabled=False)
    options.set_wal_recovery_mode(DBRecoveryMode.skip_any_corrupted_record())
    return options


def _still(family: Family, cache: Cache) -> Options:
    """Return a family's options that rewrite no table: a damaged one would stop it."""
    options = family_options(family, RocksSettings(), cache)
    options.set_disable_auto_compactions(disable=True)
    return options


def _done(action: Callable[[], None], folder: Path) -> None:
    try:
        action()
    except Exception as error:
        raise open_error(error, folder) from error
