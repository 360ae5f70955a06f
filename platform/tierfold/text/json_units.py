"""JSON into sub-objects: large containers are frames, their children units.

Works on offsets of the original text with arrays, never recursively: a child's unit begins where
the value before it ends, so it carries its comma, its whitespace and its key; whitespace before a
closing bracket belongs to the bracket.
"""

import numpy as np
from numpy.typing import NDArray

from tierfold.text.pieces import Draft
from tierfold.text.table import NO_FRAME, IntArray, Joint, Kind

CONTAINER_MAX = 400  # characters; a larger container is a frame
_ITEM_MIN = 24  # characters; shorter items of an array share a unit

_OPEN, _CLOSE, _COMMA = 0, 1, 2
_SPACE = " \t\n\r"


def cut_json(text: str, draft: Draft) -> None:
    """Add the units of one JSON container, which must be valid, to the draft."""
    if len(text) <= CONTAINER_MAX:
        draft.add(len(text), kind=Kind.JSON, frame=NO_FRAME)
        return
    places, marks = _structure(text)
    owners, is_large = _large_containers(places, marks)
    chosen = np.flatnonzero(is_large)
    opened: list[tuple[int, Joint]] = []
    frame, joint = NO_FRAME, Joint.TEXT
    at = 0
    del owners
    for place, mark in zip(places[chosen].tolist(), marks[chosen].tolist(), strict=True):
        if mark == _OPEN:
            opened.append((frame, joint))
            frame = draft.open_frame(frame)
            draft.add(place + 1, kind=Kind.JSON, frame=frame, framing=True, joint=joint)
            joint = Joint.ITEM if text[place] == "[" else Joint.MEMBER
            at = place + 1
            continue
        end = _value_end(text, at, place)
        if end > at and (mark == _CLOSE or joint is Joint.MEMBER or end - at >= _ITEM_MIN):
            draft.add(end, kind=Kind.JSON, frame=frame, joint=joint)
            at = end
        if mark == _CLOSE:
            draft.add(place + 1, kind=Kind.JSON, frame=frame, framing=True, joint=joint)
            at = place + 1
            frame, joint = opened.pop()
    if draft.ends:
        draft.ends[-1] = len(text)
    else:
        draft.add(len(text), kind=Kind.JSON, frame=NO_FRAME)


def _value_end(text: str, start: int, stop: int) -> int:
    while stop > start and text[stop - 1] in _SPACE:
        stop -= 1
    return stop


def _structure(text: str) -> tuple[IntArray, NDArray[np.int8]]:
    """Return the places of brackets and commas outside of strings, and what each is."""
    # One byte a character keeps offsets equal to those of the text.
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    quotes = np.flatnonzero(codes == ord('"'))
    if "\\" in text:
        quotes = quotes[~_is_escaped(codes, quotes)]
    folded = codes | 0x20  # [ and { differ in this bit alone, as do ] and }
    opens, closes, commas = folded == ord("{"), folded == ord("}"), codes == ord(",")
    places = np.flatnonzero(opens | closes | commas)
    places = places[np.searchsorted(quotes, places) % 2 == 0]
    marks = np.where(opens[places], _OPEN, np.where(closes[places], _CLOSE, _COMMA))
    return places.astype(np.int32), marks.astype(np.int8)


def _is_escaped(codes: NDArray[np.uint8], quotes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether an odd number of backslashes stands before each quote."""
    slashes = np.flatnonzero(codes == ord("\\"))
    is_first = np.ones(len(slashes), np.bool_)
    is_first[1:] = np.diff(slashes) > 1
    run = np.cumsum(is_first) - 1  # number of the run each backslash is in
    run_start = slashes[is_first]
    before = np.searchsorted(slashes, quotes) - 1  # last backslash before the quote
    touches = (before >= 0) & (slashes[before] == quotes - 1)
    length = quotes - run_start[run[before]]
    is_escaped: NDArray[np.bool_] = touches & (length % 2 == 1)
    return is_escaped


def _large_containers(
    places: IntArray, marks: NDArray[np.int8]
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return, for each mark, its container's opening mark, and whether that container is large."""
    step = (marks == _OPEN).astype(np.int32) - (marks == _CLOSE)
    depth = np.cumsum(step) + (marks == _CLOSE)  # of the container a mark belongs to
    order = np.argsort(depth, kind="stable")
    # In one depth the marks of a container follow each other, from opening to closing.
    is_open = marks[order] == _OPEN
    number = np.cumsum(is_open) - 1
    first = order[is_open]
    last = order[marks[order] == _CLOSE]
    length = places[last] - places[first] + 1
    owners = np.empty(len(places), np.int32)
    owners[order] = first[number]
    is_large = np.empty(len(places), np.bool_)
    is_large[order] = (length > CONTAINER_MAX)[number]
    return owners, is_large
