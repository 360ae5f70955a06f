"""The pools of one process, shared by its threads: carries out what they decide."""

from collections import deque
from collections.abc import Callable
from threading import Condition, Lock
from typing import Protocol, Self

from tierfold.errors import OverloadError
from tierfold.memory.pools import (
    Ask,
    Decision,
    Degraded,
    Granted,
    LeaseId,
    MustFree,
    Need,
    NeedModel,
    NeedReport,
    Pool,
    Pools,
    PoolsReport,
    Refused,
    Worth,
)
from tierfold.ports import Clock

EVICTION_ROUNDS_MAX = 16  # others may take what was freed; then whoever asked is turned away
_WAIT_MS_MAX = 50.0  # before looking again: a lease given up by a finaliser wakes nobody

Evict = Callable[[], object]


def _nothing(_: int) -> None:
    """Do nothing about bytes that were given back."""


class _Decide(Protocol):
    def __call__(self, *, is_final: bool) -> Decision: ...


class Lease:
    """Bytes that are accounted for until they are given back; a context, so that they are."""

    def __init__(self, keeper: "PoolKeeper", pool: Pool, granted: Granted | Degraded) -> None:
        self._keeper = keeper
        self.pool = pool
        self.id = granted.lease
        self.size_bytes = granted.size_bytes
        self.is_degraded = isinstance(granted, Degraded)  # it is smaller than what was asked

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.release()

    def release(self) -> None:
        """Give it back; a second time does nothing."""
        size_bytes, self.size_bytes = self.size_bytes, 0
        self._keeper.release(self.id)
        self._keeper.returned(size_bytes)

    def give_up(self) -> None:
        """Give it back from a finaliser: takes no lock, and is done with the next call of anyone.

        A finaliser may run inside any call, also one of the keeper's own.
        """
        self._keeper.give_up(self.id)

    def grow(self, size_bytes: int, *, wait_ms: float = 0.0) -> None:
        """Make it larger by so many bytes; raises OverloadError or TooLargeError, and it stays."""
        self.size_bytes = self._keeper.grow(self, size_bytes, wait_ms=wait_ms)

    def shrink(self, size_bytes: int) -> None:
        """Give back so many of its bytes."""
        size_bytes = min(size_bytes, self.size_bytes)
        self._keeper.shrink(self.id, size_bytes)
        self.size_bytes -= size_bytes
        self._keeper.returned(size_bytes)

    def rate(self, worth: Worth) -> None:
        """Say what it is worth now, where it can be evicted."""
        self._keeper.rate(self.id, worth)


