"""A bar on stderr while a person waits; nothing where nobody watches."""

import sys
import time
from types import TracebackType
from typing import Self

from tierfold.cli.table import bar, duration

_WIDTH = 30
_S_BETWEEN = 0.1
_CLEAR = "\r\x1b[K"


class ProgressBar:
    """Shows the share of a known amount of work, and about how long the rest takes."""

    def __init__(self, total: int, *, is_quiet: bool = False) -> None:
        stream = None if is_quiet else sys.stderr
        self._stream = stream if stream is not None and stream.isatty() else None
        self._total = max(total, 1)
        self._done = 0
        self._began_s = self._shown_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write(_CLEAR)

    def advance(self, amount: int) -> None:
        """Note that so much more is done."""
        self._done += amount
        now_s = time.monotonic()
        if now_s - self._shown_s >= _S_BETWEEN:
            self._shown_s = now_s
            share = min(self._done / self._total, 1)
            left_s = (now_s - self._began_s) * (1 - share) / share if share else 0
            percent = f"{share:.0%}".replace("%", " %")
            self._write(f"{_CLEAR}{bar(share, _WIDTH)} {percent}, {duration(left_s)} left")

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody is left to see it
            self._stream = None
