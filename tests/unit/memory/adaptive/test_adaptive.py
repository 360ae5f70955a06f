import random
from collections.abc import Callable, Iterable, Mapping

import pytest

from tests.unit.memory.policies import machine
from tests.unit.memory.policies.traces import KEYS, sized
from tierfold.memory.adaptive import EXPERTS, Adaptive, Reason, adaptive
from tierfold.memory.policies import Bounded, Gdsf, Key, Lirs, Lru, Policy, S3Fifo

Experts = Mapping[str, Callable[[int], Bounded]]


class BrokenError(Exception):
    """What an expert raises here, at its worst moment."""


class Broken(S3Fifo):
    """Works until it has let go of so many keys, then fails in the middle of the next."""

    evictions_max = 40

    def _evict(self) -> None:
        if len(self.evicted) >= self.evictions_max:
            raise BrokenError
        super()._evict()


class Greedy(Lirs):
    """Fails whenever it is asked for its order, or to give a key back."""

    def in_order(self) -> Iterable[Key]:  # type: ignore[override]
        raise BrokenError

    def _leave(self, _key: Key) -> tuple[bool, bool]:
        raise BrokenError


def misses(policy: Policy, keys: Iterable[int]) -> int:
    missed = 0
    for key in keys:
        missed += not policy.access(key, 1)
        policy.evicted.clear()
    return missed


def looped(keys: int, accesses: int) -> list[int]:
    return [at % keys for at in range(accesses)]


def skewed(accesses: int, seed: int) -> list[int]:
    dice = random.Random(seed)
    return [int(20_000 ** dice.random()) for _ in range(accesses)]


def test_no_sequence_of_calls_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a policy like any other, also while one expert's keys come over to the next."""
    monkeypatch.setattr(adaptive, "WINDOW_MIN", 4)
    monkeypatch.setattr(adaptive, "CHANGE_SAMPLES", 1)
    machine.run(Adaptive)


@pytest.mark.parametrize("trace", KEYS)
def test_a_change_of_experts_loses_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, trace: str
) -> None:
    """With a change at nearly every window, hits are what is held and bytes add up."""
    monkeypatch.setattr(adaptive, "WINDOW_MIN", 8)
    monkeypatch.setattr(adaptive, "CHANGE_SAMPLES", 0.1)
    policy = Adaptive(300)
    held: dict[Key, int] = {}
    for key, size in sized(trace) * 2:
        assert policy.access(key, size) == (key in held)
        held[key] = size
        for gone, bytes_ in policy.evicted:
            assert held.pop(gone) == bytes_
        policy.evicted.clear()
        assert policy.size_bytes == sum(held.values()) <= 300
    assert set(policy.in_order()) == set(held)


def test_a_loop_larger_than_the_cache_is_left_to_an_expert_that_keeps_a_part() -> None:
    """LRU misses all of it; the shadows say so, and the cost comes near the best one's."""
    keys = looped(400, 60_000)
    policy = Adaptive(300)
    cost = misses(policy, keys)

    assert misses(Lru(300), keys) == len(keys)
    assert cost < 1.1 * misses(Lirs(300), keys)
    explained = policy.explain()
    assert explained.expert == "lirs"
    assert explained.reason is Reason.SAVING
    assert explained.losses["lirs"] < explained.losses["lru"]


