"""Which (trace, cache size) pairs say something, and what they hold."""

from collections.abc import Iterable
from dataclasses import dataclass

from tierfold.sim.trace import Trace

SHARES = (0.001, 0.01, 0.1)
BYTES_MIN = 10  # a cache of fewer size units measures how sizes are rounded
OBJECTS_MIN = 8  # of mean size


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cache size on one trace."""

    trace: str
    share: float  # of the footprint
    bytes_max: int
    objects: float  # of mean size that the cache holds

    @property
    def is_run(self) -> bool:
        """Whether it is large enough to tell policies apart."""
        return self.bytes_max >= BYTES_MIN and self.objects >= OBJECTS_MIN


def cell(trace: Trace, share: float) -> Cell:
    """Return the cell of a cache that holds this share of the trace's footprint."""
    return sized_cell(trace, int(trace.footprint_bytes * share))


def sized_cell(trace: Trace, bytes_max: int) -> Cell:
    """Return the cell of a cache of this size."""
    return Cell(
        trace=trace.name,
        share=bytes_max / trace.footprint_bytes,
        bytes_max=bytes_max,
        objects=bytes_max * trace.objects / trace.footprint_bytes,
    )


def cells(trace: Trace, shares: Iterable[float] = SHARES) -> tuple[Cell, ...]:
    """Return the cells of a trace that are run."""
    return tuple(each for each in (cell(trace, share) for share in shares) if each.is_run)
