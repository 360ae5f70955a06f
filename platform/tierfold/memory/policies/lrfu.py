"""LRFU: uses counted with a weight that halves as others pass.

Lee et al., "LRFU: a spectrum of policies that subsumes the least recently used and least frequently
used policies", 2001. Ranks are kept as logarithms: then none changes by time passing.
"""

from math import log2

from tierfold.memory.policies.policy import Key
from tierfold.memory.policies.ranked import Ranked

KAPPA = 6.0  # halvings while as many accesses pass as objects are held
_OBJECTS_MIN = 16  # an emptier cache would forget at every access


class Lrfu(Ranked):
    """Keeps what was used often of late; a large kappa is recency, a small one frequency."""

    __slots__ = ("_kappa", "_now")

    def __init__(self, bytes_max: int, *, kappa: float = KAPPA) -> None:
        if kappa <= 0:
            raise ValueError(kappa)
        super().__init__(bytes_max)
        self._kappa = kappa
        self._now = 0.0

    def _rank(self, _key: Key, _size_bytes: int, before: float | None) -> float:
        self._now = now = self._now + self._step()
        return now if before is None else now + log2(1.0 + 2.0 ** (before - now))

    def _step(self) -> float:
        """Return by how much one access makes all that came before it count less."""
        return self._kappa / max(len(self._residents), _OBJECTS_MIN)
