"""What a hierarchy is compared with: tiers that each hold a copy, each by recency."""

from collections import OrderedDict
from collections.abc import Sequence


class InclusiveLru:
    """A hit in one tier copies into all above it, and touches that tier alone."""

    def __init__(self, limits_bytes: Sequence[int]) -> None:
        self.written_bytes = [0] * len(limits_bytes)
        self.writes = 0
        self._limits = tuple(limits_bytes)
        self._used = [0] * len(limits_bytes)
        self._tiers: tuple[OrderedDict[int, int], ...] = tuple(OrderedDict() for _ in limits_bytes)

    def access(self, key: int, size_bytes: int) -> int:
        """Note an access; returns the tier that had the key, or the number of tiers."""
        at = 0
        for tier in self._tiers:
            if key in tier:
                tier.move_to_end(key)
                break
            at += 1
        for above in range(at):
            self._enter(above, key, size_bytes)
        return at

    def _enter(self, at: int, key: int, size_bytes: int) -> None:
        limit = self._limits[at]
        if size_bytes > limit:
            return
        tier = self._tiers[at]
        tier[key] = size_bytes
        used = self._used[at] + size_bytes
        while used > limit:
            used -= tier.popitem(last=False)[1]
        self._used[at] = used
        self.written_bytes[at] += size_bytes
        self.writes += 1
