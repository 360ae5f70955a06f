"""The one order over all tiers: who goes first when something must go.

Lee et al., "LRFU: a spectrum of policies that subsumes the least recently used and least frequently
used policies", 2001. Ranks are kept as logarithms: then no rank changes by time passing, and two
of them compare the same for ever.
"""

import math
from typing import Protocol

KAPPA = 20.0  # near recency: a context's items stay together, the slowest block stays fast

Key = tuple[str, bytes]  # tenant and a context's digest


class Order(Protocol):
    """Ranks what was touched; the lowest goes first. Every policy is one."""

    def touch(self, key: Key) -> None:
        """Count one access."""
        ...

    def forget(self, key: Key) -> None:
        """Drop all memory of it."""
        ...

    def rank(self, key: Key) -> float:
        """Return its rank; minus infinity for what was never touched."""
        ...


class Recency:
    """Least recently used first."""

    def __init__(self) -> None:
        self._accesses = 0
        self._ranks: dict[Key, float] = {}

    def touch(self, key: Key) -> None:
        """Count one access."""
        self._accesses += 1
        self._ranks[key] = float(self._accesses)

    def forget(self, key: Key) -> None:
        """Drop all memory of it."""
        self._ranks.pop(key, None)

    def rank(self, key: Key) -> float:
        """Return when it was touched last, as a count of accesses."""
        return self._ranks.get(key, -math.inf)


class Lrfu:
    """Recency and frequency in one rank: each access adds a weight that halves as others pass.

    `kappa` halvings happen while as many accesses pass as objects fit; infinite is recency, zero is
    frequency.
    """

    def __init__(self, *, objects: int, kappa: float = KAPPA) -> None:
        if objects < 1 or kappa <= 0:
            raise ValueError((objects, kappa))
        self._step = kappa / objects
        self._accesses = 0
        self._ranks: dict[Key, float] = {}

    def touch(self, key: Key) -> None:
        """Count one access."""
        self._accesses += 1
        now = self._step * self._accesses
        before = self._ranks.get(key)
        self._ranks[key] = now if before is None else _sum(before, now)

    def forget(self, key: Key) -> None:
        """Drop all memory of it."""
        self._ranks.pop(key, None)

    def rank(self, key: Key) -> float:
        """Return the logarithm of its decayed count."""
        return self._ranks.get(key, -math.inf)


def _sum(left: float, right: float) -> float:
    """Return log2(2^left + 2^right) without leaving the logarithms."""
    return max(left, right) + math.log2(1 + 2 ** -abs(left - right))
