"""Help for the C allocator, which would keep for itself what a process gave back.

Only glibc is told anything; elsewhere all this does nothing. By default glibc keeps up to eight
arenas for each core, each with holes that no other can use, and gives back only what lies on top.
"""

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tierfold.ports import Clock

TRIMMED_BYTES_MIN = 8 << 20  # returned at once: a trim walks through all that is free
ARENAS = 2

_M_ARENA_MAX = -8  # glibc's own number
_PRESSED_SHARE = 0.8  # of the limit: below it nobody needs what is free
_TRIM_INTERVAL_MS = 100.0
_STATM = Path("/proc/self/statm")


def limit_arenas() -> None:
    """Keep to few arenas from now on; to be called before there are threads."""
    glibc = _glibc()
    if glibc is not None:
        glibc.mallopt(_M_ARENA_MAX, ARENAS)


def resident_bytes() -> int:
    """Return what this process holds of the machine's memory; 0 where nobody says."""
    try:
        pages = int(_STATM.read_bytes().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class Trimmer:
    """Gives free memory back to the machine while this process is near its limit."""

    def __init__(
        self,
        limit_bytes: Callable[[], int],
        *,
        clock: Clock,
        resident: Callable[[], int] = resident_bytes,
        trim: Callable[[], object] | None = None,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._resident = resident
        self._trim = trim or _trim
        self.idle_bytes = resident()
        self._last_ms = clock.now_ms() - _TRIM_INTERVAL_MS

    def returned(self, size_bytes: int) -> None:
        """Note that so much was freed at once."""
        now_ms = self._clock.now_ms()
        if size_bytes < TRIMMED_BYTES_MIN or now_ms < self._last_ms + _TRIM_INTERVAL_MS:
            return
        if self._resident() - self.idle_bytes > _PRESSED_SHARE * self._limit_bytes():
            self._last_ms = now_ms
            self._trim()


def _trim() -> None:
    glibc = _glibc()
    if glibc is not None:
        glibc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library, where it is one that can be told."""
    library = ctypes.CDLL(None)
    is_known = hasattr(library, "mallopt") and hasattr(library, "malloc_trim")
    return library if is_known else None
