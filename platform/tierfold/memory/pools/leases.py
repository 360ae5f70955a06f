"""The leases that are out, by number, by owner, by worth."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

from tierfold.memory.pools.accounts import Accounts
from tierfold.memory.pools.asking import Ask, Worth
from tierfold.memory.pools.decision import LeaseId


@dataclass(slots=True)
class Held:
    """One lease that is out."""

    ask: Ask
    size_bytes: int
    since_ms: float
    deadline_ms: float  # infinite for what can be evicted, and what is lasting
    worth: Worth | None
    asked_to_go: bool = False
    stays_until_ms: float = -math.inf  # its owner could not let go of it

    @property
    def density(self) -> float:
        """What a byte of it is worth; what cannot be evicted is worth more than anything."""
        return math.inf if self.worth is None else self.worth.density

    def may_go(self, at_ms: float) -> bool:
        """Whether evicting it can be asked for."""
        return self.stays_until_ms <= at_ms


class Leases:
    """Keeps the accounts in step with the leases."""

    def __init__(self, accounts: Accounts, *, lease_ms_max: float) -> None:
        self._accounts = accounts
        self._lease_ms_max = lease_ms_max
        self._held: dict[LeaseId, Held] = {}
        self._evictable: dict[LeaseId, Held] = {}
        self._of_owner: dict[str, set[LeaseId]] = {}
        self._last: LeaseId = 0
        self._next_deadline_ms = math.inf  # no lease ends before

    def __len__(self) -> int:
        """Return how many are out."""
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        """Yield those that are out."""
        return iter(self._held.values())

    def get(self, lease: LeaseId) -> Held | None:
        """Return a lease, None where it was released or taken back."""
        return self._held.get(lease)

    def add(self, ask: Ask, size_bytes: int, *, at_ms: float) -> LeaseId:
        """Give out a lease and return its number."""
        self._last += 1
        life_ms = min(ask.lease_ms or math.inf, self._lease_ms_max)
        is_lasting = ask.is_lasting or ask.worth is not None
        deadline_ms = math.inf if is_lasting else at_ms + life_ms
        held = Held(ask, size_bytes, at_ms, deadline_ms, ask.worth)
        self._held[self._last] = held
        if ask.worth is not None:
            self._evictable[self._last] = held
        if ask.owner:
            self._of_owner.setdefault(ask.owner, set()).add(self._last)
        self._next_deadline_ms = min(self._next_deadline_ms, deadline_ms)
        self._account(held, size_bytes)
        return self._last

    def change(self, held: Held, size_bytes: int) -> None:
        """Make a lease larger or smaller by so many bytes."""
        held.size_bytes += size_bytes
        self._account(held, size_bytes)

    def remove(self, lease: LeaseId) -> Held | None:
        """Take a lease back; a second time does nothing."""
        held = self._held.pop(lease, None)
        if held is None:
            return None
        self._evictable.pop(lease, None)
        self._account(held, -held.size_bytes)
        mine = self._of_owner.get(held.ask.owner)
        if mine is not None:
            mine.discard(lease)
            if not mine:
                del self._of_owner[held.ask.owner]
        return held

    def of_owner(self, owner: str) -> tuple[LeaseId, ...]:
        """Return what an owner has not returned."""
        return tuple(sorted(self._of_owner.get(owner, ())))

    def expired(self, at_ms: float) -> list[LeaseId]:
        """Return the leases whose time is over."""
        if at_ms < self._next_deadline_ms:
            return []
        over = [lease for lease, held in self._held.items() if held.deadline_ms <= at_ms]
        left = (held.deadline_ms for held in self._held.values() if held.deadline_ms > at_ms)
        self._next_deadline_ms = min(left, default=math.inf)
        return over

    def evictable_bytes(self, *, below: float, at_ms: float) -> int:
        """Return the bytes of all that `victims` would yield."""
        return sum(
            held.size_bytes
            for held in self._evictable.values()
            if held.may_go(at_ms) and held.density < below
        )

    def victims(self, *, below: float, at_ms: float) -> Iterator[tuple[LeaseId, Held]]:
        """Yield what can be evicted, the least worth first, of what is worth less than `below`."""
        heap = [
            (held.density, lease)
            for lease, held in self._evictable.items()
            if held.may_go(at_ms) and held.density < below
        ]
        heapq.heapify(heap)
        while heap:
            lease = heapq.heappop(heap)[1]
            yield lease, self._evictable[lease]

    def _account(self, held: Held, size_bytes: int) -> None:
        self._accounts.add(held.ask.pool, size_bytes, is_evictable=held.ask.worth is not None)
