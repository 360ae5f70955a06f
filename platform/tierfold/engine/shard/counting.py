"""How many reads ended in which tier, and how long the last of them took."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tierfold.engine.shard.quantile import quantile
from tierfold.engine.shard.upkeep.upkeep import ReadsOfTier

TIERS = ("L1", "L2", "L3", "L4")
READS_KEPT = 1024  # of each tier: their latencies

_MEDIAN, _LATE = 0.50, 0.99


@dataclass(slots=True)
class _Tier:
    hits: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=READS_KEPT))


class ReadCounts:
    """Counts reads by the lowest tier they had to go to; for any thread."""

    def __init__(self) -> None:
        self._tiers = {tier: _Tier() for tier in TIERS}
        self._lock = threading.Lock()

    def add(self, tier: str, latency_ms: float) -> None:
        """Count a read."""
        counted = self._tiers[tier]
        with self._lock:
            counted.hits += 1
            counted.latencies_ms.append(latency_ms)

    def by_tier(self) -> Mapping[str, ReadsOfTier]:
        """Return what was counted of each tier."""
        with self._lock:
            counted = {
                tier: (each.hits, sorted(each.latencies_ms)) for tier, each in self._tiers.items()
            }
        return {
            tier: ReadsOfTier(
                hits=hits,
                latency_ms_p50=quantile(latencies_ms, _MEDIAN),
                latency_ms_p99=quantile(latencies_ms, _LATE),
            )
            for tier, (hits, latencies_ms) in counted.items()
        }
