"""Leases of the working sets in L0: what each is worth, and the bytes it takes while it lives."""

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from tierfold.engine.pool_keeper import Lease, PoolKeeper
from tierfold.engine.working.loaded import Loaded
from tierfold.errors import OverloadError, TooLargeError
from tierfold.memory.pools import Ask, Pool, Worth
from tierfold.processing import nominal_ms

_STEPS = ("read", "index")  # making one again


@dataclass(slots=True)
class _Rating:
    """What a working set is worth: the time it saves, and how often it did."""

    made_ms: float  # nominal, to make it again
    size_bytes: int
    raised: float  # density on top of which uses count
    uses: int = 1

    @property
    def worth(self) -> Worth:
        """The worth, such that its density is the raised one and that of the uses together."""
        uses = self.uses + self.raised * self.size_bytes / self.made_ms
        return Worth(utility=self.made_ms, frequency=uses, cost=self.size_bytes)


@dataclass(slots=True)
class SetLease:
    """The lease of one working set."""

    lease: Lease
    rating: _Rating


class SetLeases:
    """Rates working sets by the time they save for each byte, and by how lately that was.

    What was evicted or refused was worth so much, and what is used from then on counts on top of
    that: nothing stays for ever that was used much once. The caller's lock guards all but `lease`.
    """

    def __init__(self, keeper: PoolKeeper) -> None:
        self._keeper = keeper
        self._held: dict[Hashable, SetLease] = {}
        self._raised = 0.0

    def lease(self, loaded: Loaded, drop: Callable[[], None]) -> SetLease | None:
        """Lease a working set's bytes until it dies; `drop` lets go of it.

        None where there is no room for one of its worth. Without a lock: others may be dropped.
        """
        tokens = loaded.prepared.intake.tokens
        made_ms = sum(nominal_ms(step, tokens) for step in _STEPS)
        rating = _Rating(made_ms, max(loaded.size_bytes, 1), self._raised)
        ask = Ask(pool=Pool.CACHE, size_bytes=loaded.size_bytes, worth=rating.worth)
        try:
            lease = self._keeper.lease(ask, evict=drop)
        except (OverloadError, TooLargeError):
            return None
        weakref.finalize(loaded, lease.give_up).atexit = False
        return SetLease(lease, rating)

    def hold(self, key: Hashable, held: SetLease) -> None:
        """Note that a working set is held under its key."""
        self._held[key] = held

    def refused(self) -> None:
        """Make what comes next worth more than what is worth least now: that had its time."""
        least = min((each.rating.worth.density for each in self._held.values()), default=0.0)
        self._raised = max(self._raised, least)

    def used(self, key: Hashable) -> None:
        """Count a use; the keeper is told where that changes much."""
        held = self._held.get(key)
        if held is None:
            return
        rating = held.rating
        rating.uses += 1
        if rating.raised < self._raised or rating.uses & (rating.uses - 1) == 0:
            rating.raised = self._raised
            held.lease.rate(rating.worth)

    def left(self, key: Hashable, *, was_evicted: bool = False) -> None:
        """Note that a working set is held no more: its bytes are returned when it dies."""
        held = self._held.pop(key, None)
        if held is not None and was_evicted:
            self._raised = max(self._raised, held.rating.worth.density)
