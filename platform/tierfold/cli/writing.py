"""Where the result goes: stdout or a file, refused before the work where it cannot be written."""

import errno
import os
import sys
from collections.abc import Iterable

from tierfold.errors import CallerError, TierfoldError


def require_writable(name: str) -> None:
    """Refuse a place that cannot be written, and touch nothing: the work may still fail."""
    from pathlib import Path  # noqa: PLC0415  # 5 ms of start-up, and most calls name no file

    path = Path(name)
    if not name or not path.parent.is_dir():
        raise CallerError(_unwritable(name, OSError(errno.ENOENT, os.strerror(errno.ENOENT))))
    if path.is_dir():
        raise CallerError(_unwritable(name, OSError(errno.EISDIR, os.strerror(errno.EISDIR))))
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CallerError(_unwritable(name, OSError(errno.EACCES, os.strerror(errno.EACCES))))


def save(name: str, result: bytes) -> None:
    """Write the file; raises CallerError for its place, TierfoldError when the disk is full."""
    try:
        file = open(name, "wb")  # noqa: PTH123, SIM115  # as above; closed below
    except OSError as error:
        raise CallerError(_unwritable(name, error)) from error
    try:
        with file:
            file.write(result)
    except BrokenPipeError:  # a named pipe whose reader left ends as stdout does
        raise
    except OSError as error:
        raise TierfoldError(_unwritable(name, error)) from error


def to_stdout(chunks: Iterable[bytes]) -> None:
    """Write all of it; raises CallerError when stdout is closed, TierfoldError when it is full."""
    if sys.stdout is None:
        if any(True for _ in chunks):
            msg = "stdout is closed; -o FILE writes the result to a file"
            raise CallerError(msg)
        return
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:  # with PYTHONUNBUFFERED a write may be partial
                rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        leave_stdout()
        raise TierfoldError(_unwritable("stdout", error)) from error


def leave_stdout() -> None:
    """Point stdout at nothing, so that Python's own flush at exit stays silent."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _unwritable(name: str, error: OSError) -> str:
    return f"cannot write {name}: {(error.strerror or str(error)).lower()}"
