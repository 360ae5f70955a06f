"""What a level asks of a policy, if that can tell."""

from typing import Protocol, runtime_checkable

from tierfold.memory.policies import Key


@runtime_checkable
class Selective(Protocol):
    """A policy that can say beforehand whom it takes in."""

    def admits(self, key: Key, size_bytes: int) -> bool:
        """Return whether a key has room, or stands above the one that would go for it."""
        ...
