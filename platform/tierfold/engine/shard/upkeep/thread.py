"""A thread that does upkeep of a shard in its process."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from tierfold.engine.shard.upkeep.unforeseen import described, is_to_survive, pause_ms
from tierfold.errors import ShardUnavailableError
from tierfold.memory.lifecycle.maintenance import Pace

STEP_MS = 20.0  # at a time, then others may have the processor
IDLE_S = 0.25
PACE = Pace()

_log = logging.getLogger(__name__)


class Steps(Protocol):
    """Work that is done a step at a time."""

    def step(self, budget_ms: float) -> bool:
        """Work for about so long; returns whether there is more to do at once."""
        ...


def _rest_ms(worked_ms: float) -> float:
    return PACE.rest_ms(worked_ms, waiting=0, urgency=0.0)


class UpkeepThread:
    """Runs upkeep until it is stopped; whatever goes wrong, it tries again, later and later."""

    def __init__(
        self,
        upkeep: Steps,
        name: str = "tierfold upkeep",
        *,
        rest_ms: Callable[[float], float] = _rest_ms,
    ) -> None:
        """Take the work; `rest_ms` says how long to rest after a step that took so long."""
        self._upkeep = upkeep
        self._rest_ms = rest_ms
        self._stops = threading.Event()
        self._wakes = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._failures_in_row = 0
        self.failures = 0  # steps that went wrong in a way nobody foresaw
        self.problem = ""  # of the last step; "" where that went well

    @property
    def name(self) -> str:
        """What it is called among the process's threads."""
        return self._thread.name

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look for work now."""
        self._wakes.set()

    def ask_to_stop(self) -> None:
        """Let the piece that is being done be the last."""
        self._stops.set()
        self._wakes.set()

    def stop(self, wait_s: float | None = None) -> bool:
        """Finish the piece that is being done and end; returns whether it has, within the wait."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stops.is_set():
            began_s = time.monotonic()
            if self._step():
                worked_ms = 1000 * (time.monotonic() - began_s)
                self._stops.wait(self._rest_ms(worked_ms) / 1000)
            elif self._failures_in_row:
                self._stops.wait(pause_ms(self._failures_in_row) / 1000)
            else:
                self._wakes.wait(IDLE_S)
            self._wakes.clear()

    def _step(self) -> bool:
        try:
            has_more = self._upkeep.step(STEP_MS)
        except ShardUnavailableError:
            return False  # the shard closes
        except BaseException as error:
            if not is_to_survive(error):
                raise
            self._note(error)
            return False
        self._failures_in_row, self.problem = 0, ""
        return has_more

    def _note(self, error: BaseException) -> None:
        self.failures += 1
        self._failures_in_row += 1
        self.problem = described(error)
        _log.error("%s failed, %s; it is tried again", self.name, self.problem)
