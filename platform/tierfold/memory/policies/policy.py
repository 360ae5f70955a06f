"""What every eviction policy is: the decisions of one bounded cache, told of its accesses.

A policy holds keys and sizes, no content: whoever owns the content calls `access`, and lets go of
what `evicted` names. So the same object decides in a shard and in the simulator.
"""

from collections.abc import Hashable, Iterator
from typing import Protocol

Key = Hashable


class Policy(Protocol):
    """One cache of at most `bytes_max` bytes."""

    evicted: list[tuple[Key, int]]
    """Keys and bytes it has let go, in order; their owner carries it out and empties the list."""

    @property
    def bytes_max(self) -> int:
        """The most that it holds."""
        ...

    @property
    def size_bytes(self) -> int:
        """What it holds now; a key counts at least 1."""
        ...

    def access(self, key: Key, size_bytes: int) -> bool:
        """Note an access and return whether the key was here; it is afterwards.

        Only what is larger than the cache is not: it stands in `evicted` at once. A known key may
        come with another size.
        """
        ...

    def remove(self, key: Key) -> int:
        """Take a key out (it was deleted, or moved to another tier); returns its bytes, or 0."""
        ...

    def resize(self, bytes_max: int) -> None:
        """Change the limit; what does not fit any more is evicted now."""
        ...

    def in_order(self) -> Iterator[Key]:
        """Yield all keys, about in the order in which they would go; changes nothing."""
        ...

    def __contains__(self, key: object) -> bool:
        """Return whether a key is held."""
        ...

    def __len__(self) -> int:
        """Return how many keys are held."""
        ...
