"""Four pools that share a limit in bytes: decides who may take how much, frees nothing itself.

Where there is no room, in this order: leases that have outlived their time are taken back, leases
that are worth least must be evicted, less is granted, the ask is refused. A pool takes its own room
first and borrows what the others do not use. A pool that wants its share back gets what comes back
next: nobody of the same or a lower priority borrows from it meanwhile.
"""

import math
from dataclasses import dataclass, replace

from tierfold.config import MemorySettings
from tierfold.memory.pools.accounts import Accounts
from tierfold.memory.pools.asking import Ask, Pool, Priority, Worth
from tierfold.memory.pools.decision import (
    Decision,
    Degraded,
    Granted,
    LeaseId,
    MustFree,
    Refused,
)
from tierfold.memory.pools.elapsed import Elapsed
from tierfold.memory.pools.leases import Held, Leases
from tierfold.memory.pools.report import Counts, PoolReport, PoolsReport

KEPT_FOR_HIGHER = {Priority.LOW: 0.10, Priority.NORMAL: 0.05, Priority.HIGH: 0.0}  # of the limit
RECALL_MS = 1_000.0  # so long a pool's share that was wanted back is lent to nobody
STAY_MS = 1_000.0  # so long what could not be evicted is not named again
RETRY_AFTER_S_MAX = 30

_LIFE_KEPT = 0.9  # of the mean time a lease is held, as each comes back


@dataclass(frozen=True, slots=True)
class _Recall:
    """A pool wants some of its share back."""

    size_bytes: int
    priority: Priority
    until_ms: float


