from dataclasses import dataclass

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tierfold.config import MemorySettings
from tierfold.memory.pools import (
    Ask,
    Decision,
    Degraded,
    Granted,
    MustFree,
    Pool,
    Pools,
    Priority,
    Refused,
    Worth,
)

SIZES = st.integers(0, 1_500)
LEASE_MS_MAX = 1_000


@dataclass
class Out:
    """A lease as the machine knows it."""

    ask: Ask
    size_bytes: int
    density: float | None


class PoolsMachine(RuleBasedStateMachine):
    """Any order of asks, evictions, returns, ends, limits and times."""

    def __init__(self) -> None:
        super().__init__()
        self.pools = Pools(1_000, MemorySettings(lease_ms_max=LEASE_MS_MAX))
        self.out: dict[int, Out] = {}
        self.now_ms = 0.0
        self.used_max = 1_000  # above the limit only as far as it was before that was lowered

    @rule(
        pool=st.sampled_from(Pool),
        size=SIZES,
        least=st.none() | SIZES,
        priority=st.sampled_from(Priority),
        owner=st.sampled_from(["", "a", "b"]),
        evicts=st.booleans(),
    )
    def ask_for_firm(
        self,
        pool: Pool,
        size: int,
        least: int | None,
        priority: Priority,
        owner: str,
        evicts: bool,  # noqa: FBT001  # Hypothesis calls it by name
    ) -> None:
        ask = Ask(
            pool=pool,
            size_bytes=size,
            size_bytes_min=None if least is None else min(least, size),
            priority=priority,
            owner=owner,
        )
        self.decided(ask, evicts=evicts)

    @rule(pool=st.sampled_from(Pool), size=SIZES, utility=st.integers(0, 5), evicts=st.booleans())
    def ask_for_evictable(self, pool: Pool, size: int, utility: int, evicts: bool) -> None:  # noqa: FBT001  # Hypothesis calls it by name
        self.decided(Ask(pool=pool, size_bytes=size, worth=Worth(utility=utility)), evicts=evicts)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), more=st.integers(0, 500))
    def grow(self, data: st.DataObject, more: int) -> None:
        lease = data.draw(st.sampled_from(sorted(self.out)))
        decision = self.pools.grow(lease, more, self.now_ms)
        self.forget_expired()
        if isinstance(decision, Granted):
            self.out[lease].size_bytes += more
            assert decision.size_bytes == self.out[lease].size_bytes
        elif isinstance(decision, MustFree):
            assert lease not in decision.victims
            self.check_victims(decision)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), less=st.integers(0, 500))
    def shrink(self, data: st.DataObject, less: int) -> None:
        lease = data.draw(st.sampled_from(sorted(self.out)))
        self.pools.shrink(lease, less)
        self.out[lease].size_bytes = max(0, self.out[lease].size_bytes - less)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(self.out)))
        assert self.pools.release(lease, self.now_ms)
        assert not self.pools.release(lease, self.now_ms)
        del self.out[lease]

    @precondition(lambda self: self.out)
    @rule(data=st.data(), utility=st.integers(0, 5))
    def rate(self, data: st.DataObject, utility: int) -> None:
        lease = data.draw(st.sampled_from(sorted(self.out)))
        self.pools.rate(lease, Worth(utility=utility))
        if self.out[lease].density is not None:
            self.out[lease].density = float(utility)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def stay(self, data: st.DataObject) -> None:
        self.pools.stays(data.draw(st.sampled_from(sorted(self.out))), self.now_ms)

    @rule(owner=st.sampled_from(["a", "b"]))
    def end(self, owner: str) -> None:
        mine = [lease for lease, out in self.out.items() if out.ask.owner == owner]
        assert sorted(self.pools.end(owner)) == sorted(mine)
        for lease in mine:
            del self.out[lease]

    @rule(step=st.integers(-2_000, 2_000))
    def tick(self, step: int) -> None:
        self.now_ms += step
        before = len(self.out)
        reclaimed = self.pools.collect(self.now_ms)
        self.forget_expired()
        assert reclaimed == before - len(self.out)

    @rule(limit=st.integers(0, 2_000))
    def resize(self, limit: int) -> None:
        self.pools.resize(limit)
        self.used_max = max(limit, self.pools.used_bytes)

    @rule()
    def come_under_the_limit(self) -> None:
        while (found := self.pools.excess(self.now_ms)) is not None:
            self.check_victims(found)
            self.evict(found)

    def decided(self, ask: Ask, *, evicts: bool) -> None:
        decision: Decision | None = None
        while decision is None or (evicts and isinstance(decision, MustFree)):
            decision = self.pools.reserve(ask, self.now_ms)
            self.forget_expired()
            if isinstance(decision, MustFree):
                self.check_victims(decision)
                if evicts:
                    self.evict(decision)
        if isinstance(decision, Granted | Degraded):
            density = None if ask.worth is None else ask.worth.density
            self.out[decision.lease] = Out(ask, decision.size_bytes, density)
            assert self.pools.used_bytes <= self.pools.limit_bytes or decision.size_bytes == 0
        if isinstance(decision, Granted):
            assert decision.size_bytes == ask.size_bytes
        if isinstance(decision, Degraded):
            assert ask.least_bytes <= decision.size_bytes < ask.size_bytes
        if isinstance(decision, Refused):
            assert ask.least_bytes > 0 or self.pools.used_bytes > self.pools.limit_bytes

    def check_victims(self, found: MustFree) -> None:
        assert found.victims
        densities = [self.out[victim].density for victim in found.victims]
        assert None not in densities
        assert densities == sorted(densities, key=lambda each: each or 0.0)
        assert found.size_bytes == sum(self.out[victim].size_bytes for victim in found.victims)

    def evict(self, found: MustFree) -> None:
        for victim in found.victims:
            assert self.pools.release(victim, self.now_ms)
            del self.out[victim]

    def forget_expired(self) -> None:
        """Drop what the pools have taken back: never something that can be evicted."""
        for lease, out in list(self.out.items()):
            if self.pools._leases.get(lease) is None:  # noqa: SLF001  # no other way to tell
                assert out.density is None
                del self.out[lease]

    @invariant()
    def accounts_are_the_leases(self) -> None:
        report = self.pools.report()
        for each in report.pools:
            mine = [out for out in self.out.values() if out.ask.pool is each.pool]
            assert each.leases == len(mine)
            assert each.used_bytes == sum(out.size_bytes for out in mine)
            evictable = sum(out.size_bytes for out in mine if out.density is not None)
            assert each.evictable_bytes == evictable

    @invariant()
    def the_limit_holds(self) -> None:
        report = self.pools.report()
        assert report.used_bytes == sum(out.size_bytes for out in self.out.values())
        self.used_max = max(report.limit_bytes, min(self.used_max, report.used_bytes))
        assert report.used_bytes <= self.used_max
        assert report.excess_bytes == max(0, report.used_bytes - report.limit_bytes)

    @invariant()
    def what_is_borrowed_is_lent(self) -> None:
        report = self.pools.report()
        lent = sum(each.lent_bytes for each in report.pools)
        borrowed = sum(each.borrowed_bytes for each in report.pools)
        assert lent == borrowed
        over = sum(max(0, each.used_bytes - each.limit_bytes) for each in report.pools)
        assert borrowed == over - report.excess_bytes


PoolsMachine.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=30)
TestPools = PoolsMachine.TestCase
