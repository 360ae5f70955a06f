"""JSON into sub-objects: large containers and long strings are frames, what they hold is units.

A child's unit begins where the value before it ends, so it carries its comma, its whitespace and
its key; whitespace before a closing bracket belongs to the bracket.
"""

from dataclasses import dataclass, field

import numpy as np

from tierfold.text.json_strings import cut_string
from tierfold.text.json_structure import Mark, Structure, large_structure
from tierfold.text.lengths import LENGTH_MAX, LENGTH_MIN
from tierfold.text.pieces import Cutting
from tierfold.text.table import NO_FRAME, Joint, Kind

CONTAINER_MAX = 400  # characters; a larger container is a frame
_DEPTH_MAX = 32  # frames in frames; what is nested deeper is one unit
_ITEM_MIN = 24  # characters; shorter items of an array share a unit
_SPACE = " \t\n\r"


def cut_json(text: str, cutting: Cutting) -> None:
    """Add the units of one JSON container, which must be valid, to the cutting."""
    if len(text.strip(_SPACE)) <= CONTAINER_MAX:
        cutting.add(len(text), kind=Kind.JSON, frame=NO_FRAME)
        return
    structure = large_structure(text, length_max=CONTAINER_MAX)
    walk = _Walk(text=text, structure=structure, cutting=cutting)
    marks = structure.marks.tolist()
    for place, mark in zip(structure.places.tolist(), marks, strict=True):
        walk.step(place, mark)
    cutting.ends[-1] = len(text)


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One pass over the brackets and commas of the large containers."""

    text: str
    structure: Structure
    cutting: Cutting
    at: int = 0  # end of the last unit
    frame: int = NO_FRAME  # of the innermost open container
    joint: Joint = Joint.TEXT  # of its children
    outer: list[tuple[int, Joint]] = field(default_factory=list)
    too_deep: int = 0  # containers open below the deepest frame

    def step(self, place: int, mark: int) -> None:
        """Take the bracket or comma at this place."""
        if self.too_deep or (mark == Mark.OPEN and len(self.outer) == _DEPTH_MAX):
            self.too_deep += {Mark.OPEN: 1, Mark.CLOSE: -1}.get(Mark(mark), 0)
            return
        if mark == Mark.OPEN:
            self._open(place + 1)
            self.joint = Joint.ITEM if self.text[place] == "[" else Joint.MEMBER
            return
        end = place
        while end > self.at and self.text[end - 1] in _SPACE:
            end -= 1
        length = end - self.at
        least = LENGTH_MIN if self.joint is Joint.MEMBER else _ITEM_MIN
        if length and (mark == Mark.CLOSE or length >= least):
            self._child(end)
        if mark == Mark.CLOSE:
            self._close(place + 1)

    def _open(self, end: int) -> None:
        """Begin a frame whose opening text ends here."""
        self.outer.append((self.frame, self.joint))
        self.frame = self.cutting.open_frame(self.frame)
        self._add(end, framing=True)

    def _close(self, end: int) -> None:
        self._add(end, framing=True)
        self.frame, self.joint = self.outer.pop()

    def _child(self, end: int) -> None:
        opening = self._string_start(end) if end - self.at > LENGTH_MAX else None
        if opening is None:
            self._add(end)
            return
        inside = cut_string(self.text, opening, end - 1)
        self._open(opening)
        self.joint = Joint.TEXT
        for piece in inside:
            self._add(piece)
        self._close(end)

    def _string_start(self, end: int) -> int | None:
        """Return where the text of the long string that ends here begins, None for other values."""
        quotes = self.structure.quotes
        last = int(np.searchsorted(quotes, end)) - 1
        if self.text[end - 1] != '"' or end - int(quotes[last - 1]) <= LENGTH_MAX:
            return None
        return int(quotes[last - 1]) + 1

    def _add(self, end: int, *, framing: bool = False) -> None:
        self.cutting.add(end, kind=Kind.JSON, frame=self.frame, framing=framing, joint=self.joint)
        self.at = end
