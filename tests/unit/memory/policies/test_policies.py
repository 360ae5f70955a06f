import pytest

from tests.unit.memory.policies import machine
from tests.unit.memory.policies.traces import KEYS, sized
from tierfold.errors import InvalidInputError
from tierfold.memory.policies import POLICIES, Bounded, Ghosts, Lirs, S3Fifo, policy
from tierfold.memory.policies import ghosts as ghosts_module


@pytest.mark.parametrize("name", POLICIES)
def test_no_sequence_of_calls_breaks_a_policy(name: str) -> None:
    """It holds what came and was not let go, within its limit, whatever is asked of it."""
    machine.run(POLICIES[name])


@pytest.mark.parametrize("trace", KEYS)
@pytest.mark.parametrize("name", POLICIES)
def test_all_that_was_admitted_is_held_or_was_evicted(name: str, trace: str) -> None:
    """Bytes that came in equal bytes that are here and bytes that went."""
    cache = policy(name, 300)
    admitted = sum(size for key, size in sized(trace) if not cache.access(key, size))

    assert admitted == cache.size_bytes + sum(size for _, size in cache.evicted)


@pytest.mark.parametrize("name", POLICIES)
def test_an_access_right_after_an_access_is_a_hit(name: str) -> None:
    """No policy refuses what was just read: its owner has it in hand."""
    cache = policy(name, 50)
    for key, size in sized("zipf"):
        cache.access(key, size)
        assert cache.access(key, size)


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_larger_than_the_cache_passes_by(name: str) -> None:
    """It goes at once and pushes nothing out; a key that grows too large goes alone."""
    cache = policy(name, 10)
    cache.access(1, 4)
    cache.access(2, 4)
    assert not cache.access(3, 11)
    assert cache.access(1, 12)

    assert cache.evicted == [(3, 11), (1, 12)]
    assert list(cache.in_order()) == [2]


@pytest.mark.parametrize("name", POLICIES)
def test_nothing_and_less_than_nothing_count_one(name: str) -> None:
    """A key without bytes still takes a place, or an empty context would cost no memory at all."""
    cache = policy(name, 3)
    for key, size in ((1, 0), (2, -5), (1, 0), (3, 1), (4, 0)):
        cache.access(key, size)

    assert cache.size_bytes == 3
    assert len(cache.evicted) == 1


@pytest.mark.parametrize("name", POLICIES)
def test_a_cache_of_no_bytes_holds_nothing(name: str) -> None:
    """A limit lowered to zero empties it; everything passes by until it is raised."""
    cache = policy(name, 5)
    cache.access(1, 5)
    cache.resize(0)
    assert not cache.access(2, 0)
    assert len(cache) == cache.size_bytes == 0
    cache.resize(5)
    cache.access(2, 3)
    assert 2 in cache


@pytest.mark.parametrize("name", POLICIES)
def test_a_limit_below_zero_is_refused(name: str) -> None:
    """It is a mistake of the program, and says so."""
    with pytest.raises(ValueError, match="-1 bytes"):
        POLICIES[name](-1)
    with pytest.raises(ValueError, match="-1 bytes"):
        policy(name, 5).resize(-1)


def test_an_unknown_policy_is_named_with_those_there_are() -> None:
    """Who mistypes a name reads the right ones."""
    with pytest.raises(InvalidInputError, match=r"'lruu' is none of lru, lfu, s3fifo"):
        policy("lruu", 10)


@pytest.mark.parametrize("name", POLICIES)
def test_a_key_that_is_adopted_is_held_like_any_other(name: str) -> None:
    """What another policy held can be taken over, read, and let go on request."""
    cache = POLICIES[name](10)
    assert isinstance(cache, Bounded)
    cache.adopt(1, 4)
    cache.adopt(2, 4)
    assert dict(cache.residents) == {1: 4, 2: 4}
    assert cache.access(1, 4)
    cache.evict()
    cache.evict()
    assert sorted(cache.evicted) == [(1, 4), (2, 4)]


@pytest.mark.parametrize("name", ["s3fifo", "arc", "lirs"])
def test_a_scan_does_not_flush_what_is_used(name: str) -> None:
    """Ten thousand cold keys pass while a working set of half the cache stays."""
    cache = policy(name, 100)
    hot = [*range(50)] * 6
    for key in hot:
        cache.access(key, 1)
    for at in range(10_000):
        cache.access(1000 + at, 1)
        if at % 2:
            cache.access(at // 2 % 50, 1)

    assert sum(key in cache for key in range(50)) >= 45


def test_ghosts_are_bounded_in_bytes_and_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of evicted keys costs memory too, however small they were."""
    monkeypatch.setattr(ghosts_module, "GHOSTS_MAX", 3)
    ghosts = Ghosts(10)
    assert [tuple(ghosts.add(key, 4)) for key in range(3)] == [(), (), (0,)]
    assert [tuple(ghosts.add(key, 1)) for key in range(3, 5)] == [(), (1,)]
    assert len(ghosts) == 3
    assert 2 in ghosts
    assert ghosts.resize(1) == [2, 3]
    assert ghosts.size_bytes == 1
    assert not ghosts.forget(99)


def test_lirs_with_few_objects_is_lru() -> None:
    """A queue for fewer than two of the largest objects would let everything go at once."""
    cache = Lirs(100)
    for key in (1, 2, 3):
        cache.access(key, 30)
    cache.access(1, 30)
    cache.access(4, 30)

    assert cache.evicted == [(2, 30)]


def test_s3fifo_remembers_what_it_let_go_too_early() -> None:
    """A ghost that is asked for again goes straight to the main queue."""
    cache = S3Fifo(20)
    for key in range(25):
        cache.access(key, 1)
    cache.access(0, 1)

    assert next(reversed(list(cache.in_order()))) == 0
