import random
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from tierfold.config import MemorySettings
from tierfold.engine import FakeClock, MonotonicClock
from tierfold.engine.pool_keeper import EVICTION_ROUNDS_MAX, Lease, PoolKeeper
from tierfold.errors import OverloadError, TooLargeError
from tierfold.memory.pools import Ask, Pool, Pools, Priority, Worth
from tierfold.ports import Clock

LIMIT = 1_000


def keeper(clock: Clock | None = None, limit: int = LIMIT) -> PoolKeeper:
    return PoolKeeper(Pools(limit, MemorySettings()), clock=clock or FakeClock())


def firm(size: int, least: int | None = None, owner: str = "") -> Ask:
    return Ask(
        pool=Pool.PROCESSING,
        size_bytes=size,
        size_bytes_min=least,
        priority=Priority.HIGH,
        owner=owner,
    )


def cached(size: int, frequency: float = 1.0) -> Ask:
    return Ask(pool=Pool.CACHE, size_bytes=size, worth=Worth(frequency=frequency, cost=size))


def hold(kept: PoolKeeper, size: int, frequency: float = 1.0) -> Lease:
    """Lease something that goes when it is told to."""
    leases: list[Lease] = []
    leases.append(kept.lease(cached(size, frequency), evict=lambda: release_all(leases)))
    return leases[0]


def release_all(leases: list[Lease]) -> None:
    for lease in leases:
        lease.release()


def counted(kept: PoolKeeper, pool: Pool, name: str) -> int:
    return int(next(getattr(each, name) for each in kept.report().pools if each.pool is pool))


def test_a_lease_is_returned_whatever_happens() -> None:
    """An exception loses no bytes, and releasing twice returns them once."""
    kept = keeper()
    lease = kept.lease(firm(300))
    with pytest.raises(KeyError), lease:
        raise KeyError(kept.report().used_bytes)
    lease.release()

    assert kept.report().used_bytes == 0
    assert lease.size_bytes == 0


def test_a_cache_makes_room() -> None:
    """The least worth is evicted by its owner, and the request does not notice."""
    kept = keeper()
    hold(kept, 600, frequency=2)
    hold(kept, 400, frequency=9)
    with kept.lease(firm(500)) as lease:
        assert not lease.is_degraded
        assert counted(kept, Pool.CACHE, "leases") == 1
        assert counted(kept, Pool.CACHE, "evictable_bytes") == 400


def test_what_is_in_use_stays_and_the_next_goes() -> None:
    """An owner that cannot let go is passed over, and all in use is a clear refusal."""
    kept = keeper()
    kept.lease(cached(500, 1), evict=lambda: None)
    hold(kept, 500, frequency=2)
    kept.lease(firm(400))
    kept.lease(cached(100))

    with pytest.raises(OverloadError):
        kept.lease(firm(500))
    assert counted(kept, Pool.PROCESSING, "refused") == 1


def test_a_smaller_lease_is_taken_where_it_helps() -> None:
    """The lease says that it is smaller, and by its size how much."""
    kept = keeper()
    kept.lease(firm(700))
    lease = kept.lease(firm(500, 100))

    assert lease.is_degraded
    assert lease.size_bytes == 300


def test_what_never_fits_is_told_so_at_once() -> None:
    """Nobody waits for room that cannot come."""
    kept = keeper(MonotonicClock())
    began = time.monotonic()
    with pytest.raises(TooLargeError, match="memory that this takes, in bytes: 5,000 is more"):
        kept.lease(firm(5_000), wait_ms=10_000)

    assert time.monotonic() - began < 5
    assert counted(kept, Pool.PROCESSING, "refused") == 1


def test_who_waits_gets_what_is_returned() -> None:
    """A return wakes a waiting request, which counts as no refusal."""
    kept = keeper(MonotonicClock())
    first = kept.lease(firm(LIMIT))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(kept.lease, firm(600), wait_ms=30_000)
        time.sleep(0.02)
        assert not waiting.done()
        first.shrink(600)
        assert waiting.result(10).size_bytes == 600

    assert first.size_bytes == 400
    assert counted(kept, Pool.PROCESSING, "refused") == 0


