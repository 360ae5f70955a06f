"""A process of our own for large bodies, so that parsing them never holds the gateway's GIL.

Parent and child speak frames over the child's stdin and stdout: a length-prefixed JSON header and
a length-prefixed body. A plain child rather than `multiprocessing`: inside a Ray worker a spawned
process would import Ray's worker script again, and only a process can be stopped in mid-step.
"""

import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any, Protocol, cast

import orjson

from tierfold_actors.answering import Answering, Call, Reply, problem_reply
from tierfold_actors.problems import WorkerLostError

_LENGTHS = struct.Struct("!IQ")  # bytes of the header, bytes of the body
_ARGUMENTS = ("-P", "-m", "tierfold_actors.worker_process")
_CANCEL_CHECK_MS = 50
_CALLS_MAX = 100  # then a fresh process gives its memory back
_STOP_WAIT_S = 2.0
_NICENESS = 5  # health checks come first on a machine with few cores


class Cancellable(Protocol):
    """Something whose caller may have gone."""

    is_cancelled: bool


class LostError(Exception):
    """The child ended in the middle of a frame."""


class WorkerProcess:
    """The parent's side: one child, started at once, replaced when it dies or must stop."""

    def __init__(self, argv: tuple[str, ...] = _ARGUMENTS) -> None:
        self._argv = (sys.executable, *argv)
        self._is_ready = False
        self._calls = 0
        self._child = self._start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def replies(self, call: Call, caller: Cancellable) -> Iterator[Reply]:
        """Yield the child's replies; kills it when the caller has gone, and starts another."""
        if self._child.poll() is not None or self._calls >= _CALLS_MAX:
            self._replace()
        self._calls += 1
        is_done = False
        try:
            self._wait_until_ready(caller)
            write_frame(self._stdin, _call_header(call), call.body)
            while not is_done:
                reply = self._read_reply(caller)
                if reply is None:
                    return
                is_done = reply.is_final
                yield reply
        except (LostError, OSError):
            yield problem_reply(WorkerLostError(), call)
        finally:
            if not is_done:
                self._replace()

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait(_STOP_WAIT_S)
        self._stdin.close()
        self._stdout.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(  # noqa: S603  # our own module by our own interpreter
            self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
        )

    def _replace(self) -> None:
        self.close()
        self._is_ready = False
        self._calls = 0
        self._child = self._start()

    def _wait_until_ready(self, caller: Cancellable) -> None:
        if not self._is_ready and self._wait_for_bytes(caller):
            read_frame(self._stdout)
            self._is_ready = True

    def _read_reply(self, caller: Cancellable) -> Reply | None:
        if not self._wait_for_bytes(caller):
            return None
        header, body = read_frame(self._stdout)
        return Reply(**header, body=body)

    def _wait_for_bytes(self, caller: Cancellable) -> bool:
        """Wait for the child; False when the caller has gone meanwhile."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        while not caller.is_cancelled:
            if poll.poll(_CANCEL_CHECK_MS):
                return True
        return False

    @property
    def _stdin(self) -> IO[bytes]:
        return cast("IO[bytes]", self._child.stdin)  # a pipe was asked for

    @property
    def _stdout(self) -> IO[bytes]:
        return cast("IO[bytes]", self._child.stdout)  # a pipe was asked for


def write_frame(stream: IO[bytes], header: dict[str, Any], body: bytes) -> None:
    """Write one frame; raises OSError when nobody reads."""
    encoded = orjson.dumps(header)
    for piece in (_LENGTHS.pack(len(encoded), len(body)) + encoded, body):
        rest = memoryview(piece)
        while rest:  # an unbuffered pipe takes what it has room for
            rest = rest[stream.write(rest) :]


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read one frame; raises LostError at the end of the stream."""
    header_bytes, body_bytes = _LENGTHS.unpack(_read_exactly(stream, _LENGTHS.size))
    header: dict[str, Any] = orjson.loads(_read_exactly(stream, header_bytes))
    return header, bytes(_read_exactly(stream, body_bytes))


def _read_exactly(stream: IO[bytes], size: int) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]  # raw files have it, IO does not
        if not count:
            raise LostError
        rest = rest[count:]
    return data


def _call_header(call: Call) -> dict[str, Any]:
    header = asdict(call)
    del header["body"], header["read"]  # what needs a store never comes here
    return header


def _reply_header(reply: Reply) -> dict[str, Any]:
    header = asdict(reply)
    del header["body"], header["write"]  # it travels packed
    return header


def serve(requests: IO[bytes], replies: IO[bytes], answering: Answering) -> None:
    """Answer calls until the parent closes the pipe."""
    write_frame(replies, {"ready": True}, b"")
    while True:
        try:
            header, body = read_frame(requests)
        except LostError:
            return
        for reply in answering.replies(Call(**header, body=body)):
            write_frame(replies, _reply_header(reply), reply.body)


def main() -> None:
    """Be the child: stdout carries frames, so that prints go to stderr."""
    # The parent has its own and never needs it here.
    from tierfold_actors.default_answering import default_answering  # noqa: PLC0415

    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(_NICENESS)
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    try:
        serve(requests, replies, default_answering())
    except BrokenPipeError:
        return  # the parent has gone: nobody waits for this reply


if __name__ == "__main__":
    main()
