"""JSON with some of its elements gone is still JSON: commas and markers by its own grammar."""

from typing import NamedTuple

import numpy as np

from tierfold.processing.marking import Marking
from tierfold.text import NO_FRAME, BoolArray, Joint, UnitTable

_TEXT, _ITEM = int(Joint.TEXT), int(Joint.ITEM)  # an enum's attribute costs more than the rest


def item_marker(marker: str) -> str:
    """Return the element that stands for elements left out of an array."""
    return f'"{marker}"'


def member_marker(marker: str) -> str:
    """Return the member that stands for members left out of an object."""
    return f'"{marker}":null'


def render_json(units: UnitTable, block: int, shown: BoolArray, *, marking: Marking) -> str:
    """Return one JSON value without what is not shown; its opening and closing are shown."""
    renderer = _JsonRenderer(units, shown, marking)
    first, past = np.searchsorted(units.block, [block, block + 1]).tolist()
    for unit in range(first, past):
        renderer.step(unit)
    return "".join(renderer.pieces)


class _Owed(NamedTuple):
    """What is left out of a container since its last shown element."""

    first: int  # unit
    joint: int  # of the last one: what the marker must look like


class _JsonRenderer:
    """Walks a value's units in order and knows the containers that are open."""

    def __init__(self, units: UnitTable, shown: BoolArray, marking: Marking) -> None:
        self._units = units
        self._shown = shown
        self._marking = marking
        self._due: dict[int, _Owed | None] = {}  # open containers: the marker each owes
        self._gone: set[int] = set()  # containers that are not shown
        self._has_element: set[int] = set()
        self._is_marked: set[int] = set()  # an object holds one marker: its keys must differ
        self.pieces: list[str] = []

    def step(self, unit: int) -> None:
        """Show the unit, or remember that its container lacks something."""
        units = self._units
        frame, is_framing = int(units.frame[unit]), bool(units.framing[unit])
        if is_framing and frame in self._due:
            self._mark(frame, unit)
            self.pieces.append(units.unit(unit))
            del self._due[frame]
        elif is_framing and frame in self._gone:
            return  # the closing of a container that is not shown
        elif units.joint[unit] == _TEXT and frame in self._due:
            self._show_in_string(unit, frame)
        elif units.joint[unit] == _TEXT:
            self._show_root(unit, frame)
        else:
            container = int(units.frames.parent[frame]) if is_framing else frame
            if container in self._due:
                self._show_or_owe(unit, container)

    def _show_root(self, unit: int, frame: int) -> None:
        if self._shown[unit]:
            self.pieces.append(self._units.unit(unit))
            if frame != NO_FRAME:
                self._due[frame] = None

    def _show_in_string(self, unit: int, frame: int) -> None:
        """Show a stretch of a long string; what is left out of it is marked inside its quotes."""
        if self._shown[unit]:
            self._mark(frame, unit)
            self.pieces.append(self._units.unit(unit))
        else:
            self._owe(frame, unit, _TEXT)

    def _show_or_owe(self, unit: int, container: int) -> None:
        units = self._units
        if not self._shown[unit]:
            if container not in self._is_marked:
                self._owe(container, unit, int(units.joint[unit]))
            if units.framing[unit]:
                self._gone.add(int(units.frame[unit]))
            return
        self._mark(container, unit)
        self._element(container, units.unit(unit))
        if units.framing[unit]:
            self._due[int(units.frame[unit])] = None

    def _owe(self, container: int, unit: int, joint: int) -> None:
        owed = self._due[container]
        self._due[container] = _Owed(unit if owed is None else owed.first, joint)

    def _mark(self, container: int, unit: int) -> None:
        """Put the marker that is due in front of a unit: it stands for all since the first owed."""
        owed = self._due[container]
        if owed is None:
            return
        self._due[container] = None
        marker = self._marking.of_units(owed.first, unit - 1)
        if not marker:
            return
        if owed.joint == _TEXT:
            self.pieces.append(f" {marker}")
        elif owed.joint == _ITEM:
            self._element(container, f",{item_marker(marker)}")
        else:
            self._element(container, f",{member_marker(marker)}")
            self._is_marked.add(container)

    def _element(self, container: int, text: str) -> None:
        if container not in self._has_element:
            self._has_element.add(container)
            body = text.lstrip()
            if body.startswith(","):
                text = text[: len(text) - len(body)] + body[1:]
        self.pieces.append(text)
