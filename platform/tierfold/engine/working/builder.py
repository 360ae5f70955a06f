"""A process that makes working sets and writes them as files, so that this one can go on.

Making one of 64 MB takes ten seconds and two gigabytes, most of it while holding the interpreter:
in a process of its own it delays nobody, and gives the memory back when it ends. A plain child,
since those of `multiprocessing` would import the caller's main module.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from tierfold.engine.working.job import Build
from tierfold.errors import OverloadError, TierfoldError

_ARGUMENTS = ("-P", "-m", "tierfold.engine.working.build_process")
_CHUNK_BYTES = 4 << 20  # packed at a time: the other threads have their turn between
_STOP_WAIT_S = 2.0
_RETRY_AFTER_S = 5


class Builder:
    """The parent's side: one build at a time, in a child that starts with the first.

    The child stays for the next build, but not behind a context of more than `kept_bytes_max`: then
    it has taken memory that only its end gives back.
    """

    def __init__(self, *, kept_bytes_max: int = 0, argv: tuple[str, ...] = _ARGUMENTS) -> None:
        self._argv = (sys.executable, *argv)
        self._kept_bytes_max = kept_bytes_max
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._child is None else self._child.pid

    def building(self, job: Build, path: Path, *, wait_s: float) -> Generator[None]:
        """Write the working set to a file; yields each time it was waited for so long.

        Raises what building raises, OSError where the file has no room, OverloadError where the
        child is lost. Closing the iterator stops the child.
        """
        is_done = False
        try:
            connection = self._started()
            for message in _messages(job, path):
                connection.send(message)
                yield
            while not connection.poll(wait_s):
                yield
            answer = connection.recv()
            is_done = True
        except (EOFError, ConnectionError) as error:
            raise OverloadError(retry_after_s=_RETRY_AFTER_S) from error
        finally:
            if not is_done or job.size_bytes > self._kept_bytes_max:
                self.close()
        if isinstance(answer, TierfoldError | OSError):
            raise answer

    def close(self) -> None:
        """End the child; the next build starts another."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(_STOP_WAIT_S)
        if self._connection is not None:
            self._connection.close()
        self._child = self._connection = None

    def _started(self) -> Connection:
        if self._connection is not None and self._child is not None and self._child.poll() is None:
            return self._connection
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            self._child = subprocess.Popen(  # noqa: S603  # our own module by our own interpreter
                (*self._argv, str(number)),
                stdin=subprocess.DEVNULL,
                pass_fds=(number,),
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self._connection = Connection(ours.detach())
        return self._connection


def _messages(job: Build, path: Path) -> Iterator[object]:
    """Yield what the child is sent: the job without bodies, then those, some at a time."""
    yield replace(job, bodies=()), str(path), len(job.bodies)
    chunk: list[bytes] = []
    size = 0
    for body in job.bodies:
        chunk.append(body)
        size += len(body)
        if size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def received(first: tuple[Build, str, int], connection: Connection) -> tuple[Build, Path]:
    """Return the job whose first message has come, the rest of it taken in; for the child."""
    job, path, count = first
    bodies: list[bytes] = []
    while len(bodies) < count:
        more: Sequence[bytes] = connection.recv()
        bodies.extend(more)
    return replace(job, bodies=tuple(bodies)), Path(path)