def test_waiting_ends() -> None:
    """Who has waited long enough is told when to come again."""
    kept = keeper(MonotonicClock())
    kept.lease(firm(LIMIT))
    with pytest.raises(OverloadError, match="retry in 1 s"):
        kept.lease(firm(1), wait_ms=30)

    assert counted(kept, Pool.PROCESSING, "refused") == 1


def test_a_lease_grows_by_eviction_or_not_at_all() -> None:
    """A refusal leaves the lease as it was."""
    kept = keeper()
    lease = kept.lease(firm(400))
    hold(kept, 600)
    lease.grow(500)
    assert lease.size_bytes == 900
    other = kept.lease(firm(100))
    with pytest.raises(OverloadError):
        lease.grow(100)
    with pytest.raises(TooLargeError):
        lease.grow(200)

    assert lease.size_bytes == 900
    assert other.size_bytes == 100
    assert kept.report().used_bytes == LIMIT


def test_what_a_request_lost_comes_back_with_its_end() -> None:
    """A lease that nobody returns is no leak, and late callers find nothing to return."""
    kept = keeper()
    lease = kept.lease(firm(100, owner="r1"))
    assert kept.end("r1") == 1
    assert kept.end("r1") == 0
    lease.release()
    with pytest.raises(OverloadError):
        lease.grow(1)

    assert kept.report().used_bytes == 0
    assert counted(kept, Pool.PROCESSING, "reclaimed") == 1


def test_a_finaliser_gives_a_lease_back() -> None:
    """What dies with its object is returned without a lock, by whoever calls next."""

    class Kept:
        pass

    kept = keeper(MonotonicClock())
    lease = kept.lease(cached(LIMIT))
    content = Kept()
    weakref.finalize(content, lease.give_up)
    del content

    assert kept.lease(firm(LIMIT), wait_ms=5_000).size_bytes == LIMIT


def test_a_lowered_limit_evicts_and_waits_for_the_rest() -> None:
    """Nobody's lease is taken; what is above the limit is said."""
    kept = keeper()
    lease = kept.lease(firm(500))
    hold(kept, 300)
    kept.lease(cached(200, 9), evict=lambda: None)

    assert kept.resize(400) == 300
    with pytest.raises(OverloadError):
        kept.lease(firm(1))
    lease.release()
    assert kept.lease(firm(200)).size_bytes == 200
    assert kept.resize(2_000) == 0


def test_worth_moves_a_lease_in_the_order() -> None:
    """What its owner has come to need is not the first to go."""
    kept = keeper()
    old = hold(kept, 500, frequency=1)
    hold(kept, 500, frequency=2)
    old.rate(Worth(frequency=5, cost=500))
    kept.lease(firm(500))

    assert old.size_bytes == 500


def test_it_gives_up_where_others_are_always_quicker() -> None:
    """An eviction whose room is gone each time ends after some rounds."""
    kept = keeper()
    evicted: list[int] = []

    def refill() -> None:
        def evict() -> None:
            evicted.append(lease.id)
            lease.release()
            refill()

        lease = kept.lease(cached(LIMIT), evict=evict)

    refill()
    with pytest.raises(OverloadError):
        kept.lease(firm(LIMIT))
    assert counted(kept, Pool.PROCESSING, "refused") == 1
    assert len(evicted) == EVICTION_ROUNDS_MAX


def test_needs_are_learned_and_reported() -> None:
    """The predictor stands beside the pools, under the same lock."""
    kept = keeper()
    need = kept.need("fold", 1_000)
    kept.learn(need, need.size_bytes // 2)

    assert [each.samples for each in kept.needs()] == [1]
    assert kept.largest("fold", 1_000, need.size_bytes) == 1_000


def test_threads_never_pass_the_limit() -> None:
    """Leases, evictions and returns at once: accounts end where they began."""
    kept = keeper(MonotonicClock())
    above: list[int] = []

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(150):
            try:
                if dice.random() < 0.5:
                    hold(kept, dice.randrange(1, 200), dice.random())
                else:
                    with kept.lease(firm(dice.randrange(10, 700), 10), wait_ms=1) as lease:
                        lease.shrink(dice.randrange(50))
            except OverloadError:
                pass
            if kept.report().used_bytes > LIMIT:
                above.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    report = kept.report()
    assert above == []
    assert report.used_bytes == sum(each.evictable_bytes for each in report.pools)
