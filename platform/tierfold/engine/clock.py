"""Clocks: the machine's, and one that moves when told to."""

import time


class MonotonicClock:
    """The machine's clock."""

    def now_ms(self) -> float:
        """Return monotonic milliseconds since an arbitrary start."""
        return time.monotonic_ns() / 1e6

    def cpu_ms(self) -> float:
        """Return the milliseconds of CPU this thread has used."""
        return time.thread_time_ns() / 1e6


class UnixClock:
    """The machine's wall clock, for moments that are stored."""

    def unix_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class FakeClock:
    """Time that moves only when told to; each reading may cost a fixed step."""

    def __init__(self, *, step_ms: float = 0.0) -> None:
        self._now_ms = 0.0
        self._step_ms = step_ms

    def now_ms(self) -> float:
        """Return the told time and move on by the step."""
        self._now_ms += self._step_ms
        return self._now_ms

    def cpu_ms(self) -> float:
        """Return the told time; a fake machine does nothing else."""
        return self._now_ms

    def advance(self, ms: float) -> None:
        """Move time forward."""
        self._now_ms += ms