class PoolKeeper:
    """Safe to call from any thread; evictions run outside of its lock, in the thread that asked."""

    def __init__(
        self,
        pools: Pools,
        *,
        clock: Clock,
        needs: NeedModel | None = None,
        returned: Callable[[int], object] = _nothing,
        idle_bytes: int = 0,
    ) -> None:
        self._pools = pools
        self.returned = returned  # is told of bytes that were given back, no lock held
        self.idle_bytes = idle_bytes  # what the process held when the pools were made
        self._clock = clock
        self._needs = needs or NeedModel()
        self._mutex = Lock()
        self._returned = Condition(self._mutex)
        self._evicts: dict[LeaseId, Evict] = {}
        self._given_up: deque[LeaseId] = deque()

    @property
    def limit_bytes(self) -> int:
        """What all leases may add up to."""
        return self._pools.limit_bytes

    def lease(self, ask: Ask, *, evict: Evict | None = None, wait_ms: float = 0.0) -> Lease:
        """Return a lease, which may be smaller where the ask allows it.

        `evict` lets go of what an evictable lease stands for and releases it, as far as it can:
        any thread may call it. `wait_ms` is how long to wait for what others return. Raises
        OverloadError where there is no room, TooLargeError where there could never be.
        """

        def decide(*, is_final: bool) -> Decision:
            decision = self._pools.reserve(ask, self._clock.now_ms(), is_final=is_final)
            if isinstance(decision, Granted | Degraded) and evict is not None:
                self._evicts[decision.lease] = evict
            return decision

        return Lease(self, ask.pool, self._decided(decide, ask.pool, wait_ms))

    def grow(self, lease: Lease, size_bytes: int, *, wait_ms: float = 0.0) -> int:
        """Make a lease larger and return its size; raises as `lease` does."""

        def decide(*, is_final: bool) -> Decision:
            now_ms = self._clock.now_ms()
            return self._pools.grow(lease.id, size_bytes, now_ms, is_final=is_final)

        return self._decided(decide, lease.pool, wait_ms).size_bytes

    def shrink(self, lease: LeaseId, size_bytes: int) -> None:
        """Give back so many bytes of a lease."""
        with self._returned:
            self._pools.shrink(lease, size_bytes)
            self._returned.notify_all()

    def release(self, lease: LeaseId) -> None:
        """Give a lease back; a second time does nothing."""
        with self._returned:
            self._release(lease)
            self._returned.notify_all()

    def give_up(self, lease: LeaseId) -> None:
        """Give a lease back without a lock, for finalisers."""
        self._given_up.append(lease)

    def rate(self, lease: LeaseId, worth: Worth) -> None:
        """Say what an evictable lease is worth now."""
        with self._mutex:
            self._pools.rate(lease, worth)

    def end(self, owner: str) -> int:
        """Take back what a request that has ended did not return; returns how many leases."""
        with self._returned:
            reclaimed = self._pools.end(owner)
            for lease in reclaimed:
                self._evicts.pop(lease, None)
            if reclaimed:
                self._returned.notify_all()
        return len(reclaimed)

    def resize(self, limit_bytes: int) -> int:
        """Change the limit and evict what is above it; returns the bytes that are above it still.

        Nobody's lease is taken: new ones are refused until enough was returned.
        """
        with self._returned:
            self._pools.resize(limit_bytes)
            self._returned.notify_all()
        for _ in range(EVICTION_ROUNDS_MAX):
            with self._mutex:
                self._settle()
                decision = self._pools.excess(self._clock.now_ms())
            if decision is None:
                break
            self._evict(decision)
        return max(0, self._pools.used_bytes - self._pools.limit_bytes)

    def need(self, operation: str, size: int) -> Need:
        """Return what an operation is expected to need."""
        with self._mutex:
            return self._needs.predict(operation, size)

    def largest(self, operation: str, size: int, size_bytes: int) -> int:
        """Return the largest size that so many bytes are expected to be enough for."""
        with self._mutex:
            return self._needs.largest(operation, size, size_bytes)

    def learn(self, need: Need, actual_bytes: int) -> None:
        """Note what an operation really took."""
        with self._mutex:
            self._needs.observe(need, actual_bytes)

    def report(self) -> PoolsReport:
        """Return what the pools hold and have decided."""
        with self._mutex:
            self._settle()
            return self._pools.report()

    def needs(self) -> tuple[NeedReport, ...]:
        """Return predicted against actual."""
        with self._mutex:
            return self._needs.report()

    def _decided(self, decide: _Decide, pool: Pool, wait_ms: float) -> Granted | Degraded:
        """Ask, evict and wait until there is a lease; raises where there is none in time."""
        until_ms = self._clock.now_ms() + wait_ms
        rounds = 0
        while True:
            with self._returned:
                self._settle()
                left_ms = until_ms - self._clock.now_ms()
                decision = decide(is_final=left_ms <= 0)
                if isinstance(decision, Refused) and left_ms > 0 and not decision.is_hopeless:
                    self._returned.wait(min(left_ms, _WAIT_MS_MAX) / 1000)
                    continue
            if isinstance(decision, Granted | Degraded):
                return decision
            if isinstance(decision, Refused):
                raise decision.error()
            if rounds == EVICTION_ROUNDS_MAX:
                with self._mutex:
                    self._pools.turned_away(pool)
                raise OverloadError(retry_after_s=1)
            rounds += 1
            self._evict(decision)

    def _evict(self, decision: MustFree) -> None:
        """Let the owners evict; what is there afterwards stays for a while."""
        with self._mutex:
            evicts = [self._evicts.get(lease) for lease in decision.victims]
        for evict in evicts:
            if evict is not None:
                evict()
        with self._mutex:
            self._settle()
            for lease in decision.victims:
                self._pools.stays(lease, self._clock.now_ms())

    def _settle(self) -> None:
        """Release what finalisers gave up; under the lock."""
        while self._given_up:
            self._release(self._given_up.popleft())

    def _release(self, lease: LeaseId) -> None:
        self._evicts.pop(lease, None)
        self._pools.release(lease, self._clock.now_ms())
