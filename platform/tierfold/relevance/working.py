"""The working set: a table of units with everything a question needs."""

from tierfold.relevance.index import Postings, empty, extend
from tierfold.relevance.signals import Signals, signals_of
from tierfold.text.table import UnitTable


class WorkingSet:
    """One version of a table, scanned once; appends are merged when somebody first asks.

    Never changes as far as a caller can see: `postings` and `signals` are computed at first use
    and are pure functions of `units`, so two threads that meet here do the same work twice.
    """

    __slots__ = ("_base", "_postings", "_signals", "units")

    def __init__(self, units: UnitTable, base: Postings) -> None:
        self.units = units
        self._base = base
        self._postings: Postings | None = None
        self._signals: Signals | None = None

    @classmethod
    def build(cls, units: UnitTable) -> "WorkingSet":
        """Scan a table."""
        built = cls(units, empty())
        built.seal()
        return built

    def extend(self, units: UnitTable) -> "WorkingSet":
        """Return the working set of a longer table that begins with this one's units."""
        if len(units) < len(self.units):
            raise ValueError(len(units))
        return WorkingSet(units, self._postings or self._base)

    def seal(self) -> None:
        """Do now what the first question would have to wait for."""
        _ = self.signals

    @property
    def postings(self) -> Postings:
        """Postings of all units, those appended since the last version merged in."""
        if self._postings is None:
            self._postings = extend(self._base, self.units)
            self._base = self._postings
        return self._postings

    @property
    def signals(self) -> Signals:
        """Weights and features that no question changes."""
        if self._signals is None:
            self._signals = signals_of(self.postings, self.units)
        return self._signals

    @property
    def size_bytes(self) -> int:
        """Bytes held besides the table itself."""
        return self.postings.size_bytes + self.signals.size_bytes
