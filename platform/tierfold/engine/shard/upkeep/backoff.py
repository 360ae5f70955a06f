"""When to ask again somebody who did not answer."""

import random

FIRST_MS = 500
LONGEST_MS = 60_000

_DOUBLINGS_MAX = 16  # beyond the longest wait; keeps the power small


class Backoff:
    """Waits twice as long after each failure, up to a minute, spread so that nobody marches."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._failures = 0
        self._until_ms = 0.0
        self.problem = ""  # of the last try; "" where that went well

    def may_try(self, now_ms: float) -> bool:
        """Whether the wait is over."""
        return now_ms >= self._until_ms

    def failed(self, problem: str, now_ms: float) -> None:
        """Count a failure and begin to wait."""
        wait_ms = min(LONGEST_MS, FIRST_MS << min(self._failures, _DOUBLINGS_MAX))
        self._failures += 1
        self._until_ms = now_ms + wait_ms * self._dice.uniform(0.5, 1)
        self.problem = problem

    def succeeded(self) -> None:
        """Forget all failures."""
        self._failures = 0
        self._until_ms = 0.0
        self.problem = ""
