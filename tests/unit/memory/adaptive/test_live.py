import pytest

from tierfold.memory.adaptive.live import KEYS_PER_ACCESS, Live
from tierfold.memory.policies import Gdsf, Key, Lru, S3Fifo


class FullError(Exception):
    """What an expert raises that takes no more."""


class Unwilling(Lru):
    """Takes over one key, fails at the next."""

    def adopt(self, key: Key, size_bytes: int) -> None:
        if len(self):
            raise FullError
        super().adopt(key, size_bytes)


def changed(keys: int, bytes_max: int) -> Live:
    live = Live("lru", Lru(bytes_max))
    for key in range(keys):
        live.access(key, 1)
    live.change("s3fifo", S3Fifo(bytes_max))
    return live


def test_keys_come_over_in_steps() -> None:
    """A change moves nothing at once; each access then brings a few more, the coldest first."""
    live = changed(100, 100)
    assert (len(live), len(live.expert)) == (100, 0)
    assert not live.can_change
    assert live.access(99, 1)
    assert len(live.expert) == 1 + KEYS_PER_ACCESS
    assert set(live.expert.residents) == {99, *range(KEYS_PER_ACCESS)}
    for _ in range(7):
        live.access(99, 1)

    assert live.can_change
    assert len(live.expert) == 100
    assert live.evicted == []


def test_what_has_not_come_over_makes_room() -> None:
    """A new key pushes out the coldest of the last expert's, not what was used since."""
    live = changed(100, 100)
    live.access(0, 1)
    live.access(1000, 1)

    assert live.evicted == [(KEYS_PER_ACCESS + 1, 1)]
    assert live.size_bytes == 100


def test_what_is_larger_than_the_cache_pushes_nothing_out() -> None:
    """Not even while keys are on their way."""
    live = changed(100, 100)
    assert not live.access(1000, 101)

    assert live.evicted == [(1000, 101)]
    assert len(live) == 100


def test_removals_and_limits_reach_both() -> None:
    """Whoever holds a key gives it back; a lower limit takes from the last expert first."""
    live = changed(100, 100)
    live.access(99, 1)
    assert (live.remove(98), live.remove(0), live.remove(98)) == (1, 1, 0)
    live.resize(20)
    assert live.size_bytes == 20
    assert set(live.expert.residents) == {99, *range(1, KEYS_PER_ACCESS)}
    assert 99 in live
    live.resize(5)
    assert len(live) == live.size_bytes == 5


def test_keys_that_are_not_taken_are_evicted_and_never_lost() -> None:
    """If an expert fails at taking over, what was on its way stands in `evicted`."""
    live = Live("gdsf", Gdsf(10))
    for key in range(5):
        live.access(key, 1)
    live.change("unwilling", Unwilling(10))
    with pytest.raises(FullError):
        live.access(4, 1)
    assert live.asked == "unwilling"
    live.recover("lru", Lru(10))

    assert {*live.in_order(), *(key for key, _ in live.evicted)} == set(range(5))
