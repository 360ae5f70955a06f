from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.config import MemorySettings
from tierfold.errors import InvalidInputError, OverloadError, TooLargeError
from tierfold.memory.pools import (
    Ask,
    Decision,
    Degraded,
    Granted,
    MustFree,
    Pool,
    PoolReport,
    Pools,
    Priority,
    Refused,
    Worth,
)
from tierfold.memory.pools.pools import RECALL_MS, RETRY_AFTER_S_MAX, STAY_MS

LIMIT = 1_000


def pools(limit: int = LIMIT, **settings: Any) -> Pools:
    return Pools(limit, MemorySettings(**settings))


def ask(size: int, pool: Pool = Pool.PROCESSING, **fields: Any) -> Ask:
    return Ask(pool=pool, size_bytes=size, **{"priority": Priority.HIGH, **fields})


def cached(size: int, frequency: float = 1.0) -> Ask:
    worth = Worth(frequency=frequency, cost=size)
    return Ask(pool=Pool.CACHE, size_bytes=size, worth=worth)


def lease(decision: Decision) -> int:
    assert isinstance(decision, Granted | Degraded)
    return decision.lease


def of(found: Pools, pool: Pool) -> PoolReport:
    return next(each for each in found.report().pools if each.pool is pool)


def test_a_pool_takes_its_own_room_first() -> None:
    """What fits into a share is nobody else's."""
    found = pools()
    assert found.reserve(ask(300), 0) == Granted(1, 300)

    assert of(found, Pool.PROCESSING).used_bytes == 300
    assert of(found, Pool.PROCESSING).borrowed_bytes == 0


def test_idle_room_is_lent() -> None:
    """A pool may use what the others do not, and it stands in their accounts."""
    found = pools()
    found.reserve(ask(900), 0)

    assert of(found, Pool.PROCESSING).borrowed_bytes == 600
    assert sum(each.lent_bytes for each in found.report().pools) == 600


def test_a_lender_gets_what_comes_back_next() -> None:
    """While a pool wants its share back, nobody borrows it, and it gets it."""
    found = pools()
    first = lease(found.reserve(ask(500), 0))
    found.reserve(ask(500), 0)
    refused = found.reserve(ask(400, Pool.ACTIVE), 1)
    assert isinstance(refused, Refused)
    assert refused.owed_bytes == 400
    found.release(first, 2)

    assert isinstance(found.reserve(ask(200), 3), Refused)
    assert isinstance(found.reserve(ask(400, Pool.ACTIVE), 4), Granted)


def test_a_share_that_is_wanted_back_is_not_kept_for_ever() -> None:
    """Who has gone away keeps nobody from borrowing."""
    found = pools()
    first = lease(found.reserve(ask(500), 0))
    found.reserve(ask(500), 0)
    found.reserve(ask(400, Pool.ACTIVE), 0)
    found.release(first, 0)

    assert isinstance(found.reserve(ask(200), RECALL_MS - 1), Refused)
    assert isinstance(found.reserve(ask(200), RECALL_MS + 1), Granted)


def test_what_could_never_fit_wants_nothing_back() -> None:
    """A hopeless ask keeps nobody from borrowing."""
    found = pools()
    first = lease(found.reserve(ask(500), 0))
    found.reserve(ask(400), 0)
    assert isinstance(found.reserve(ask(5_000, Pool.ACTIVE), 0), Refused)
    found.release(first, 0)

    assert isinstance(found.reserve(ask(600), 0), Granted)


def test_what_a_lower_priority_wants_back_is_lent_to_a_higher_one() -> None:
    """The order of priorities holds between pools too."""
    found = pools()
    first = lease(found.reserve(ask(500), 0))
    found.reserve(ask(400), 0)
    found.reserve(ask(400, Pool.ACTIVE, priority=Priority.LOW), 1)
    found.release(first, 2)

    assert isinstance(found.reserve(ask(500), 3), Granted)


def test_leases_that_outlived_their_time_go_first() -> None:
    """Nothing useful is evicted while there is garbage."""
    found = pools()
    found.reserve(cached(200), 0)
    found.reserve(ask(800, lease_ms=50), 0)

    assert isinstance(found.reserve(ask(700), 51), Granted)
    assert of(found, Pool.PROCESSING).reclaimed == 1
    assert of(found, Pool.CACHE).leases == 1


