"""One process per store folder: a lock that the kernel lets go when its holder dies."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tierfold.errors import SetupError, StoreLockedError
from tierfold.storage.durable import make_folder

LOCK_NAME = "lock.json"

_READ_BYTES_MAX = 4096
_ATTEMPTS = 5
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a store open."""

    pid: int
    url: str | None = None  # where it answers, once it does
    born: int | None = None  # when it took the lock, in milliseconds since 1970


class StoreLock:
    """Holds a store folder; made by `acquire`."""

    def __init__(self, path: Path, file: int, holder: Holder) -> None:
        self.path = path
        self.holder = holder
        self._file: int | None = file
        self._write()

    @classmethod
    def acquire(cls, path: str | Path, url: str | None = None, *, born: int | None = None) -> Self:
        """Take a folder, which is created; raises StoreLockedError where another has it."""
        folder = Path(path)
        try:
            make_folder(folder)
            file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            problem = f"{folder} cannot be a store: {os.strerror(error.errno or 0)}"
            raise SetupError(problem) from error
        if not _is_taken_by_us(file):
            os.close(file)
            holder = _read(folder) or Holder(pid=0)
            raise StoreLockedError(str(folder), pid=holder.pid, url=holder.url)
        return cls(folder, file, Holder(pid=os.getpid(), url=url, born=born))

    def announce(self, url: str | None) -> None:
        """Tell others where this process answers."""
        self.holder = Holder(pid=self.holder.pid, url=url, born=self.holder.born)
        self._write()

    def release(self) -> None:
        """Let go; a second time does nothing. The file stays: others may just be opening it."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _write(self) -> None:
        """Write who holds it in one call, so that a reader sees the old or the new text."""
        if self._file is not None:
            text = json.dumps(asdict(self.holder)).encode()
            size = os.fstat(self._file).st_size
            os.pwrite(self._file, text.ljust(size), 0)


def read_holder(path: str | Path) -> Holder | None:
    """Return who has a store open; None where nobody has, or the folder is no store."""
    try:
        file = os.open(Path(path) / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(Path(path)) or Holder(pid=0)
    finally:
        os.close(file)
    return None


def _is_taken_by_us(file: int) -> bool:
    """Take the lock; whoever just asks for its holder has it too, for a moment."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        else:
            return True
    return False


def _read(folder: Path) -> Holder | None:
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            said = json.loads(file.read(_READ_BYTES_MAX))
        return Holder(pid=said["pid"], url=said["url"], born=said["born"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
