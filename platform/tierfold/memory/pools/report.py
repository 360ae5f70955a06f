"""What the pools hold and have decided, as values for `/v1/tiers` and gauges."""

from dataclasses import dataclass

from tierfold.memory.pools.asking import Pool


@dataclass(slots=True)
class Counts:
    """Decisions about one pool, since the start."""

    granted: int = 0
    degraded: int = 0
    refused: int = 0
    evictions_asked: int = 0  # leases, each counted once
    reclaimed: int = 0  # leases that were never returned


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport:
    """One pool."""

    pool: Pool
    limit_bytes: int  # its share
    used_bytes: int
    evictable_bytes: int  # of what is used
    lent_bytes: int
    borrowed_bytes: int
    leases: int
    granted: int
    degraded: int
    refused: int
    evictions_asked: int
    reclaimed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsReport:
    """All pools of one process."""

    limit_bytes: int
    used_bytes: int
    excess_bytes: int  # above a limit that was lowered; nothing new is granted while there is any
    pools: tuple[PoolReport, ...]

    @property
    def degraded_share(self) -> float:
        """Of all leases that were given out or refused, the share that got less than it asked."""
        degraded = sum(each.degraded for each in self.pools)
        decided = degraded + sum(each.granted + each.refused for each in self.pools)
        return degraded / decided if decided else 0.0