def test_the_least_worth_is_evicted_before_anything_else_happens() -> None:
    """Victims are named in order of value density, no more than are needed."""
    found = pools()
    for frequency in (3.0, 1.0, 2.0):
        found.reserve(cached(100, frequency), 0)
    found.reserve(ask(700), 0)

    assert found.reserve(ask(150, size_bytes_min=1), 0) == MustFree((2, 3), 200)
    for victim in (2, 3):
        found.release(victim, 0)
    assert found.reserve(ask(150), 0) == Granted(5, 150)
    assert of(found, Pool.CACHE).evictions_asked == 2


def test_no_more_is_evicted_than_is_missing() -> None:
    """What is free already counts."""
    found = pools()
    for _ in range(3):
        found.reserve(cached(100), 0)
    found.reserve(ask(600), 0)

    assert found.reserve(ask(200), 0) == MustFree((1,), 100)


def test_nothing_is_evicted_in_vain() -> None:
    """Who would be refused with all of the cache gone is refused before."""
    found = pools()
    found.reserve(cached(100), 0)
    found.reserve(ask(900), 0)

    assert isinstance(found.reserve(ask(50, priority=Priority.LOW), 0), Refused)
    assert isinstance(found.reserve(ask(50, priority=Priority.NORMAL), 0), MustFree)


def test_what_is_worth_more_is_not_evicted_for_what_is_worth_less() -> None:
    """A cache that is full of better things stays as it is."""
    found = pools()
    for _ in range(10):
        found.reserve(cached(100, frequency=5), 0)

    assert isinstance(found.reserve(cached(100, frequency=4), 0), Refused)
    assert isinstance(found.reserve(cached(100, frequency=6), 0), MustFree)


def test_worth_can_change() -> None:
    """What is used more often stays longer."""
    found = pools()
    for _ in range(10):
        found.reserve(cached(100), 0)
    found.rate(1, Worth(frequency=9, cost=100))

    assert found.reserve(ask(100), 0) == MustFree((2,), 100)


def test_what_cannot_be_evicted_is_not_named_again_for_a_while() -> None:
    """When all is in use there is a clear answer and no loop."""
    found = pools()
    found.reserve(cached(1_000), 0)
    assert found.reserve(ask(100), 0) == MustFree((1,), 1_000)
    found.stays(1, 0)

    assert isinstance(found.reserve(ask(100), STAY_MS - 1), Refused)
    assert isinstance(found.reserve(ask(100), STAY_MS + 1), MustFree)
    assert of(found, Pool.CACHE).evictions_asked == 1


def test_less_is_granted_before_nothing_is() -> None:
    """A degraded lease says what was asked, and is never below what helps."""
    found = pools()
    found.reserve(ask(700), 0)

    assert found.reserve(ask(500, size_bytes_min=200), 0) == Degraded(2, 300, 500)
    assert isinstance(found.reserve(ask(500, size_bytes_min=200), 0), Refused)
    assert of(found, Pool.PROCESSING).degraded == 1
    assert of(found, Pool.PROCESSING).refused == 1
    assert found.report().degraded_share == pytest.approx(1 / 3)


def test_what_could_never_fit_flushes_no_cache() -> None:
    """One context larger than all memory costs the others nothing."""
    found = pools()
    found.reserve(cached(400), 0)
    found.reserve(ask(300), 0)

    assert found.reserve(ask(5_000, size_bytes_min=100), 0) == Degraded(3, 300, 5_000)
    refused = found.reserve(ask(5_000), 0)
    assert isinstance(refused, Refused)
    assert isinstance(refused.error(), TooLargeError)


def test_a_degraded_lease_may_need_an_eviction() -> None:
    """So much is evicted as the smallest useful lease needs."""
    found = pools()
    found.reserve(ask(700), 0)
    for _ in range(3):
        found.reserve(cached(100), 0)

    assert found.reserve(ask(500, size_bytes_min=150), 0) == MustFree((2, 3), 200)


def test_a_refusal_says_when_to_come_again() -> None:
    """About when leases have come back so far, and never in an hour."""
    found = pools()
    for _ in range(50):
        held = lease(found.reserve(ask(100), 0))
        found.release(held, 0)
    found.reserve(ask(LIMIT), 0)
    error = found.reserve(ask(1), 0)
    assert isinstance(error, Refused)
    assert isinstance(error.error(), OverloadError)
    assert error.retry_after_s == 1

    found.release(51, 1e9)
    found.reserve(ask(LIMIT), 1e9)
    later = found.reserve(ask(1), 1e9)
    assert isinstance(later, Refused)
    assert later.retry_after_s == RETRY_AFTER_S_MAX


