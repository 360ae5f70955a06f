"""`tierfold up` as a person starts it, for tests that talk to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tierfold.cli.ports import family
from tierfold.cli.runs import RUN_VARIABLE, Run, read_runs

TIERFOLD = str(Path(sys.executable).with_name("tierfold"))  # the command itself
KEY = "key-of-the-tests"
OTHER_KEY = "key-of-another-tenant"
START_WAIT_S = 180.0  # 8 s on a quiet machine


class Up:
    """One `tierfold up` in a process of its own; `start` returns once it is ready."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, *, options: Sequence[str] = ()
    ) -> None:
        self.port = free_port()
        self._options = options
        self.url = f"http://127.0.0.1:{self.port}"
        self.steps: list[dict[str, Any]] = []
        self._ready = threading.Event()
        self._environment = dict(environment)

    def start(self) -> "Up":
        self.process = subprocess.Popen(
            [TIERFOLD, "up", "--json", "--port", str(self.port), *self._options],
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._ready.wait(START_WAIT_S)
        if not self.steps or self.steps[-1]["step"] != "ready":
            self.stop(signal.SIGTERM)
            raise AssertionError(self.steps)
        return self

    @property
    def run(self) -> Run:
        return next(run for run in read_runs() if run.pid == self.process.pid)

    def processes(self) -> set[int]:
        """Return every process of this server, `up` included."""
        return family(self.process.pid, variable=RUN_VARIABLE, value=self.run.id)

    def folder(self) -> Path:
        return Path(self.run.log).parent

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send the signal once and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._listener.join()
        return code

    def _listen(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.steps.append(json.loads(line))
                if self.steps[-1]["step"] == "ready":
                    self._ready.set()
        self._ready.set()  # it has ended: nobody should wait for it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_reached: Callable[[], bool], *, within_s: float) -> bool:
    """Return whether it was reached in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if is_reached():
            return True
        time.sleep(0.02)
    return is_reached()