def test_it_follows_when_the_load_turns() -> None:
    """A loop, then recency's own load, then the loop: never far from the better of the two."""
    recent = [at // 3 for at in range(60_000)]
    keys = looped(400, 40_000) + [1_000_000 + key for key in recent] + looped(400, 40_000)
    policy = Adaptive(300)
    cost = misses(policy, keys)
    best = min(misses(build(300), keys) for build in EXPERTS.values())

    assert cost <= 1.03 * best


@pytest.mark.parametrize("bytes_max", [100, 1000, 9000])
def test_it_costs_little_more_than_the_best_expert(bytes_max: int) -> None:
    """On a steady load, small caches and sampled ones alike end near the best of the experts."""
    keys = skewed(60_000, seed=5)
    best = min(misses(build(bytes_max), keys) for build in EXPERTS.values())

    assert misses(Adaptive(bytes_max), keys) <= 1.03 * best


def test_large_caches_are_watched_through_a_sample() -> None:
    """The shadows of a cache of many objects see one key in many."""
    policy = Adaptive(9000)
    misses(policy, skewed(40_000, seed=6))
    assert policy.explain().sampling > 8
    policy.resize(500)
    misses(policy, skewed(20_000, seed=7))
    assert policy.explain().sampling == 1
    assert len(policy) == 500


def test_losses_may_be_weighted() -> None:
    """If only one kind of key costs anything, the expert that keeps those is chosen."""
    loop, others = looped(400, 40_000), looped(10, 40_000)
    keys = [key for pair in zip(loop, others, strict=True) for key in (pair[0], -1 - pair[1])]
    blind = Adaptive(300, loss_of=lambda key, _: float(isinstance(key, int) and key < 0))
    misses(blind, keys)

    assert blind.explain().expert == "lru"  # what costs is always kept: nothing to gain
    seeing = Adaptive(300)
    misses(seeing, keys)
    assert seeing.explain().expert != "lru"


def test_keys_need_not_be_numbers() -> None:
    """A shard's keys are a tenant and a digest; their hash is the caller's choice."""
    seen: list[Key] = []

    def hash_of(key: Key) -> int:
        seen.append(key)
        return len(repr(key))

    policy = Adaptive(10, hash_of=hash_of)
    assert not policy.access(("tenant", b"1"), 1)
    assert policy.access(("tenant", b"1"), 1)
    assert seen == [("tenant", b"1")] * 2
    assert policy.remove(("tenant", b"1")) == 1


def chosen_then_broken(experts: Experts) -> Adaptive:
    """Return one whose expert has just taken over a loop."""
    policy = Adaptive(300, experts=experts)
    evicted: list[tuple[Key, int]] = []
    for key in looped(400, 8000):
        policy.access(key, 1)
        evicted += policy.evicted
        policy.evicted.clear()
    return policy


def test_an_expert_that_fails_hands_all_to_lru(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a key is lost, the access is answered, and who failed is named and comes no more."""
    monkeypatch.setattr(Broken, "evictions_max", 10**9)
    policy = chosen_then_broken({"broken": Broken, "lirs": Lirs})
    policy._follow("broken")  # noqa: SLF001 - whichever was chosen, this one decides now
    misses(policy, looped(400, 30))
    before = set(policy.in_order())
    monkeypatch.setattr(Broken, "evictions_max", 0)
    policy.evicted.clear()

    assert not policy.access(-1, 1)
    assert before | {-1} == {*policy.in_order(), *(key for key, _ in policy.evicted)}
    assert policy.problem == "broken: BrokenError"
    explained = policy.explain()
    assert (explained.expert, explained.problem) == ("lru", policy.problem)
    misses(policy, looped(400, 20_000))
    assert "broken" not in policy.explain().losses
    assert policy.explain().expert == "lirs"


def test_a_shadow_that_fails_is_dropped_and_reported() -> None:
    """An expert that is only watched may fail as well: the cache does not notice."""
    policy = Adaptive(50, experts={"broken": Broken, "gdsf": Gdsf})
    assert misses(policy, skewed(3000, seed=8)) > 0

    assert policy.problem == "broken: BrokenError"
    assert set(policy.explain().losses) == {"lru", "gdsf"}


def test_failing_at_a_removal_or_at_its_order_is_mended_too() -> None:
    """Every way into an expert is guarded."""
    for act in (
        lambda policy: policy.remove(5),
        lambda policy: list(policy.in_order()),
        lambda policy: policy.resize(20),
    ):
        policy = Adaptive(50, experts={"greedy": Greedy, "broken": Broken})
        for key in range(40):
            policy.access(key, 1)
        policy._follow("greedy")  # noqa: SLF001 - it decides now
        for key in range(40):
            policy.access(key, 1)
        act(policy)
        assert policy.explain().expert in {"lru", "greedy"}
        assert len(policy) >= 20
        assert policy.size_bytes == len(policy)


def test_an_expert_that_cannot_be_built_is_not_followed() -> None:
    """The one that decides stays; who fails even then is named."""
    built: list[int] = []

    def build_once(bytes_max: int) -> Bounded:
        if built:
            raise BrokenError
        built.append(bytes_max)
        return Lirs(bytes_max)

    policy = Adaptive(300, experts={"once": build_once})
    assert misses(policy, looped(400, 8000)) == 8000
    assert policy.problem == "once: BrokenError"
    assert policy.explain().expert == "lru"


def test_the_list_of_what_went_may_be_replaced() -> None:
    """Owners empty the list or put a new one: nothing that goes later is missed."""
    policy = Adaptive(10)
    mine: list[tuple[Key, int]] = []
    policy.evicted = mine
    misses_before = sum(not policy.access(key, 1) for key in range(15))

    assert misses_before == 15
    assert [key for key, _ in mine] == [0, 1, 2, 3, 4]
    assert policy.evicted is mine
    assert policy.bytes_max == 10


def test_the_callers_mistakes_are_nobodys_failure() -> None:
    """A limit below zero or a key without a hash is refused; no expert is blamed for it."""
    policy = Adaptive(10)
    with pytest.raises(ValueError, match="-1 bytes"):
        policy.resize(-1)
    with pytest.raises(TypeError):
        policy.access([], 1)  # type: ignore[arg-type]
    assert policy.problem == ""
    assert misses(policy, range(1000)) == 1000