def test_the_last_of_the_limit_is_kept_for_who_comes_first() -> None:
    """Firm leases cannot be taken back, so lower priorities never take all room."""
    found = pools()
    assert isinstance(found.reserve(ask(901, priority=Priority.LOW), 0), Refused)
    assert isinstance(found.reserve(ask(900, priority=Priority.LOW), 0), Granted)
    assert isinstance(found.reserve(ask(51, priority=Priority.NORMAL), 0), Refused)
    assert isinstance(found.reserve(ask(50, priority=Priority.NORMAL), 0), Granted)
    assert isinstance(found.reserve(ask(50), 0), Granted)


@given(
    firm=st.lists(
        st.tuples(
            st.sampled_from(Pool),
            st.integers(0, 300),
            st.sampled_from([Priority.LOW, Priority.NORMAL]),
        ),
        max_size=8,
    ),
    caches=st.lists(st.tuples(st.integers(0, 300), st.floats(0, 9)), max_size=8),
    size=st.integers(1, LIMIT),
)
def test_a_lower_priority_never_refuses_a_higher_one_while_there_is_cache(
    firm: list[tuple[Pool, int, Priority]], caches: list[tuple[int, float]], size: int
) -> None:
    """With what could be evicted gone the highest gets all room, whoever wants a share back."""
    found = pools()
    for cache_bytes, utility in caches:
        found.reserve(Ask(pool=Pool.CACHE, size_bytes=cache_bytes, worth=Worth(utility=utility)), 0)
    for pool, firm_bytes, priority in firm:
        found.reserve(ask(firm_bytes, pool, priority=priority), 0)
    report = found.report()
    evictable = sum(each.evictable_bytes for each in report.pools)
    decision = found.reserve(ask(size), 0)
    if isinstance(decision, MustFree):
        for victim in decision.victims:
            found.release(victim, 0)
        decision = found.reserve(ask(size), 0)

    fits = size <= LIMIT - report.used_bytes + evictable
    assert isinstance(decision, Granted if fits else Refused)


def test_a_lease_grows_and_shrinks() -> None:
    """All that is added was there to add; all that is given back can be had at once."""
    found = pools()
    held = lease(found.reserve(ask(400), 0))

    assert found.grow(held, 500, 0) == Granted(held, 900)
    other = lease(found.reserve(ask(100), 0))
    assert isinstance(found.grow(held, 100, 0), Refused)
    found.release(other, 0)
    found.shrink(held, 300)
    assert found.used_bytes == 600
    found.shrink(held, 10_000)
    assert found.used_bytes == 0
    found.release(held, 0)
    assert isinstance(found.grow(held, 1, 0), Refused)
    found.shrink(held, 1)
    with pytest.raises(ValueError, match="-1"):
        found.shrink(held, -1)


def test_a_cache_lease_that_grows_evicts_others_not_itself() -> None:
    """Whoever needs room is not its own victim."""
    found = pools()
    small = lease(found.reserve(cached(100, 50.0), 0))
    found.reserve(cached(900, 9.0), 0)

    assert found.grow(small, 100, 0) == MustFree((2,), 900)


def test_what_a_request_did_not_return_is_taken_back() -> None:
    """A lost lease is counted, and returning it later changes nothing."""
    found = pools()
    lost = lease(found.reserve(ask(100, owner="r1"), 0))
    returned = lease(found.reserve(ask(100, owner="r1"), 0))
    other = lease(found.reserve(ask(100, owner="r2"), 0))
    assert found.release(returned, 0)
    assert found.end("r1") == (lost,)
    assert found.end("r1") == ()

    assert not found.release(lost, 0)
    assert found.used_bytes == 100
    assert of(found, Pool.PROCESSING).reclaimed == 1
    assert found.release(other, 0)


def test_no_lease_outlives_the_setting() -> None:
    """A holder that never ends is no leak."""
    found = pools(lease_ms_max=1_000)
    found.reserve(ask(100, lease_ms=1e9), 0)
    found.reserve(cached(100), 0)

    assert found.collect(999) == 0
    assert found.collect(1_000) == 1
    assert found.used_bytes == 100


