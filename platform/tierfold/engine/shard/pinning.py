"""Pins: room is asked for before a pin is written down, and given back where the change fails."""

from collections.abc import Sequence
from typing import Protocol

from tierfold.context.identity import ContextKey
from tierfold.engine.shard.operations import Changed, Operation, Patch, Result
from tierfold.engine.shard.reading import Reader
from tierfold.errors import PinBudgetError, TierfoldError
from tierfold.ports import WallClock


class PinLink(Protocol):
    """The tiers as pins see them; for any thread."""

    def pin(self, tenant: str, digest: bytes, size_bytes: int, until_ms: int) -> None:
        """Keep a context of so many bytes above the disk; raises PinBudgetError."""
        ...

    def unpin(self, tenant: str, digest: bytes) -> None:
        """End a pin."""
        ...

    def is_pinned(self, tenant: str, digest: bytes) -> bool:
        """Whether a context is kept above the disk."""
        ...


class Pinning:
    """Asks the tiers for room for one call's pins."""

    def __init__(self, tiers: PinLink, reader: Reader, wall: WallClock) -> None:
        self._tiers = tiers
        self._reader = reader
        self._wall = wall
        self._fresh: set[ContextKey] = set()  # pinned for this call, and not before

    def refusals(self, operations: Sequence[Operation]) -> dict[int, PinBudgetError]:
        """Pin what is asked for; returns why not, by place in the call."""
        found = ((at, self._refusal(each)) for at, each in enumerate(operations))
        return {at: refusal for at, refusal in found if refusal is not None}

    def made(self, operation: Operation, outcome: Result | BaseException) -> None:
        """Note what became of a change: its pin is taken back, ends, or ends at another time."""
        if not isinstance(operation, Patch) or operation.pinned_until_ms is None:
            return
        context, until_ms = operation.context, operation.pinned_until_ms
        where = (context.tenant, context.digest)
        if isinstance(outcome, Changed):
            if not self._is_ahead(until_ms):
                self._tiers.unpin(*where)
        elif context in self._fresh:
            self._tiers.unpin(*where)

    def _refusal(self, operation: Operation) -> PinBudgetError | None:
        if not isinstance(operation, Patch) or not self._is_ahead(operation.pinned_until_ms or 0):
            return None
        context, until_ms = operation.context, operation.pinned_until_ms or 0
        where = (context.tenant, context.digest)
        was_pinned = self._tiers.is_pinned(*where)
        try:
            size_bytes = self._reader.described(*where).head.size_bytes
            self._tiers.pin(*where, size_bytes, until_ms)
        except PinBudgetError as refusal:
            return refusal
        except TierfoldError:  # the change itself meets it, and says so
            return None
        if not was_pinned:
            self._fresh.add(context)
        return None

    def _is_ahead(self, until_ms: int) -> bool:
        return until_ms > self._wall.unix_ms()
