"""JSON with some of its elements gone is still JSON: commas and markers by its own grammar."""

import numpy as np

from tierfold.text import NO_FRAME, BoolArray, Joint, UnitTable

_TEXT, _ITEM = int(Joint.TEXT), int(Joint.ITEM)  # an enum's attribute costs more than the rest


def item_marker(marker: str) -> str:
    """Return the element that stands for elements left out of an array."""
    return f'"{marker}"'


def member_marker(marker: str) -> str:
    """Return the member that stands for members left out of an object."""
    return f'"{marker}":null'


def render_json(units: UnitTable, block: int, shown: BoolArray, *, marker: str) -> str:
    """Return one JSON value without what is not shown; its opening and closing are shown."""
    renderer = _JsonRenderer(units, shown, marker)
    first, past = np.searchsorted(units.block, [block, block + 1]).tolist()
    for unit in range(first, past):
        renderer.step(unit)
    return "".join(renderer.pieces)


class _JsonRenderer:
    """Walks a value's units in order and knows the containers that are open."""

    def __init__(self, units: UnitTable, shown: BoolArray, marker: str) -> None:
        self._units = units
        self._shown = shown
        self._marker = marker
        self._due: dict[int, str] = {}  # open containers: the marker each owes, "" for none
        self._gone: set[int] = set()  # containers that are not shown
        self._has_element: set[int] = set()
        self._is_marked: set[int] = set()  # an object holds one marker: its keys must differ
        self.pieces: list[str] = []

    def step(self, unit: int) -> None:
        """Show the unit, or remember that its container lacks something."""
        units = self._units
        frame, is_framing = int(units.frame[unit]), bool(units.framing[unit])
        if is_framing and frame in self._due:
            self._mark(frame)
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
                self._due[frame] = ""

    def _show_in_string(self, unit: int, frame: int) -> None:
        """Show a stretch of a long string; what is left out of it is marked inside its quotes."""
        if self._shown[unit]:
            self._mark(frame)
            self.pieces.append(self._units.unit(unit))
        else:
            self._due[frame] = self._marker

    def _show_or_owe(self, unit: int, container: int) -> None:
        units = self._units
        if not self._shown[unit]:
            self._due[container] = self._marker_for(container, int(units.joint[unit]))
            if units.framing[unit]:
                self._gone.add(int(units.frame[unit]))
            return
        self._mark(container)
        self._element(container, units.unit(unit))
        if units.framing[unit]:
            self._due[int(units.frame[unit])] = ""

    def _marker_for(self, container: int, joint: int) -> str:
        if not self._marker or container in self._is_marked:
            return ""
        return item_marker(self._marker) if joint == _ITEM else member_marker(self._marker)

    def _mark(self, container: int) -> None:
        due = self._due[container]
        if due and due == self._marker:
            self.pieces.append(f" {due}")
            self._due[container] = ""
        elif due:
            self._element(container, f",{due}")
            self._due[container] = ""
            if due.endswith(":null"):
                self._is_marked.add(container)

    def _element(self, container: int, text: str) -> None:
        if container not in self._has_element:
            self._has_element.add(container)
            body = text.lstrip()
            if body.startswith(","):
                text = text[: len(text) - len(body)] + body[1:]
        self.pieces.append(text)