def test_a_clock_that_goes_back_ends_no_lease_and_keeps_none() -> None:
    """Time is what has passed, not what the clock shows."""
    found = pools(lease_ms_max=1_000)
    found.reserve(ask(100), 1e9)
    assert found.collect(0) == 0
    assert found.collect(999) == 0
    assert found.collect(1_000) == 1


def test_a_lowered_limit_evicts_and_kills_nobody() -> None:
    """What is firm stays, and nothing new is granted until there is room again."""
    found = pools()
    firm = lease(found.reserve(ask(600), 0))
    found.reserve(cached(300), 0)
    assert found.excess(0) is None
    found.resize(500)
    assert found.excess(0) == MustFree((2,), 300)
    found.release(2, 0)

    assert found.excess(0) is None
    assert found.report().excess_bytes == 100
    assert isinstance(found.reserve(ask(1), 0), Refused)
    found.release(firm, 0)
    assert isinstance(found.reserve(ask(500), 0), Granted)


def test_there_are_only_so_many_leases() -> None:
    """Accounts are memory too."""
    found = pools(leases_max=2)
    found.reserve(ask(1, lease_ms=10), 0)
    found.reserve(ask(1), 0)

    assert isinstance(found.reserve(ask(1), 9), Refused)
    assert isinstance(found.reserve(ask(1), 10), Granted)


def test_a_cache_makes_place_among_the_leases_too() -> None:
    """Many small things that could be made again refuse no request."""
    found = pools(leases_max=2)
    found.reserve(cached(1, 5), 0)
    found.reserve(cached(1, 4), 0)

    assert found.reserve(ask(1), 0) == MustFree((2,), 1)
    assert isinstance(found.reserve(cached(1, 3), 0), Refused)


def test_a_lease_that_would_outgrow_the_limit_is_hopeless() -> None:
    """What counts is what it would be, not what is added."""
    found = pools()
    found.reserve(ask(600), 0)
    refused = found.grow(1, 500, 0)

    assert isinstance(refused, Refused)
    assert refused.is_hopeless


def test_an_empty_lease_is_a_lease() -> None:
    """What needs nothing is not refused."""
    found = pools()
    found.reserve(ask(LIMIT), 0)

    assert found.reserve(ask(0), 0) == Granted(2, 0)


def test_an_ask_that_is_not_final_counts_as_no_refusal() -> None:
    """Who waits and asks again was not turned away."""
    found = pools()
    found.reserve(ask(500), 0)
    found.reserve(ask(500), 0)
    found.reserve(ask(1), 0, is_final=False)
    found.grow(1, 1, 0, is_final=False)
    assert of(found, Pool.PROCESSING).refused == 0

    found.grow(1, 1, 0)
    assert of(found, Pool.PROCESSING).refused == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"size_bytes": -1},
        {"size_bytes": 1, "size_bytes_min": 2},
        {"size_bytes": 1, "size_bytes_min": -1},
        {"size_bytes": 1, "lease_ms": 0.0},
        {"size_bytes": 1, "lease_ms": 1.0, "worth": Worth()},
        {"size_bytes": 1, "owner": "r1", "worth": Worth()},
    ],
)
def test_an_ask_that_cannot_be_is_refused_at_once(fields: dict[str, Any]) -> None:
    """A mistake in our own code is not served."""
    with pytest.raises(ValueError, match=r".+"):
        Ask(pool=Pool.CACHE, **fields)


@pytest.mark.parametrize("fields", [{"cost": 0.0}, {"cost": -1.0}, {"utility": float("nan")}])
def test_worth_can_be_compared(fields: dict[str, float]) -> None:
    """A density that is no number would have no place in the order."""
    with pytest.raises(ValueError, match=r".+"):
        Worth(**fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"active_share": 0.5}, "must be at least 0 and add up to 1, not 0.5, 0.3, 0.2, 0.1"),
        ({"active_share": -0.1, "processing_share": 0.8}, "add up to 1"),
        ({"active_share": float("nan")}, "add up to 1"),
        ({"share_of_machine": 0.0}, "memory.share_of_machine: must be above 0 and at most 1"),
        ({"memory_bytes_max": 1_000_000}, "must be at least 67,108,864, not 1,000,000"),
        ({"leases_max": 0}, "must be at least 1"),
    ],
)
def test_settings_say_what_is_wrong(fields: dict[str, Any], said: str) -> None:
    """Nobody has to guess which number is meant."""
    with pytest.raises(InvalidInputError, match=said):
        MemorySettings(**fields)
