"""RocksDB's failures in our words: it raises plain exceptions that differ in their text only."""

from pathlib import Path

from tierfold.errors import (
    CorruptError,
    SetupError,
    StorageFullError,
    TierfoldError,
    UnopenableError,
)

# A limit of the process or a quota is a full disk to whoever writes.
_FULL = ("No space left", "File too large", "Disk quota exceeded", "NoSpace")
_IN_USE = ("lock hold by current process", "LOCK: Resource temporarily unavailable")
_UNKNOWN_FAMILIES = "Column families not opened"


def is_full(error: Exception) -> bool:
    """Return whether the disk took nothing more."""
    return any(sign in str(error) for sign in _FULL)


def is_in_use(error: Exception) -> bool:
    """Return whether somebody else has the database open."""
    return any(sign in str(error) for sign in _IN_USE)


def is_damage(error: Exception) -> bool:
    """Return whether stored bytes are not what was written."""
    return str(error).startswith("Corruption")


def read_error(error: Exception, what: str, *, key: bytes | None = None) -> TierfoldError:
    """Return what a failed read raises."""
    problem = "its table is damaged" if is_damage(error) else "the disk does not give it back"
    return CorruptError(what=what, problem=problem, key=key)


def write_error(error: Exception, path: Path) -> TierfoldError:
    """Return what a failed write raises."""
    if is_full(error):
        return StorageFullError(str(path))
    if is_damage(error):
        return CorruptError(what=str(path), problem="RocksDB found damaged tables while writing")
    problem = f"{path} cannot be written ({_short(error)}): look after its disk"
    return SetupError(problem)


def open_error(error: Exception, path: Path) -> TierfoldError:
    """Return what a database that cannot be opened raises."""
    if is_full(error):
        return StorageFullError(str(path))
    if is_in_use(error):
        return SetupError(f"{path} is open in another process: close it there first")
    if _UNKNOWN_FAMILIES in str(error):
        return SetupError(f"{path} holds more than this tierfold knows: install a newer one")
    if is_damage(error):
        return UnopenableError(what=str(path), problem=f"it cannot be opened ({_short(error)})")
    return SetupError(f"{path} cannot be opened ({_short(error)})")


def _short(error: Exception) -> str:
    """Return the first line: the rest may run on for pages."""
    return str(error).split("\n", 1)[0][:200]
