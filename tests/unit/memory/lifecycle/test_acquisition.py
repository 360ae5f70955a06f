"""One budget, several sources."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tierfold.memory.lifecycle.acquisition import Claim, split

CLAIMS = st.lists(
    st.builds(
        Claim,
        size=st.integers(0, 10**7),
        priority=st.floats(0, 1000),
        expected_value=st.floats(0, 1),
        size_min=st.integers(0, 10**5),
    ),
    min_size=1,
    max_size=12,
)
BUDGETS = st.integers(0, 10**8)


@given(claims=CLAIMS, budget=BUDGETS)
def test_nothing_is_lost_and_nothing_is_given_twice(claims: list[Claim], budget: int) -> None:
    """Parts add up to the budget, to all there is, or to what must be had."""
    parts = split(budget, claims)
    least = sum(claim.least for claim in claims)
    most = sum(claim.size for claim in claims)

    assert sum(parts) == min(max(budget, least), most)
    for part, claim in zip(parts, claims, strict=True):
        assert claim.least <= part <= claim.size


@given(claims=CLAIMS, budget=BUDGETS, at=st.integers(0, 11), more=st.floats(1, 1000))
def test_a_higher_priority_never_gets_less(
    claims: list[Claim], budget: int, at: int, more: float
) -> None:
    """Who is asked for more urgently has at least what it had."""
    at %= len(claims)
    before = split(budget, claims)[at]
    raised = replace(claims[at], priority=claims[at].priority * more)
    after = split(budget, [*claims[:at], raised, *claims[at + 1 :]])[at]

    assert after >= before - 1e-9 * before - 1  # a level is a float: a piece in a thousand million


@given(claims=CLAIMS, budget=BUDGETS, more=st.integers(0, 10**6))
def test_a_larger_budget_takes_nothing_away(claims: list[Claim], budget: int, more: int) -> None:
    """Nobody pays for what others get of it."""
    before, after = split(budget, claims), split(budget + more, claims)

    assert all(late >= early - 1 for early, late in zip(before, after, strict=True))


@given(sizes=st.lists(st.integers(1000, 10**6), min_size=2, max_size=6))
def test_shares_are_proportional_where_nobody_is_full(sizes: list[int]) -> None:
    """A source of twice the priority gets twice as much, to the last piece."""
    claims = [Claim(size=size, priority=index + 1) for index, size in enumerate(sizes)]
    budget = 1000
    parts = split(budget, claims)
    total = sum(index + 1 for index in range(len(sizes)))

    for index, part in enumerate(parts):
        assert abs(part - budget * (index + 1) / total) < 1 or part == sizes[index]


def test_what_one_has_no_use_for_goes_to_the_others() -> None:
    """A short source is read whole, and the rest is split as if it were not there."""
    claims = [Claim(size=10), Claim(size=1000), Claim(size=1000, priority=2)]

    assert split(310, claims) == (10, 100, 200)


def test_what_must_be_had_is_had_at_the_expense_of_the_others() -> None:
    """System rows and pins come before any proportion."""
    claims = [Claim(size=100, size_min=80), Claim(size=100)]

    assert split(100, claims) == (80, 20)
    assert split(10, claims) == (80, 0)


def test_what_is_worth_nothing_gets_what_is_left() -> None:
    """No weight is no claim, but room that nobody wants is not thrown away."""
    claims = [Claim(size=50, priority=0), Claim(size=30), Claim(size=50, priority=float("nan"))]

    assert split(20, claims) == (0, 20, 0)
    assert split(50, claims) == (10, 30, 10)
    assert split(500, claims) == (50, 30, 50)


def test_there_may_be_nobody() -> None:
    """No claims, no parts."""
    assert split(100, []) == ()
