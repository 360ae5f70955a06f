"""Folders of mapped working sets in shared memory, and those that dead processes have left there.

Whoever has a shard open holds a lock on its folder, which the kernel lets go when the process dies.
"""

import contextlib
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Self

_MODE = 0o700
_ATTEMPTS = 50  # while a sweeper of another store holds, and perhaps removes, the folder
_PAUSE_S = 0.01


class HeldFolder:
    """A folder that nobody sweeps while it is held; made by `hold`."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file: int | None = file

    @classmethod
    def hold(cls, path: Path) -> Self:
        """Make a folder, or take it over, and lock it; without a lock where others keep that."""
        for _ in range(_ATTEMPTS):
            path.mkdir(mode=_MODE, parents=True, exist_ok=True)
            file = _locked(path)
            if file is not None and _is_at(file, path):
                return cls(path, file)
            if file is not None:
                os.close(file)
            time.sleep(_PAUSE_S)
        return cls(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def remove(self) -> None:
        """Remove the folder and let go; a second time does nothing."""
        if self._file is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._file)
            self._file = None


def sweep_left(parent: Path, prefix: str) -> int:
    """Remove this user's folders that nobody holds; returns how many there were."""
    removed = 0
    for path in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another's, or gone this moment
            if path.is_symlink() or path.lstat().st_uid != os.getuid():
                continue
            removed += _is_swept(path)
    return removed


def _is_swept(path: Path) -> bool:
    file = _locked(path)
    if file is None:
        return False
    try:
        if not _is_at(file, path):
            return False
        shutil.rmtree(path)
        return True
    finally:
        os.close(file)


def _locked(path: Path) -> int | None:
    """Return an open folder that is locked; None where somebody else holds it, or it is gone."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def _is_at(file: int, path: Path) -> bool:
    """Return whether a path still leads to an open folder: it may have been swept meanwhile."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except OSError:
        return False
