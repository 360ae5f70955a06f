"""Time that only goes forward, whatever the clock does."""


class Elapsed:
    """Adds up the steps forward of a clock; a step back counts as no time.

    So a clock that was set back for an hour makes no lease last an hour longer.
    """

    def __init__(self) -> None:
        self.ms = 0.0
        self._now_ms: float | None = None

    def advance(self, now_ms: float) -> float:
        """Take a reading of the clock and return all time that has passed."""
        if self._now_ms is not None:
            self.ms += max(0.0, now_ms - self._now_ms)
        self._now_ms = now_ms
        return self.ms