class Pools:
    """Leases of bytes; never more than the limit, unless that was lowered. No thread's but one's.

    Every call takes the time of a clock, which may go backwards.
    """

    def __init__(self, limit_bytes: int, settings: MemorySettings) -> None:
        self._accounts = Accounts(limit_bytes, settings.shares)
        self._leases = Leases(self._accounts, lease_ms_max=settings.lease_ms_max)
        self._leases_max = settings.leases_max
        self._elapsed = Elapsed()
        self._recalls: dict[Pool, _Recall] = {}
        self._counts = {pool: Counts() for pool in Pool}
        self._life_ms = 0.0

    @property
    def limit_bytes(self) -> int:
        """What all leases may add up to."""
        return self._accounts.limit_bytes

    @property
    def used_bytes(self) -> int:
        """What all leases add up to."""
        return self._accounts.used_bytes

    def reserve(self, ask: Ask, now_ms: float, *, is_final: bool = True) -> Decision:
        """Decide about a new lease; a refusal counts only if it is the last word."""
        self._elapsed.advance(now_ms)
        decision = self._decide(ask) if self._has_number() else self._without_number(ask)
        if isinstance(decision, int):
            return self._lent(ask, decision)
        if isinstance(decision, Refused) and (is_final or decision.is_hopeless):
            self.turned_away(ask.pool)
        return decision

    def grow(
        self, lease: LeaseId, size_bytes: int, now_ms: float, *, is_final: bool = True
    ) -> Decision:
        """Decide about so many bytes more for a lease: all of them or none.

        A lease that was taken back meanwhile is refused.
        """
        self._elapsed.advance(now_ms)
        held = self._leases.get(lease)
        if held is None:
            return Refused(
                asked_bytes=0, limit_bytes=self.limit_bytes, owed_bytes=0, retry_after_s=1
            )
        more = replace(
            held.ask, size_bytes=size_bytes, size_bytes_min=None, worth=held.worth, lease_ms=None
        )
        decision = self._decide(more)
        if isinstance(decision, Refused):
            decision = replace(decision, asked_bytes=held.size_bytes + size_bytes)
        if isinstance(decision, int):
            self._recalls.pop(more.pool, None)
            self._leases.change(held, size_bytes)
            return Granted(lease, held.size_bytes)
        if isinstance(decision, Refused) and (is_final or decision.is_hopeless):
            self.turned_away(more.pool)
        return decision

    def turned_away(self, pool: Pool) -> None:
        """Count an ask that got nothing."""
        self._counts[pool].refused += 1

    def shrink(self, lease: LeaseId, size_bytes: int) -> None:
        """Give back so many bytes of a lease, at most all of them."""
        if size_bytes < 0:
            raise ValueError(size_bytes)
        held = self._leases.get(lease)
        if held is not None:
            self._leases.change(held, -min(size_bytes, held.size_bytes))

    def release(self, lease: LeaseId, now_ms: float) -> bool:
        """Give a lease back; False where that has happened before."""
        self._elapsed.advance(now_ms)
        held = self._leases.remove(lease)
        if held is None:
            return False
        if held.worth is None:
            life_ms = self._elapsed.ms - held.since_ms
            self._life_ms = _LIFE_KEPT * self._life_ms + (1 - _LIFE_KEPT) * life_ms
        return True

    def rate(self, lease: LeaseId, worth: Worth) -> None:
        """Say what a lease that can be evicted is worth now."""
        held = self._leases.get(lease)
        if held is not None and held.worth is not None:
            held.worth = worth

    def stays(self, lease: LeaseId, now_ms: float) -> None:
        """Note that a victim could not be evicted: it is not named again for a while."""
        at_ms = self._elapsed.advance(now_ms)
        held = self._leases.get(lease)
        if held is not None:
            held.stays_until_ms = at_ms + STAY_MS

    def end(self, owner: str) -> tuple[LeaseId, ...]:
        """Take back what an owner that has ended did not return, and name it."""
        leases = self._leases.of_owner(owner)
        for lease in leases:
            self._reclaim(lease)
        return leases

    def collect(self, now_ms: float) -> int:
        """Take back the leases whose time is over; returns how many."""
        self._elapsed.advance(now_ms)
        return self._collect()

    def resize(self, limit_bytes: int) -> None:
        """Change the limit; `excess` says what must go where it was lowered."""
        self._accounts.resize(limit_bytes)

    def excess(self, now_ms: float) -> MustFree | None:
        """Return what must be evicted to come under a lowered limit; what is firm stays."""
        at_ms = self._elapsed.advance(now_ms)
        self._collect()
        if self._accounts.free_bytes >= 0:
            return None
        found = self._victims(-self._accounts.free_bytes, below=math.inf, at_ms=at_ms)
        return found if found.victims else None

    def report(self) -> PoolsReport:
        """Return sizes and counts."""
        accounts = self._accounts
        loans = accounts.loans()
        leases = dict.fromkeys(Pool, 0)
        for held in self._leases:
            leases[held.ask.pool] += 1
        return PoolsReport(
            limit_bytes=accounts.limit_bytes,
            used_bytes=accounts.used_bytes,
            excess_bytes=max(0, -accounts.free_bytes),
            pools=tuple(
                PoolReport(
                    pool=pool,
                    limit_bytes=accounts.capacity(pool),
                    used_bytes=accounts.used[pool],
                    evictable_bytes=accounts.evictable[pool],
                    lent_bytes=sum(n for (lender, _), n in loans.items() if lender is pool),
                    borrowed_bytes=sum(n for (_, borrower), n in loans.items() if borrower is pool),
                    leases=leases[pool],
                    granted=self._counts[pool].granted,
                    degraded=self._counts[pool].degraded,
                    refused=self._counts[pool].refused,
                    evictions_asked=self._counts[pool].evictions_asked,
                    reclaimed=self._counts[pool].reclaimed,
                )
                for pool in Pool
            ),
        )

    def _decide(self, ask: Ask) -> int | MustFree | Refused:
        """Return the bytes that are granted, or what else is to be done."""
        if ask.size_bytes <= max(0, self._room(ask)):
            return ask.size_bytes
        self._collect()
        room = self._room(ask)
        if ask.size_bytes <= max(0, room):
            return ask.size_bytes
        below = _worth_of(ask)
        at_ms = self._elapsed.ms
        evictable = self._leases.evictable_bytes(below=below, at_ms=at_ms)
        reachable = min(room + evictable, self._firm_room(ask))
        wanted = ask.size_bytes if ask.size_bytes <= reachable else ask.least_bytes
        if wanted <= max(0, room):
            return max(0, room)
        if wanted <= reachable:
            return self._victims(wanted - room, below=below, at_ms=at_ms)
        refused = self._refused(ask)
        if refused.owed_bytes and ask.worth is None and not refused.is_hopeless:
            self._recall(ask)
        return refused

    def _has_number(self) -> bool:
        """Whether one lease more may be out."""
        if len(self._leases) >= self._leases_max:
            self._collect()
        return len(self._leases) < self._leases_max

    def _without_number(self, ask: Ask) -> MustFree | Refused:
        """Decide where no more leases may be out: the least worth makes place."""
        found = self._victims(1, below=_worth_of(ask), at_ms=self._elapsed.ms)
        return found if found.victims else self._refused(ask)

    def _room(self, ask: Ask) -> int:
        """Return what could be granted now; negative above a lowered limit."""
        free = self._accounts.free_bytes
        claimed = sum(
            min(recall.size_bytes, self._accounts.idle_bytes(pool))
            for pool, recall in self._recalls.items()
            if pool is not ask.pool
            and recall.until_ms > self._elapsed.ms
            and recall.priority >= ask.priority
        )
        own = self._accounts.idle_bytes(ask.pool)
        return min(free, max(own, free - claimed), self._firm_room(ask))

    def _firm_room(self, ask: Ask) -> int:
        """Return what would be free of firm leases if all else were evicted.

        The last of it is kept for those who come first, since nothing that is firm can be taken
        from who has it. What can be evicted is in nobody's way.
        """
        if ask.worth is not None:
            return self._accounts.limit_bytes
        return self._limit_of(ask) - self._accounts.firm_bytes

    def _limit_of(self, ask: Ask) -> int:
        limit = self._accounts.limit_bytes
        return limit if ask.worth is not None else int(limit * (1 - KEPT_FOR_HIGHER[ask.priority]))

    def _lent(self, ask: Ask, size_bytes: int) -> Granted | Degraded:
        self._recalls.pop(ask.pool, None)
        lease = self._leases.add(ask, size_bytes, at_ms=self._elapsed.ms)
        if size_bytes < ask.size_bytes:
            self._counts[ask.pool].degraded += 1
            return Degraded(lease, size_bytes, ask.size_bytes)
        self._counts[ask.pool].granted += 1
        return Granted(lease, size_bytes)

    def _victims(self, size_bytes: int, *, below: float, at_ms: float) -> MustFree:
        """Return the least worth that make so much room."""
        victims: list[LeaseId] = []
        freed = 0
        for lease, held in self._leases.victims(below=below, at_ms=at_ms):
            if freed >= size_bytes:
                break
            victims.append(lease)
            freed += held.size_bytes
            self._ask_to_go(held)
        return MustFree(tuple(victims), freed)

    def _ask_to_go(self, held: Held) -> None:
        if not held.asked_to_go:
            held.asked_to_go = True
            self._counts[held.ask.pool].evictions_asked += 1

    def _recall(self, ask: Ask) -> None:
        """Want the pool's own share back; a cache can wait."""
        size = min(ask.least_bytes, self._accounts.idle_bytes(ask.pool))
        until_ms = self._elapsed.ms + RECALL_MS
        self._recalls[ask.pool] = _Recall(size, ask.priority, until_ms)

    def _refused(self, ask: Ask) -> Refused:
        return Refused(
            asked_bytes=ask.least_bytes,
            limit_bytes=self._limit_of(ask),
            owed_bytes=min(ask.least_bytes, self._accounts.owed_bytes(ask.pool)),
            retry_after_s=min(max(1, math.ceil(self._life_ms / 1000)), RETRY_AFTER_S_MAX),
        )

    def _collect(self) -> int:
        expired = self._leases.expired(self._elapsed.ms)
        for lease in expired:
            self._reclaim(lease)
        return len(expired)

    def _reclaim(self, lease: LeaseId) -> None:
        held = self._leases.remove(lease)
        if held is not None:
            self._counts[held.ask.pool].reclaimed += 1


def _worth_of(ask: Ask) -> float:
    """Return below what density others are evicted for it; a request needs it more than a cache."""
    return math.inf if ask.worth is None else ask.worth.density
