"""GDSF: the smallest and most used stay; what is long unused falls behind as others go.

Cherkasova, "Improving WWW proxies performance with greedy-dual-size-frequency caching policy",
HP Labs 1998.
"""

from tierfold.memory.policies.policy import Key
from tierfold.memory.policies.ranked import Ranked


class Gdsf(Ranked):
    """Ranks a key by its uses per byte, above the rank of what went last: for misses, not bytes."""

    __slots__ = ("_age", "_uses")

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._age = 0.0
        self._uses: dict[Key, int] = {}

    def _rank(self, key: Key, size_bytes: int, _before: float | None) -> float:
        uses = self._uses.get(key, 0) + 1
        self._uses[key] = uses
        return self._age + uses / size_bytes

    def _leave(self, key: Key) -> tuple[float, int]:
        return super()._leave(key), self._uses.pop(key)

    def _return(self, key: Key, size_bytes: int, known: tuple[float, int]) -> None:
        _, self._uses[key] = known
        super()._return(key, size_bytes, self._age)

    def _forget(self, key: Key, rank: float) -> None:
        del self._ranks[key], self._uses[key]
        self._age = rank
