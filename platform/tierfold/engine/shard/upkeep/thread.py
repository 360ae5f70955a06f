"""The thread that does the upkeep of a shard in its process."""

import logging
import threading
from typing import Protocol

from tierfold.errors import ShardUnavailableError

STEP_MS = 20.0  # at a time, then others may have the processor
REST_S = 0.04  # between steps: callers that wait for their appends come first
IDLE_S = 0.25

_log = logging.getLogger(__name__)


class Steps(Protocol):
    """Work that is done a step at a time."""

    def step(self, budget_ms: float) -> bool:
        """Work for about so long; returns whether there is more to do at once."""
        ...


class UpkeepThread:
    """Runs upkeep until it is stopped."""

    def __init__(self, upkeep: Steps) -> None:
        self._upkeep = upkeep
        self._stops = threading.Event()
        self._wakes = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tierfold upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look for work now."""
        self._wakes.set()

    def stop(self) -> None:
        """Finish the piece that is being done and end; a second time does nothing."""
        self._stops.set()
        self._wakes.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stops.is_set():
            if self._step():
                self._stops.wait(REST_S)
            else:
                self._wakes.wait(IDLE_S)
            self._wakes.clear()

    def _step(self) -> bool:
        try:
            return self._upkeep.step(STEP_MS)
        except ShardUnavailableError:
            return False  # the shard closes
        except Exception:  # noqa: BLE001  # the shard serves without upkeep, but not without end
            _log.exception("upkeep failed; it is tried again")
            return False
