"""Bytes by pool, and who has lent whom: sums, no leases.

What is lent follows from what is used. A pool that uses more than its share has borrowed the rest
from pools that use less, and the next byte it returns goes to them.
"""

from collections.abc import Mapping, Sequence

from tierfold.memory.pools.asking import Pool


class Accounts:
    """The shares of a limit and what is used of them."""

    def __init__(self, limit_bytes: int, shares: Sequence[float]) -> None:
        self._shares = dict(zip(Pool, shares, strict=True))
        self.limit_bytes = 0
        self.used: dict[Pool, int] = dict.fromkeys(Pool, 0)
        self.used_bytes = 0  # by all pools
        self.evictable: dict[Pool, int] = dict.fromkeys(Pool, 0)
        self.evictable_bytes = 0
        self._capacity: dict[Pool, int] = {}
        self.resize(limit_bytes)

    def resize(self, limit_bytes: int) -> None:
        """Share another limit; what is used stays as it is."""
        if limit_bytes < 0:
            raise ValueError(limit_bytes)
        self.limit_bytes = limit_bytes
        self._capacity = {pool: int(share * limit_bytes) for pool, share in self._shares.items()}
        self._capacity[Pool.OVERHEAD] += limit_bytes - sum(self._capacity.values())

    def add(self, pool: Pool, size_bytes: int, *, is_evictable: bool) -> None:
        """Account for more bytes, or for fewer."""
        self.used[pool] += size_bytes
        self.used_bytes += size_bytes
        if is_evictable:
            self.evictable[pool] += size_bytes
            self.evictable_bytes += size_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes that nobody uses; negative after the limit was lowered below what is used."""
        return self.limit_bytes - self.used_bytes

    @property
    def firm_bytes(self) -> int:
        """Bytes that cannot be evicted."""
        return self.used_bytes - self.evictable_bytes

    def capacity(self, pool: Pool) -> int:
        """Return a pool's share in bytes."""
        return self._capacity[pool]

    def idle_bytes(self, pool: Pool) -> int:
        """Return what a pool does not use of its share, lent or not."""
        return max(0, self._capacity[pool] - self.used[pool])

    def owed_bytes(self, pool: Pool) -> int:
        """Return what a pool has lent and others still use."""
        return sum(size for (lender, _), size in self.loans().items() if lender is pool)

    def loans(self) -> Mapping[tuple[Pool, Pool], int]:
        """Return what each lender has lent to each borrower; who has most idle room lends first.

        Above the limit, which was lowered then, not all that is used has a lender.
        """
        idle = {pool: self.idle_bytes(pool) for pool in Pool}
        loans: dict[tuple[Pool, Pool], int] = {}
        for borrower in Pool:
            missing = max(0, self.used[borrower] - self._capacity[borrower])
            for lender in sorted(idle, key=lambda pool: -idle[pool]):
                lent = min(missing, idle[lender])
                if lent:
                    loans[lender, borrower] = lent
                    idle[lender] -= lent
                    missing -= lent
        return loans
