"""Least frequently used first; of equals the least recently used."""

from tierfold.memory.policies.policy import Key
from tierfold.memory.policies.ranked import Ranked

_ACCESSES_BITS = 40  # a rank is the number of uses, then the time of the last of them


class Lfu(Ranked):
    """Keeps what was used most often; never forgets a use, so growing conversations lock it in."""

    __slots__ = ("_accesses",)

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self._accesses = 0

    def _rank(self, _key: Key, _size_bytes: int, before: float | None) -> float:
        self._accesses += 1
        uses = 0 if before is None else int(before) >> _ACCESSES_BITS
        return ((uses + 1) << _ACCESSES_BITS) + self._accesses
