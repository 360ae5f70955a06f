"""How far the index as a whole is: empty and to be filled, being filled, or complete."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from tierfold.engine.shard.search.keys import STATE_KEY
from tierfold.ports import Family, KeyValues

FORMAT: Final = 1

_FIXED: Final = 10  # bytes before the key


class Phase(IntEnum):
    """What the indexer is at. Numbers are on disk and never change."""

    CLEARING = 0  # what is there is of no use
    WALKING = 1  # every stored item is put on the list of what waits
    READY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The phase, and where walking goes on: after a context's head, or inside it."""

    phase: Phase = Phase.CLEARING
    head: bytes = b""  # key of the context that was walked last, or is being walked
    item: int = 0  # items of it that were walked; 0 where it is done

    def encode(self) -> bytes:
        """Return the value on disk."""
        return bytes((FORMAT, self.phase)) + self.item.to_bytes(8, "big") + self.head


def state_of(value: bytes | None) -> State:
    """Return the state of a value: an index in another format is a lost one."""
    if value is None or len(value) < _FIXED or value[0] != FORMAT or value[1] not in set(Phase):
        return State()
    item = int.from_bytes(value[2:_FIXED], "big")
    return State(phase=Phase(value[1]), item=item, head=value[_FIXED:])


def read_state(values: KeyValues) -> State:
    """Return how far the index is now."""
    return state_of(values.get(Family.SEARCH, STATE_KEY))
