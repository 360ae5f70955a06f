"""What the core asks of the world; each port has one real and one fake adapter."""

from typing import Protocol


class Clock(Protocol):
    """Time for measuring; never for deciding what an answer contains."""

    def now_ms(self) -> float:
        """Return monotonic milliseconds since an arbitrary start."""
        ...

    def cpu_ms(self) -> float:
        """Return the milliseconds of CPU this thread has used."""
        ...
