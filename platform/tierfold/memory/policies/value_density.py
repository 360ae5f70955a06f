"""Value density: what is worth much, and used often of late, for few bytes."""

from math import log2

from tierfold.memory.policies.lrfu import KAPPA, Lrfu
from tierfold.memory.policies.policy import Key

_UTILITY_MIN = 2.0**-20  # what is worth nothing goes first, but still in the order of its uses


class ValueDensity(Lrfu):
    """Ranks a key by utility x decayed uses / bytes."""

    __slots__ = ("_utilities",)

    def __init__(self, bytes_max: int, *, kappa: float = KAPPA) -> None:
        super().__init__(bytes_max, kappa=kappa)
        self._utilities: dict[Key, float] = {}

    def note_utility(self, key: Key, utility: float) -> None:
        """Say what a key that is held is worth, relative to 1; it holds until the key goes."""
        rank = self._ranks.get(key)
        if rank is None:
            return
        worth = log2(max(utility, _UTILITY_MIN))
        rank += worth - self._utilities.get(key, 0.0)
        self._utilities[key] = worth
        self._ranks[key] = rank
        self._push(key, rank)

    def _rank(self, key: Key, size_bytes: int, before: float | None) -> float:
        worth = self._utilities.get(key, 0.0) - log2(size_bytes)
        self._now = now = self._now + self._step()
        uses = now if before is None else now + log2(1.0 + 2.0 ** (before - worth - now))
        return worth + uses

    def _worth(self, key: Key, size_bytes: int) -> float:
        return self._utilities.get(key, 0.0) - log2(size_bytes)

    def _leave(self, key: Key) -> tuple[float, float]:
        uses = self._ranks[key] - self._worth(key, self._residents[key])
        super()._leave(key)
        return uses, self._utilities.pop(key, 0.0)

    def _return(self, key: Key, size_bytes: int, known: tuple[float, float]) -> None:
        uses, self._utilities[key] = known
        super()._return(key, size_bytes, uses + self._worth(key, size_bytes))

    def _forget(self, key: Key, _rank: float) -> None:
        del self._ranks[key]
        self._utilities.pop(key, None)
