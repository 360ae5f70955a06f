import random

from hypothesis import given
from hypothesis import strategies as st

from tierfold.memory.adaptive.sample import (
    OBJECTS_MIN,
    RATE_MAX,
    is_under,
    limit_of,
    rate_for,
    stable_hash,
)


@given(st.integers(), st.integers(1, RATE_MAX), st.integers(1, RATE_MAX))
def test_a_larger_rate_samples_a_part_of_what_a_smaller_one_does(
    number: int, one: int, other: int
) -> None:
    """So shadows keep what they have learned when the rate changes."""
    low, high = sorted((one, other))
    assert is_under(limit_of(1), number)
    assert is_under(limit_of(low), number) or not is_under(limit_of(high), number)


def test_about_one_key_in_so_many_is_sampled_whatever_the_keys_are() -> None:
    """Dense numbers, numbers in steps and words are all spread evenly."""
    dice = random.Random(1)
    populations = (
        range(64_000),
        range(0, 64_000 * 512, 512),
        [stable_hash(f"context-{at}") for at in range(64_000)],
        [dice.getrandbits(64) for _ in range(64_000)],
    )
    for numbers in populations:
        sampled = sum(is_under(limit_of(32), number) for number in numbers)
        assert 1800 <= sampled <= 2200


def test_a_hash_is_the_same_in_every_process() -> None:
    """Shards and the simulator sample the same keys: no salt."""
    assert stable_hash(("tenant", b"\x01")) == 1876923355
    assert stable_hash(17) == 17


@given(st.floats(0, 1e9), st.integers(1, RATE_MAX))
def test_shadows_hold_enough_objects_and_the_rate_rests(objects: float, rate: int) -> None:
    """At least 256 if the cache holds so many; a rate that was just chosen is kept."""
    chosen = rate_for(objects, rate)
    assert 1 <= chosen <= RATE_MAX
    assert chosen == 1 or objects / chosen >= OBJECTS_MIN
    assert rate_for(objects, chosen) == chosen
    assert rate_for(objects * 1.1, chosen) in {chosen, min(RATE_MAX, chosen + 1)} or chosen > 8
