"""Opening a RocksDB database: what is there, whether its logs are whole, who else has it."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rocksdict import Cache, ColumnFamily, Options, Rdict

from tierfold.errors import SetupError, UnopenableError
from tierfold.ports import Family
from tierfold.storage.durable import make_folder
from tierfold.storage.rocks_errors import is_damage, is_in_use, open_error
from tierfold.storage.rocks_settings import (
    RocksSettings,
    database_options,
    family_options,
    until_damage,
)
from tierfold.storage.write_log import LogDamage, log_damage

_MARK = "CURRENT"  # RocksDB writes it last when it creates a database
_UNFINISHED = re.compile(r"LOCK|LOG.*|IDENTITY|MANIFEST-.*|OPTIONS-.*|.*\.dbtmp|rocksdict-.*")
_HOLDS_DATA = re.compile(r".*\.(sst|log)")

_ATTEMPTS = 100  # while readers of the same process let go of it
_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDatabase:
    """A database and its families; it is closed when the last of them and all scans are gone."""

    database: Rdict
    readers: dict[Family, Rdict]
    handles: dict[Family, ColumnFamily]
    options: Options


def opened_database(
    path: Path, settings: RocksSettings, cache: Cache, *, is_again: bool = False
) -> OpenedDatabase:
    """Open or create a database; raises SetupError, UnopenableError, StorageFullError.

    With `is_again` it waits for what is left of this process's own earlier opening.
    """
    try:
        _require_place(path)
    except OSError as error:
        raise open_error(error, path) from error
    options = database_options(settings)
    try:
        return _patiently(
            lambda: _opened(path, options, settings, cache), _ATTEMPTS if is_again else 1
        )
    except Exception as error:
        if not is_damage(error):
            raise open_error(error, path) from error
        damage = log_damage(path)
        if damage is not LogDamage.TAIL:
            raise _damaged(error, path, damage) from error
    try:
        return _opened(path, until_damage(options), settings, cache)
    except Exception as error:
        raise open_error(error, path) from error


def _damaged(error: Exception, path: Path, damage: LogDamage) -> Exception:
    if damage is LogDamage.NONE:
        return open_error(error, path)
    problem = "its log of changes is damaged before its end, and changes behind that would be lost"
    return UnopenableError(what=str(path), problem=problem)


def _require_place(path: Path) -> None:
    """Check that the folder is a database or may become one."""
    if path.exists() and not path.is_dir():
        problem = f"{path} is a file: a store needs a folder"
        raise SetupError(problem)
    make_folder(path)
    names = [each.name for each in path.iterdir()]
    if _MARK in names:
        return
    if any(map(_HOLDS_DATA.fullmatch, names)):
        raise UnopenableError(what=str(path), problem=f"its file {_MARK} is missing")
    foreign = [name for name in names if not _UNFINISHED.fullmatch(name)]
    if foreign:
        problem = f"{path} holds other files ({min(foreign)}): a store needs a folder of its own"
        raise SetupError(problem)


def _patiently(opened: Callable[[], OpenedDatabase], attempts: int) -> OpenedDatabase:
    for _ in range(attempts - 1):
        try:
            return opened()
        except Exception as error:
            if not is_in_use(error):
                raise
        time.sleep(_PAUSE_S)
    return opened()


def _opened(path: Path, options: Options, settings: RocksSettings, cache: Cache) -> OpenedDatabase:
    families = {family.value: family_options(family, settings, cache) for family in Family}
    database = Rdict(
        str(path), options, column_families={"default": Options(raw_mode=True), **families}
    )
    return OpenedDatabase(
        database=database,
        readers={family: database.get_column_family(family.value) for family in Family},
        handles={family: database.get_column_family_handle(family.value) for family in Family},
        options=options,
    )
