"""What may be written to a level that wears: free as long as the budget lasts."""

from tierfold.memory.hierarchy.settings import WriteBudget


class WriteMeter:
    """A token bucket in bytes; where it runs dry, only keys that were read again are written.

    Those may overdraw it, by one burst at most: then nothing is written, whoever asks.
    """

    def __init__(self, budget: WriteBudget) -> None:
        self._budget = budget
        self._bytes = float(budget.burst_bytes)
        self._filled_ms: float | None = None
        self.refused_bytes = 0

    def allows(self, size_bytes: int, *, is_repeated: bool, now_ms: float) -> bool:
        """Return whether so much may be written, and take it from the bucket if so."""
        self._fill(now_ms)
        floor = -self._budget.burst_bytes if is_repeated else 0
        if self._bytes - size_bytes < floor:
            self.refused_bytes += size_bytes
            return False
        self._bytes -= size_bytes
        return True

    def _fill(self, now_ms: float) -> None:
        """Add what has come since; a clock that went back adds nothing."""
        before = self._filled_ms
        if before is not None and now_ms > before:
            came = (now_ms - before) / 1000 * self._budget.bytes_per_s
            self._bytes = min(self._bytes + came, float(self._budget.burst_bytes))
        if before is None or now_ms > before:
            self._filled_ms = now_ms
