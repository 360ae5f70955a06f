"""A `tierfold up` of the demo's own: started, watched until it is ready, and stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tierfold.cli.keyfile import KEYS_FILE_VARIABLE
from tierfold.cli.screen import Screen
from tierfold.errors import TierfoldError
from tierfold_actors.demo.throwaway import STORE, interrupts_held
from tierfold_actors.store_plan import SHARDS_VARIABLE

_START_S_MAX = 240.0  # a cold disk and a busy machine
_STOP_S_MAX = 60.0
_POLL_S = 0.1
_NOT_OURS = {KEYS_FILE_VARIABLE, SHARDS_VARIABLE}  # of a server that is more than a demo's


class ServerDiedError(RuntimeError):
    """The server is not there when it should be; its own lines say why."""


@contextmanager
def server(folder: Path, screen: Screen, *, keep: bool) -> Iterator[str]:
    """Run `tierfold up` on a free port, show how it starts, yield its address; stop it then.

    Its store and its log lie in the folder.
    """
    port = _free_port()
    screen.line(f"  $ tierfold up --port {port} --store {folder / STORE} --objects none")
    log = folder / "up.log"
    child: subprocess.Popen[bytes] | None = None
    try:
        with interrupts_held():  # between its start and its name here nobody could stop it
            child = _start(port, folder, log)
        url = f"http://127.0.0.1:{port}"
        shown = _wait_until_ready(child, url, log, screen)
        try:
            yield url
        except (ServerDiedError, TierfoldError, httpx.HTTPError):
            _relay_from(log, shown, screen)  # it may have said why
            raise
    except BaseException:
        if child is not None:
            stop(child)
        raise
    screen.line()
    if keep:
        screen.line(f"  KEEP=1: it stays up; end it: kill {child.pid}")
        screen.line(f"  then its store and its log can go: rm -r {folder}")
        return
    screen.line("  stopping the server ...")
    stop(child)


def _start(port: int, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    code = "import sys; from tierfold.cli import main; sys.exit(main())"
    flags = ["--port", str(port), "--store", str(folder / STORE), "--objects", "none"]
    # Its lines go to a file, not a pipe: with `keep` it outlives us and still writes them.
    with log.open("wb") as lines:
        # A session of its own: Ctrl-C at the terminal reaches the demo, and the demo stops it.
        return subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-c", code, "up", *flags],
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name not in _NOT_OURS},
        )


def _wait_until_ready(child: subprocess.Popen[bytes], url: str, log: Path, screen: Screen) -> int:
    """Show its lines until it answers; returns how much of its log was shown."""
    began, shown = time.monotonic(), 0
    while time.monotonic() - began < _START_S_MAX:
        ended, ready = child.poll() is not None, _is_ready(url)
        shown = _relay_from(log, shown, screen)
        if ended:
            msg = f"the server ended with exit code {child.returncode} before it was ready"
            raise ServerDiedError(msg)
        if ready:
            return shown
        time.sleep(_POLL_S)
    msg = f"the server was not ready after {_START_S_MAX:.0f} s"
    raise ServerDiedError(msg)


def _relay_from(log: Path, place: int, screen: Screen) -> int:
    """Show the whole lines that stand there from this place on; returns where they end."""
    with log.open("rb") as lines:
        lines.seek(place)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            place += len(line)
            text = line.decode("utf-8", "replace").rstrip()
            screen.line(screen.paint(f"  | {text}", "dim"))
    return place


def _is_ready(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/readyz", timeout=2.0, trust_env=False).is_success
    return False


def stop(child: subprocess.Popen[bytes], *, patience_s: float = _STOP_S_MAX) -> None:
    """Ask the server to end as Ctrl-C would; insist when it does not.

    A second Ctrl-C is passed on: it ends everything at once.
    """
    with interrupts_held(lambda: child.send_signal(signal.SIGINT)):
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
