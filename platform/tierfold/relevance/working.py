"""The working set: a table of units with everything a question needs."""

from collections.abc import Callable

from tierfold.relevance.free import FreeUnits
from tierfold.relevance.index import Postings, empty, extend
from tierfold.relevance.model import FAST, AtRest, model
from tierfold.relevance.signals import Signals, signals_of
from tierfold.text.table import UnitTable

_LATER_BYTES = 40  # of a unit: what the fast stage's trees know at rest, and the free units


class WorkingSet:
    """One version of a table, scanned once; appends are merged when somebody first asks.

    Never changes as far as a caller can see: what is computed at first use are pure functions of
    `units`, so two threads that meet here do the same work twice.
    """

    __slots__ = ("_at_rest", "_base", "_free", "_load", "_postings", "_signals", "units")

    def __init__(self, units: UnitTable, base: Postings) -> None:
        self.units = units
        self._base = base
        self._load: Callable[[], tuple[Postings, Signals]] | None = None
        self._postings: Postings | None = None
        self._signals: Signals | None = None
        self._at_rest: AtRest | None = None
        self._free: FreeUnits | None = None

    @classmethod
    def build(cls, units: UnitTable) -> "WorkingSet":
        """Scan a table."""
        built = cls(units, empty())
        built.seal()
        return built

    @classmethod
    def stored(cls, units: UnitTable, load: Callable[[], tuple[Postings, Signals]]) -> "WorkingSet":
        """Return a table that was scanned elsewhere; `load` is called when somebody first asks."""
        found = cls(units, empty())
        found._load = load
        return found

    def extend(self, units: UnitTable) -> "WorkingSet":
        """Return the working set of a longer table that begins with this one's units."""
        if len(units) < len(self.units):
            raise ValueError(len(units))
        base = self._postings or self._base if self._load is None else self.postings
        return WorkingSet(units, base)

    def seal(self) -> None:
        """Do now what the first question would have to wait for."""
        _ = self.signals

    @property
    def postings(self) -> Postings:
        """Postings of all units, those appended since the last version merged in."""
        if self._postings is None and self._load is not None:
            self._postings, self._signals = self._load()
        elif self._postings is None:
            self._postings = extend(self._base, self.units)
            self._base = self._postings
        return self._postings

    @property
    def signals(self) -> Signals:
        """Weights and features that no question changes."""
        postings = self.postings
        if self._signals is None:
            self._signals = signals_of(postings, self.units)
        return self._signals

    @property
    def at_rest(self) -> AtRest:
        """What the fast stage knows of the units before any question."""
        if self._at_rest is None:
            self._at_rest = model(FAST).at_rest(self.signals.static)
        return self._at_rest

    @property
    def free(self) -> FreeUnits:
        """The units a selection chooses among."""
        if self._free is None:
            self._free = FreeUnits.of(self.units, self.postings)
        return self._free

    @property
    def size_bytes(self) -> int:
        """Bytes held besides the table itself, those of the first question included."""
        later = _LATER_BYTES * len(self.units)
        return self.postings.size_bytes + self.signals.size_bytes + later
