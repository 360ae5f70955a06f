import math

from hypothesis import given
from hypothesis import strategies as st

from tierfold.memory import Lrfu, Order, Recency

KEYS = st.lists(st.integers(0, 5), max_size=200)


def key(number: int) -> tuple[str, bytes]:
    return "t", bytes((number,))


def ranked(order: Order, accesses: list[int]) -> list[int]:
    for each in accesses:
        order.touch(key(each))
    return sorted(set(accesses), key=lambda each: order.rank(key(each)))


@given(KEYS)
def test_recency_ranks_by_the_last_access(accesses: list[int]) -> None:
    """The least recently used goes first."""
    last = {each: at for at, each in enumerate(accesses)}

    assert ranked(Recency(), accesses) == sorted(last, key=last.__getitem__)


@given(KEYS)
def test_lrfu_with_a_high_kappa_is_recency(accesses: list[int]) -> None:
    """When a weight halves with every access, what was before it does not count."""
    assert ranked(Lrfu(objects=1, kappa=4.0), accesses) == ranked(Recency(), accesses)


@given(KEYS)
def test_lrfu_is_the_decayed_count(accesses: list[int]) -> None:
    """Ranks are the logarithm of the sum of all accesses, each halved as others passed."""
    order = Lrfu(objects=10, kappa=2.0)
    ranked(order, accesses)
    for each in set(accesses):
        weights = [2 ** (0.2 * (at + 1)) for at, one in enumerate(accesses) if one == each]
        assert math.isclose(order.rank(key(each)), math.log2(sum(weights)), abs_tol=1e-9)


def test_lrfu_holds_what_is_used_often() -> None:
    """With a low kappa, many accesses a while ago outrank one just now."""
    assert ranked(Lrfu(objects=1000, kappa=1.0), [1, 1, 1, 1, 2]) == [2, 1]


def test_what_was_never_touched_goes_first() -> None:
    """An unknown key has the lowest of all ranks, before and after it was known."""
    for order in (Recency(), Lrfu(objects=4)):
        assert order.rank(key(1)) == -math.inf
        order.touch(key(1))
        assert order.rank(key(1)) > -math.inf
        order.forget(key(1))
        assert order.rank(key(1)) == -math.inf
