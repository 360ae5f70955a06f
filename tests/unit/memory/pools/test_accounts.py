import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.memory.pools import Pool
from tierfold.memory.pools.accounts import Accounts
from tierfold.memory.pools.elapsed import Elapsed

SHARES = (0.4, 0.3, 0.2, 0.1)


def test_the_shares_add_up_to_the_limit() -> None:
    """What rounding takes from the pools is not lost."""
    accounts = Accounts(1_003, SHARES)

    assert [accounts.capacity(pool) for pool in Pool] == [401, 300, 200, 102]


def test_a_pool_above_its_share_has_borrowed_from_who_has_most_idle_room() -> None:
    """A loan stands with a lender and a borrower."""
    accounts = Accounts(1_000, SHARES)
    accounts.add(Pool.PROCESSING, 450, is_evictable=False)

    assert accounts.loans() == {(Pool.ACTIVE, Pool.PROCESSING): 150}
    assert accounts.owed_bytes(Pool.ACTIVE) == 150


def test_what_comes_back_goes_to_the_lender_first() -> None:
    """A borrower keeps its own share until all loans are returned."""
    accounts = Accounts(1_000, SHARES)
    accounts.add(Pool.PROCESSING, 450, is_evictable=False)
    accounts.add(Pool.PROCESSING, -150, is_evictable=False)

    assert accounts.loans() == {}
    assert accounts.used[Pool.PROCESSING] == accounts.capacity(Pool.PROCESSING)


@given(
    used=st.lists(st.integers(0, 1_000), min_size=4, max_size=4),
    limit=st.integers(0, 4_000),
)
def test_every_loan_has_its_room(used: list[int], limit: int) -> None:
    """No pool lends more than it has idle, and nothing is lent twice."""
    accounts = Accounts(limit, SHARES)
    for pool, size in zip(Pool, used, strict=True):
        accounts.add(pool, size, is_evictable=False)
    loans = accounts.loans()

    for pool in Pool:
        lent = sum(size for (lender, _), size in loans.items() if lender is pool)
        borrowed = sum(size for (_, borrower), size in loans.items() if borrower is pool)
        assert lent <= accounts.idle_bytes(pool)
        assert borrowed <= max(0, accounts.used[pool] - accounts.capacity(pool))
        assert not (lent and borrowed)
        if accounts.free_bytes >= 0:
            assert borrowed == max(0, accounts.used[pool] - accounts.capacity(pool))


def test_a_negative_limit_is_no_limit() -> None:
    """What cannot be is refused where it is said."""
    with pytest.raises(ValueError, match="-1"):
        Accounts(-1, SHARES)


def test_time_does_not_go_back() -> None:
    """A clock that is set back loses nothing of what has passed, and goes on from there."""
    elapsed = Elapsed()

    assert [elapsed.advance(now) for now in (1_000.0, 1_300.0, 200.0, 250.0)] == [0, 300, 300, 350]
