"""Which shards a slot lives on: rendezvous hashing, so that a new shard takes only its share.

Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998: a slot goes to the
shards whose hash together with it is highest, whatever the other shards are.
"""

import hashlib
from collections.abc import Sequence

from tierfold.context.identity import SLOT_COUNT
from tierfold.errors import InvalidInputError

SHARDS_MAX = 256  # 16 slots each: fewer would spread unevenly


class Placement:
    """The shards of every slot, home first; a pure function of the shards' names."""

    def __init__(self, shards: Sequence[str], *, replicas: int = 1) -> None:
        if not 1 <= len(shards) <= SHARDS_MAX or len(set(shards)) != len(shards):
            problem = f"1 to {SHARDS_MAX} shards with different names are needed"
            raise InvalidInputError(problem, path="shards")
        if not 1 <= replicas <= len(shards):
            problem = f"{replicas} replicas need as many shards, not {len(shards)}"
            raise InvalidInputError(problem, path="replicas")
        self.shards = tuple(shards)
        self._table = tuple(_highest(slot, self.shards, replicas) for slot in range(SLOT_COUNT))

    def home(self, slot: int) -> int:
        """Return the index of the shard that is asked first."""
        return self._table[slot][0]

    def shards_of(self, slot: int) -> tuple[int, ...]:
        """Return the indexes of all shards that hold a slot, home first."""
        return self._table[slot]


def _highest(slot: int, shards: Sequence[str], count: int) -> tuple[int, ...]:
    ranked = sorted(range(len(shards)), key=lambda index: _weight(slot, shards[index]))
    return tuple(ranked[-count:][::-1])


def _weight(slot: int, shard: str) -> bytes:
    return hashlib.blake2b(slot.to_bytes(2, "big") + shard.encode(), digest_size=8).digest()
