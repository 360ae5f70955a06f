"""`make load`: start `tierfold up`, load it with Locust, leave a report, stop what was started.

Exit codes: 0 all checks passed, 1 a check or a request failed, 2 the server did not start,
130 interrupted.
"""

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "load"
READY_SECONDS_MAX = 180  # a cold Ray on a busy machine takes a minute
STOP_SECONDS_MAX = 60  # Serve drains before it leaves


class NotReadyError(Exception):
    """The server ended, or did not answer in time."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_ready(port: int) -> bool:
    """Return whether /readyz answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    """Return when the server answers; raises NotReadyError with the reason."""
    started = time.monotonic()
    while time.monotonic() - started < READY_SECONDS_MAX:
        if server.poll() is not None:
            msg = f"`tierfold up` ended with exit code {server.returncode}"
            raise NotReadyError(msg)
        if is_ready(port):
            print(f"ready after {time.monotonic() - started:.0f} s")
            return
        time.sleep(0.25)
    msg = f"not ready after {READY_SECONDS_MAX} s"
    raise NotReadyError(msg)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop, then insist; only the session that we started is ever signalled."""
    steps = ((signal.SIGINT, STOP_SECONDS_MAX), (signal.SIGTERM, 20), (signal.SIGKILL, 5))
    for number, seconds in steps:
        if server.poll() is not None:
            return
        with suppress(ProcessLookupError):
            # The first is the polite one, to the process alone: it stops its own children in order.
            if number is signal.SIGINT:
                server.send_signal(number)
            else:
                os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(seconds)


@contextmanager
def running_server(port: int) -> Iterator[None]:
    """Keep `tierfold up` running on the port."""
    tierfold = str(Path(sys.executable).with_name("tierfold"))
    command = [tierfold, "up", "--no-store", "--port", str(port)]
    log = OUT / "server.log"
    print(f"starting `tierfold up --port {port}` (its words: {log.relative_to(HERE.parent)}) ...")
    with log.open("wb") as words:
        # A session of its own: Ctrl-C reaches us first, and we stop it once.
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until_ready(server, port)
            yield
        finally:
            print("stopping the server ...")
            stop(server)


def locust(port: int, *, users: int, seconds: int) -> int:
    """Run Locust without its window and return its exit code."""
    print(f"{users} users for {seconds} s on port {port} ...")
    command = [sys.executable, "-m", "locust", "--locustfile", str(HERE / "locustfile.py")]
    command += ["--headless", "--only-summary", "--host", f"http://127.0.0.1:{port}"]
    command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
    command += ["--csv", str(OUT / "report"), "--html", str(OUT / "report.html")]
    code = subprocess.call(command, stdin=subprocess.DEVNULL)
    print("report: build/load/report.html, figures: build/load/report_stats.csv")
    return code


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=30, help="how long (default: 30)")
    parser.add_argument("--users", type=int, default=8, help="how many at once (default: 8)")
    parser.add_argument(
        "--port", type=int, default=0, help="a running server's, else one is started"
    )
    return parser.parse_args()


def main() -> int:
    """Run the load test and return its exit code."""
    given = arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    if given.port:
        return locust(given.port, users=given.users, seconds=given.seconds)
    # An ended `make` must not leave a cluster behind: SIGTERM goes the way of Ctrl-C. And a shell
    # that starts us in the background ignores SIGINT; the server would inherit that deafness.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    port = free_port()
    try:
        with running_server(port):
            return locust(port, users=given.users, seconds=given.seconds)
    except NotReadyError as error:
        lines = (OUT / "server.log").read_text(errors="replace").splitlines()
        print(f"load test failed: {error}; its last words:", *lines[-15:], sep="\n  ")
        return 2
    except KeyboardInterrupt:
        print("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
