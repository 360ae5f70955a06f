"""Where people read: a stream that may be a terminal, a file, or gone."""

import os
import shutil
import sys
from typing import Literal, TextIO

Style = Literal["bold", "dim", "red", "green", "yellow", "struck", "marked"]

_CODES: dict[Style, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "struck": "9;31",
    "marked": "1;33",
}
_WIDTH_MAX = 100  # longer lines tire the eye


class Screen:
    """Writes lines; colour only where someone sees it, silence where nobody reads."""

    def __init__(self, stream: TextIO | None, *, quiet: bool = False) -> None:
        self._stream = None if quiet else stream
        self.colour = self._stream is not None and wants_colour(self._stream)

    @property
    def width(self) -> int:
        """Return the columns to write in."""
        return min(shutil.get_terminal_size().columns, _WIDTH_MAX)

    def line(self, text: str = "") -> None:
        """Write one line now; progress that nobody can read is no failure of the work."""
        if self._stream is None:
            return
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

    def paint(self, text: str, style: Style) -> str:
        """Return the text in that style, or as it is where colour is not wanted."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text


def wants_colour(stream: TextIO) -> bool:
    """Whether the stream shows ANSI codes: a terminal, and neither NO_COLOR nor TERM=dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def stderr(*, quiet: bool = False) -> Screen:
    """Return the screen that progress goes to."""
    return Screen(sys.stderr, quiet=quiet)
