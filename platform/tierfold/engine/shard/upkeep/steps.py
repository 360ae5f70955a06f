"""How upkeep changes what is stored: short steps in the queue of changes, heavy work outside.

A step reads what the heavy work was based on once more: what changed meanwhile is left alone.
"""

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from tierfold.engine.shard.view import Stored
from tierfold.ports import Batch, KeyValues

T = TypeVar("T")


class Commits(Protocol):
    """Runs steps one after another, each all or nothing."""

    def run(self, step: Callable[[Stored, Batch], T]) -> T:
        """Return what the step returns, once its batch is on the disk."""
        ...


class DirectCommits:
    """Commits in the caller's thread: for a store that serves nobody, as while it is restored."""

    def __init__(self, values: KeyValues) -> None:
        self._values = values
        self._lock = threading.Lock()

    def run(self, step: Callable[[Stored, Batch], T]) -> T:
        """Evaluate a step and write its batch."""
        with self._lock:
            batch = Batch()
            result = step(self._values, batch)
            if len(batch):
                self._values.write(batch)
            return result
