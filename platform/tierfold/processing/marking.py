"""What stands in an answer where something is left out: nothing, a short marker, or a handle."""

from typing import Protocol

from tierfold.context import Markers
from tierfold.processing.places import Places
from tierfold.text import MARKER, Intake, TokenCounter

_SAMPLES = 3  # handles that tell what one costs
_SPARE_TOKENS = 1  # they are of different lengths


class Marking(Protocol):
    """The markers of one answer; the empty text where gaps are not marked."""

    @property
    def tokens(self) -> int:
        """What a marker by itself costs; with handles about that, and 0 where there is none."""
        ...

    def of_units(self, first: int, last: int) -> str:
        """Return what stands for units left out side by side."""
        ...

    def of_rows(self, first: int, count: int) -> str:
        """Return what stands for whole rows of a chat."""
        ...


class SameMarking:
    """The same marker in every gap, or none."""

    __slots__ = ("_marker", "tokens")

    def __init__(self, marker: str, *, tokens: int) -> None:
        self._marker = marker
        self.tokens = tokens

    def of_units(self, first: int, last: int) -> str:
        """Return the marker, whatever is left out."""
        del first, last
        return self._marker

    def of_rows(self, first: int, count: int) -> str:
        """Return the marker, whatever is left out."""
        del first, count
        return self._marker


class HandleMarking:
    """In every gap the handle that brings back what stood there."""

    def __init__(self, intake: Intake, places: Places, counter: TokenCounter) -> None:
        self._intake = intake
        self._places = places
        self._known: dict[tuple[int, int], str] = {}
        self.tokens = self._tokens_about(counter)

    def of_units(self, first: int, last: int) -> str:
        """Return the marker with the handle of these units."""
        known = self._known.get((first, last))
        if known is None:
            known = f"[\u2026 {self._places.of_units(self._intake, first, last)}]"
            self._known[first, last] = known
        return known

    def of_rows(self, first: int, count: int) -> str:
        """Return the marker with the handle of these rows."""
        return f"[\u2026 {self._places.of_items(first, count)}]"

    def _tokens_about(self, counter: TokenCounter) -> int:
        count = len(self._intake.units)
        if not count:
            return 0
        samples = (count * at // _SAMPLES for at in range(_SAMPLES))
        markers = [self.of_units(unit, unit) for unit in samples]
        return int(counter.count_each(markers).max()) + _SPARE_TOKENS


def marking_of(
    markers: Markers, intake: Intake, places: Places | None, counter: TokenCounter
) -> Marking:
    """Return the markers of an answer; without places there are no handles to show."""
    if markers == "handles" and places is not None:
        return HandleMarking(intake, places, counter)
    if markers == "none":
        return SameMarking("", tokens=0)
    return SameMarking(MARKER, tokens=1)
