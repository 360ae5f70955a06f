"""The model that tiers are judged in: how much each holds, and what a block costs to read there.

A key's first access writes it and costs nothing; below the last tier lies everything. Bandwidth,
CPU and moves are not charged, they are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierfold.sim.trace import Trace

COSTS_MS = (0.005, 1.0, 3.0, 10.0, 100.0)  # of a block in L0, L1, L2, L3, and in the object store
NAMES = ("L0", "L1", "L2", "L3")
DISK = 3  # the level whose writes wear it


@dataclass(frozen=True, slots=True, kw_only=True)
class TierShares:
    """How much each tier holds, as shares of a trace's footprint."""

    name: str
    shares: tuple[float, ...]

    def limits_bytes(self, footprint_bytes: int) -> tuple[int, ...]:
        """Return the limit of each tier."""
        return tuple(int(footprint_bytes * share) for share in self.shares)


LARGE = TierShares(name="large", shares=(0.01, 0.02, 0.06, 0.20))
SMALL = TierShares(name="small", shares=(0.001, 0.01, 0.03, 0.10))


@dataclass(frozen=True, slots=True, kw_only=True)
class TierCosts:
    """What a trace cost in one hierarchy; averages are over re-reads."""

    trace: str
    system: str
    mean_ms: float  # of a block
    p99_ms: float
    slowest_mean_ms: float  # of a request: its slowest block, a batch counted as what it waited for
    slowest_p99_ms: float
    hits: tuple[int, ...]  # per tier, the last is below them all
    written_vs_footprint: tuple[float, ...]  # per tier
    moves: int
    accuracy: float | None = None  # of what was read ahead
    coverage: float | None = None
    wasted_bytes: int = 0
    problems: tuple[str, ...] = ()  # of policies that failed: the figures are not theirs

    @property
    def disk_writes_vs_footprint(self) -> float:
        """The bytes written to the disk tier, over the footprint."""
        return self.written_vs_footprint[DISK]

    @property
    def memory_writes_vs_footprint(self) -> float:
        """The bytes written to the tiers above the disk, over the footprint."""
        return sum(self.written_vs_footprint[:DISK])


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a replay moved."""

    tier_bytes: Sequence[int]
    moves: int


def costs(
    trace: Trace,
    system: str,
    *,
    found: NDArray[np.int8],
    waited: NDArray[np.int8],
    written: Written,
) -> TierCosts:
    """Return what a replay cost: `found` is each block's tier, `waited` the one it waited for.

    They differ where a block came up in a batch: it was found above, but the batch took as long as
    its slowest block.
    """
    is_read = ~trace.is_first
    prices = np.array(COSTS_MS)
    block_ms = prices[found[is_read]]
    request_ms = _slowest(trace, np.where(is_read, prices[waited], -1.0))
    return TierCosts(
        trace=trace.name,
        system=system,
        mean_ms=_mean(block_ms),
        p99_ms=_p99(block_ms),
        slowest_mean_ms=_mean(request_ms),
        slowest_p99_ms=_p99(request_ms),
        hits=tuple(np.bincount(found[is_read], minlength=len(COSTS_MS)).tolist()),
        written_vs_footprint=tuple(each / trace.footprint_bytes for each in written.tier_bytes),
        moves=written.moves,
    )


def _slowest(trace: Trace, block_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slowest block of each request that re-read any."""
    starts = np.flatnonzero(np.diff(trace.request, prepend=trace.request[0] - 1))
    slowest = np.maximum.reduceat(block_ms, starts)
    return np.asarray(slowest[slowest >= 0])


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _p99(values: NDArray[np.float64]) -> float:
    return float(np.quantile(values, 0.99, method="higher")) if len(values) else 0.0
