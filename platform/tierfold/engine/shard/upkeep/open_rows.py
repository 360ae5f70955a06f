"""Which tenants have bodies in rows of their own, how many bytes, and since when."""

import threading
from dataclasses import dataclass

from tierfold.config import TierSettings


@dataclass(slots=True)
class _Open:
    size_bytes: int
    since_ms: float


class OpenRows:
    """Counts what waits to be sealed; told of every change, so that nobody has to look."""

    def __init__(self, settings: TierSettings) -> None:
        self._settings = settings
        self._open: dict[str, _Open] = {}
        self._lock = threading.Lock()

    def add(self, tenant: str, size_bytes: int, now_ms: float) -> bool:
        """Count rows that were written; returns whether that made the tenant due."""
        with self._lock:
            waiting = self._open.setdefault(tenant, _Open(0, now_ms))
            was_due = waiting.size_bytes >= self._settings.seal_bytes
            waiting.size_bytes += size_bytes
            return not was_due and waiting.size_bytes >= self._settings.seal_bytes

    def forget(self, tenant: str) -> None:
        """Note that a tenant's rows are being sealed."""
        with self._lock:
            self._open.pop(tenant, None)

    def clear(self) -> None:
        """Note that everybody's rows are being sealed."""
        with self._lock:
            self._open.clear()

    def due(self, now_ms: float) -> list[str]:
        """Return the tenants with a block's worth of rows, or with old ones."""
        settings = self._settings
        with self._lock:
            return [
                tenant
                for tenant, waiting in self._open.items()
                if waiting.size_bytes >= settings.seal_bytes
                or now_ms - waiting.since_ms >= settings.seal_age_ms
            ]

    @property
    def size_bytes(self) -> int:
        """Bytes of all rows."""
        with self._lock:
            return sum(waiting.size_bytes for waiting in self._open.values())
