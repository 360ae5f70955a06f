"""A `tierfold up` of the demo's own: started, watched until it is ready, and stopped."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import httpx

from tierfold.cli.keyfile import KEYS_FILE_VARIABLE
from tierfold.cli.screen import Screen

_START_S_MAX = 240.0  # a cold disk and a busy machine
_STOP_S_MAX = 60.0
_POLL_S = 0.1


class ServerDiedError(RuntimeError):
    """The server is not there when it should be; its own lines say why."""


@contextmanager
def server(screen: Screen, *, keep: bool) -> Iterator[str]:
    """Run `tierfold up` on a free port, show how it starts, yield its address; stop it then."""
    port = _free_port()
    screen.line(f"  $ tierfold up --no-store --port {port}")
    # Its lines go to a file, not a pipe: with `keep` it outlives us and still writes them.
    with tempfile.NamedTemporaryFile(prefix="tierfold-up-", suffix=".log", delete=False) as log:
        child = _start(port, log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(child, url, Path(log.name), screen)
        yield url
    except BaseException as error:
        stop(child)
        if not isinstance(error, ServerDiedError):  # its log says why
            Path(log.name).unlink()
        raise
    if keep:
        screen.line(f"  KEEP=1: it stays up; stop it with: kill -INT {child.pid}")
        return
    screen.line()
    screen.line("  stopping the server ...")
    stop(child)
    Path(log.name).unlink()


def _start(port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    code = "import sys; from tierfold.cli import main; sys.exit(main())"
    # A session of its own: Ctrl-C at the terminal reaches the demo, and the demo stops the server.
    return subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", code, "up", "--no-store", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != KEYS_FILE_VARIABLE},
    )


def _wait_until_ready(child: subprocess.Popen[bytes], url: str, log: Path, screen: Screen) -> None:
    began = time.monotonic()
    with log.open(encoding="utf-8", errors="replace") as lines:
        while time.monotonic() - began < _START_S_MAX:
            ended, ready = child.poll() is not None, _is_ready(url)
            _relay(lines, screen)
            if ended:
                msg = f"the server ended with exit code {child.returncode} before it was ready"
                raise ServerDiedError(msg)
            if ready:
                return
            time.sleep(_POLL_S)
    msg = f"the server was not ready after {_START_S_MAX:.0f} s; its log: {log}"
    raise ServerDiedError(msg)


def _relay(lines: IO[str], screen: Screen) -> None:
    while line := lines.readline():
        screen.line(screen.paint(f"  | {line.rstrip()}", "dim"))


def _is_ready(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/readyz", timeout=2.0, trust_env=False).is_success
    return False


def stop(child: subprocess.Popen[bytes], *, patience_s: float = _STOP_S_MAX) -> None:
    """Ask the server to end as Ctrl-C would; insist when it does not."""
    for way in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        os.kill(child.pid, way)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
