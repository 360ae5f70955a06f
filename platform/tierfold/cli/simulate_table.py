"""A simulation as people read it: one table per cache size, the best policy first."""

from collections.abc import Iterator, Sequence
from math import isfinite

from tierfold.cli.screen import Screen
from tierfold.cli.table import aligned, bar, printable, size
from tierfold.sim.comparison import Comparison
from tierfold.sim.replay import Replay
from tierfold.sim.trace import Trace

_BAR_WIDTH = 20
_HEADER = ("policy", "misses", "", "of bytes", "gap closed", "evicted", "accesses/s", "B/object")
_RIGHT = frozenset({1, 3, 4, 5, 6, 7})


def as_text(trace: Trace, comparisons: Sequence[Comparison], screen: Screen) -> Iterator[str]:
    """Yield the lines."""
    yield (
        f"{printable(trace.name)}: {len(trace):,} accesses to {trace.objects:,} objects of "
        f"{size(trace.footprint_bytes)}, {_percent(trace.compulsory_miss_ratio)} of them first ones"
    )
    for found in comparisons:
        cell = found.cell
        yield ""
        yield screen.paint(
            f"cache of {size(cell.bytes_max)}, {_percent(cell.share)}: "
            f"about {cell.objects:,.0f} objects",
            "bold",
        )
        rows = [_HEADER, *(_row(found, each) for each in found.replays)]
        yield from aligned(rows, right=_RIGHT, width=screen.width)


def _row(found: Comparison, one: Replay) -> tuple[str, ...]:
    gap = found.gap_closed(one.policy)
    weight = one.metadata_bytes
    return (
        one.policy,
        _percent(one.object_miss_ratio),
        bar(one.object_miss_ratio, _BAR_WIDTH),
        _percent(one.byte_miss_ratio),
        _gap(gap),
        size(one.evicted_bytes),
        f"{one.accesses_per_s:,.0f}" if isfinite(one.accesses_per_s) else "",
        f"{weight:,.0f}" if weight is not None and isfinite(weight) else "",
    )


def _gap(share: float) -> str:
    """Return the share; where there is little to gain, a loss of many times that says no more."""
    if not isfinite(share):
        return ""
    return "< -100 %" if share < -1 else _percent(share)


def _percent(share: float) -> str:
    """Return `9.54 %`: policies differ in hundredths of a point."""
    return f"{100 * share:.2f} %"
