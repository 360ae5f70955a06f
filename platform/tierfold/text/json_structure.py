"""Where brackets, commas and quotes of a JSON text are, found with arrays and never recursively."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tierfold.text.table import BoolArray, IntArray, SmallArray

Codes = NDArray[np.uint8]
Places = NDArray[np.intp]


class Mark(IntEnum):
    """What stands at a structural place."""

    OPEN = 0  # of a container
    CLOSE = 1
    COMMA = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """The brackets of large containers and the commas directly inside them, in order."""

    places: IntArray  # (s,) character
    marks: SmallArray  # (s,) Mark
    quotes: Places  # characters where strings begin and end, alternating


def large_structure(text: str, *, length_max: int) -> Structure:
    """Return the structure of the containers longer than the maximum; the text must be valid."""
    # One byte a character keeps offsets equal to those of the text.
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    quotes = _quotes(text, codes)
    folded = codes | 0x20  # [ and { differ in this bit alone, as do ] and }
    opens, closes = folded == ord("{"), folded == ord("}")
    places = np.flatnonzero(opens | closes | (codes == ord(",")))
    places = places[np.searchsorted(quotes, places) % 2 == 0]
    marks = np.where(opens[places], Mark.OPEN, np.where(closes[places], Mark.CLOSE, Mark.COMMA))
    is_large = _is_in_large(places, marks, length_max)
    return Structure(
        places=places[is_large].astype(np.int32),
        marks=marks[is_large].astype(np.int8),
        quotes=quotes,
    )


def _quotes(text: str, codes: Codes) -> Places:
    quotes = np.flatnonzero(codes == ord('"'))
    if "\\" not in text:
        return quotes
    slashes = np.flatnonzero(codes == ord("\\"))
    is_first = np.diff(slashes, prepend=-2) > 1
    run_start = slashes[is_first]
    run = np.cumsum(is_first) - 1  # number of the run each backslash is in
    before = np.searchsorted(slashes, quotes) - 1  # last backslash before the quote
    length = quotes - run_start[run[before]]
    is_escaped = (before >= 0) & (slashes[before] == quotes - 1) & (length % 2 == 1)
    real: Places = quotes[~is_escaped]
    return real


def _is_in_large(places: Places, marks: Places, length_max: int) -> BoolArray:
    """Return for each mark whether the container that it belongs to is large."""
    is_close = marks == Mark.CLOSE
    depth = np.cumsum((marks == Mark.OPEN).astype(np.int32) - is_close) + is_close
    # In one depth the marks of a container follow each other, from opening to closing.
    order = np.argsort(depth, kind="stable")
    is_open = marks[order] == Mark.OPEN
    length = places[order[marks[order] == Mark.CLOSE]] - places[order[is_open]] + 1
    is_large = np.empty(len(places), np.bool_)
    is_large[order] = (length > length_max)[np.cumsum(is_open) - 1]
    return is_large
