import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.memory.policies.oracles import Access
from tests.unit.memory.policies.traces import KEYS, sized
from tierfold.memory.policies import Gdsf, Lrfu, Ranked, ValueDensity

SIZES = [3, 5, 1, 8, 2]


class Decayed:
    """Uses counted one by one, each halved as others pass: kappa times as a cacheful does."""

    def __init__(self, kappa: float) -> None:
        self.kappa, self.now = kappa, 0.0
        self.uses: dict[int, list[float]] = {}

    def note(self, key: int) -> None:
        self.uses.setdefault(key, [])
        self.now += self.kappa / max(len(self.uses), 16)
        self.uses[key].append(self.now)

    def count(self, key: int) -> float:
        return math.fsum(2 ** (at - self.now) for at in self.uses[key])


def victims(policy: Ranked) -> list[int]:
    gone = [key for key, _ in policy.evicted if isinstance(key, int)]
    policy.evicted.clear()
    return gone


def check_decayed(policy: Lrfu, kappa: float, accesses: list[Access], *, by_size: bool) -> None:
    decayed, sizes = Decayed(kappa), dict(accesses)
    for key, size in accesses:
        policy.access(key, size)
        for gone in victims(policy):
            if gone not in decayed.uses:
                assert size > policy.bytes_max
                continue
            worth = {
                each: decayed.count(each) / (sizes[each] if by_size else 1) for each in decayed.uses
            }
            assert worth[gone] <= min(worth.values()) * (1 + 1e-9)
            del decayed.uses[gone]
        if key in policy:
            decayed.note(key)


@pytest.mark.parametrize("trace", KEYS)
@pytest.mark.parametrize("kappa", [0.5, 6.0])
def test_lrfu_lets_the_smallest_decayed_count_go(trace: str, kappa: float) -> None:
    """The logarithms keep the very order of the sums that they stand for."""
    accesses = [(key, 1) for key, _ in sized(trace)[:800]]
    check_decayed(Lrfu(25, kappa=kappa), kappa, accesses, by_size=False)


@given(st.lists(st.integers(0, 12), max_size=100), st.integers(1, 40))
def test_value_density_lets_the_smallest_count_per_byte_go(keys: list[int], limit: int) -> None:
    """With equal utilities it is decayed uses over bytes."""
    accesses = [(key, 1 + key * 5 % 13) for key in keys]
    check_decayed(ValueDensity(limit, kappa=3.0), 3.0, accesses, by_size=True)


@given(st.lists(st.integers(0, 12), max_size=150), st.integers(1, 40))
def test_gdsf_lets_the_fewest_uses_per_byte_go_above_what_went_before(
    keys: list[int], limit: int
) -> None:
    """The victim has the lowest of all ranks, and its rank is the age that all later ones get."""
    policy, age, ranks, uses = Gdsf(limit), 0.0, dict[int, float](), dict[int, int]()
    for key in keys:
        size = 1 + key * 5 % 13
        policy.access(key, size)
        for gone in victims(policy):
            if gone in ranks:
                assert ranks[gone] == min(ranks.values())
                age = ranks.pop(gone)
                del uses[gone]
        if key in policy:
            uses[key] = uses.get(key, 0) + 1
            ranks[key] = age + uses[key] / size


def test_old_frequency_fades_from_value_density() -> None:
    """What was used a hundred times long ago goes before what is used twice now: no lock-in."""
    policy = ValueDensity(20)
    for _ in range(100):
        policy.access(0, 1)
    for key in range(1, 60):
        policy.access(key, 1)
        policy.access(key, 1)

    assert 0 not in policy


def test_what_is_worth_much_is_kept() -> None:
    """Utility weighs like uses; of no utility means first to go, and the order of uses remains."""
    policy = ValueDensity(4)
    for key in range(4):
        policy.access(key, 1)
    policy.note_utility(0, 8.0)
    policy.note_utility(2, 0.0)
    policy.note_utility(99, 5.0)  # not held: nothing to say

    assert list(policy.in_order()) == [2, 1, 3, 0]
    policy.access(4, 1)
    assert 2 not in policy
    policy.access(2, 1)
    assert 2 in policy  # its utility went with it
    policy.note_utility(0, 0.01)
    policy.access(5, 1)
    assert 0 not in policy


def test_utility_outlives_a_change_of_size_but_not_a_removal() -> None:
    """A context that grows is worth what it was; one that comes back is worth what nobody said."""
    policy = ValueDensity(100)
    policy.access(1, 10)
    policy.access(2, 10)
    policy.note_utility(1, 64.0)
    policy.access(1, 20)
    policy.access(2, 20)
    assert list(policy.in_order()) == [2, 1]
    policy.remove(1)
    policy.access(1, 60)
    assert list(policy.in_order()) == [1, 2]


def test_a_heap_out_of_date_stays_small() -> None:
    """Keys that come and go a thousand times leave no thousand entries behind."""
    policy = Gdsf(1000)
    for at in range(3000):
        policy.access(at % 7, 1 + at % 5)
        policy.remove((at + 3) % 7)
    heap = policy._heap  # noqa: SLF001 - its length is what memory costs
    assert len(heap) <= 2 * len(policy) + 66


@pytest.mark.parametrize("kappa", [0.0, -1.0])
def test_a_kappa_that_is_none_is_refused(kappa: float) -> None:
    """Without a halving there is no order to keep."""
    with pytest.raises(ValueError, match=str(kappa)):
        Lrfu(10, kappa=kappa)
