"""Errors that nobody foresaw: told by kind and place, for their text may hold a user's."""

import traceback
from pathlib import Path

LONGEST_MS = 60_000.0

_FIRST_MS = 1_000.0
_DOUBLINGS_MAX = 16  # beyond the longest pause; keeps the power small


def is_to_survive(error: BaseException) -> bool:
    """Whether work goes on after an error; a library's panic is no Exception and counts too."""
    return not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def described(error: BaseException) -> str:
    """Return what kind of error it is and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unforeseen {type(error).__name__}{where}"


def pause_ms(failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    return min(LONGEST_MS, _FIRST_MS * 2 ** min(failures - 1, _DOUBLINGS_MAX)) if failures else 0.0
