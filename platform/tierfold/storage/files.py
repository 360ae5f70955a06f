"""Objects as files of a folder, written so that they last: file and folder are both synced."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import mkstemp
from typing import TypeVar

from tierfold.errors import ObjectStoreError
from tierfold.storage.durable import make_folder, sync_folder
from tierfold.storage.object_key import checked_key, checked_prefix

T = TypeVar("T")

_ARRIVING = ".arriving"  # no key begins with a dot
_ATTEMPTS = 3  # while others delete the folder that has just become empty


class FileObjects:
    """An object store in a folder that several processes may share.

    An object appears whole, under its final name, or not at all. A key must not be the folder of
    another one.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root).absolute()
        self._done(self._prepare)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._root.as_uri()

    def put_new(self, key: str, body: bytes) -> bool:
        """Store an object durably unless the key is taken; False where it is."""
        target = self._root / checked_key(key)
        return self._done(lambda: self._put(target, body))

    def get(self, key: str) -> bytes | None:
        """Return an object, or None."""
        path = self._root / checked_key(key)
        try:
            return self._done(path.read_bytes)
        except _AbsentError:
            self._require_root()
            return None

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in order."""
        checked_prefix(prefix)
        self._require_root()
        folder = prefix.rpartition("/")[0]
        return (key for key in self._below(folder) if key.startswith(prefix))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, whether or not they are there, and the folders they leave empty."""
        paths = [self._root / checked_key(key) for key in keys]
        self._done(lambda: self._delete(paths))

    def close(self) -> None:
        """Nothing has to stop."""

    def _prepare(self) -> None:
        """Create the folder, and remove what writers that died have left."""
        make_folder(self._root / _ARRIVING)
        for left in (self._root / _ARRIVING).iterdir():
            with contextlib.suppress(FileNotFoundError):
                _remove_unless_locked(left)

    def _require_root(self) -> None:
        """Tell an object that is not there from a disk that is not there."""
        if not (self._root / _ARRIVING).is_dir():
            raise ObjectStoreError(url=self.url, problem="its folder has gone")

    def _put(self, target: Path, body: bytes) -> bool:
        file, name = mkstemp(dir=self._root / _ARRIVING)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            with os.fdopen(os.dup(file), "wb") as writer:
                writer.write(body)
            os.fsync(file)
            is_new = _linked(name, target)
        finally:
            os.unlink(name)  # noqa: PTH108  # `mkstemp` gives a string
            os.close(file)
        sync_folder(target.parent)  # whoever was first may not have come so far
        return is_new

    def _delete(self, paths: Sequence[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            _sync_or_remove(folder, self._root)

    def _below(self, folder: str) -> Iterator[str]:
        """Yield the keys of a folder in the order of whole keys, where `a-b` is before `a/b`."""
        for name in self._done(lambda: _names(self._root / folder)):
            key = f"{folder}/{name}" if folder else name
            if name.endswith("/"):
                yield from self._below(key[:-1])
            else:
                yield key

    def _done(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise _AbsentError(url=self.url, problem="a folder of it has gone") from error
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else "the disk fails"
            raise ObjectStoreError(url=self.url, problem=problem) from error


class _AbsentError(ObjectStoreError):
    """What was looked for is not there."""


def _names(folder: Path) -> list[str]:
    """Return what is in a folder, folders with a slash behind them, in order."""
    try:
        with os.scandir(folder) as entries:
            found = [each.name + "/" * each.is_dir() for each in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if not name.startswith("."))


def _linked(name: str, target: Path) -> bool:
    """Give a file its final name unless that is taken."""
    for _ in range(_ATTEMPTS - 1):
        make_folder(target.parent)
        with contextlib.suppress(FileNotFoundError):
            return _link(name, target)
    make_folder(target.parent)
    return _link(name, target)


def _link(name: str, target: Path) -> bool:
    try:
        os.link(name, target)
    except FileExistsError:
        return False
    return True


def _remove_unless_locked(path: Path) -> None:
    """Remove a file that no process is writing: the lock of a dead one is free."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return
    finally:
        os.close(file)


def _sync_or_remove(folder: Path, root: Path) -> None:
    """Make a folder's deletions last: remove it while it is empty, and those above it."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            break
        folder = folder.parent
    with contextlib.suppress(FileNotFoundError):
        sync_folder(folder)
