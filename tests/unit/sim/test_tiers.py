import random

import pytest

from tierfold.errors import InvalidInputError
from tierfold.memory.hierarchy import Hierarchy, HierarchySettings, LevelSettings
from tierfold.memory.policies import Key, Lru
from tierfold.sim.tier_baseline import InclusiveLru
from tierfold.sim.tier_model import COSTS_MS, LARGE, SMALL, TierShares
from tierfold.sim.tiers import (
    hierarchy_for,
    read_ahead,
    replay_inclusive,
    replay_tiers,
    requests,
)
from tierfold.sim.trace import Trace

TINY = TierShares(name="tiny", shares=(0.1, 0.2, 0.3, 0.4))


def chats(turns: int = 300, *, seed: int = 1) -> Trace:
    """Return conversations that read all they have and add to it, one of them at a time."""
    dice = random.Random(seed)
    histories: dict[int, list[int]] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    blocks = 0
    for request in range(turns):
        session = dice.randrange(12)
        history = histories.setdefault(session, [])
        for _ in range(dice.randint(1, 3)):
            history.append(blocks)
            blocks += 1
        rows += [(request * 10, key, 100, request, session) for key in history]
    return Trace.from_rows(rows, name="chats")


def test_first_accesses_are_free_and_means_are_over_reads() -> None:
    """Two reads of a key in the fastest tier cost what that tier costs, however many writes."""
    rows = [(0, key, 10, 0, 0) for key in range(9)] + [(1, 0, 10, 1, 0), (2, 0, 10, 2, 0)]
    trace = Trace.from_rows(rows)
    costs = replay_tiers(trace, hierarchy_for(trace, TierShares(name="x", shares=(1, 1, 1, 1))))

    assert (costs.mean_ms, costs.slowest_mean_ms) == (COSTS_MS[0], COSTS_MS[0])
    assert costs.hits == (2, 0, 0, 0, 0)
    assert costs.written_vs_footprint == (1.0, 0.0, 0.0, 0.0)
    assert (costs.disk_writes_vs_footprint, costs.memory_writes_vs_footprint) == (0.0, 1.0)


def test_a_trace_without_reads_costs_nothing() -> None:
    """No mean is taken over nothing."""
    trace = Trace.from_rows([(0, 1, 10), (1, 2, 10)])

    costs = replay_inclusive(trace)
    assert (costs.mean_ms, costs.p99_ms, costs.slowest_p99_ms) == (0.0, 0.0, 0.0)


def naive_inclusive(trace: Trace, limits: tuple[int, ...]) -> list[int]:
    tiers: list[list[int]] = [[] for _ in limits]
    size = dict(zip(trace.key.tolist(), trace.largest.tolist(), strict=True))
    found = []
    for key in trace.key.tolist():
        at = next((at for at, tier in enumerate(tiers) if key in tier), len(tiers))
        found.append(at)
        for to in range(min(at, len(tiers) - 1) + 1):
            if to < at and size[key] > limits[to]:
                continue
            tiers[to] = [*(each for each in tiers[to] if each != key), key]
            while sum(size[each] for each in tiers[to]) > limits[to]:
                tiers[to].pop(0)
    return found


def test_the_baseline_is_inclusive_lru() -> None:
    """It finds each block where tiers written as lists do."""
    trace = chats(60)
    limits = TINY.limits_bytes(trace.footprint_bytes)
    tiers = InclusiveLru(limits)
    found = [tiers.access(k, s) for k, s in zip(trace.key.tolist(), trace.largest, strict=True)]

    assert found == naive_inclusive(trace, limits)
    assert InclusiveLru((5, 50)).access(1, 10) == 2


def test_the_hierarchy_costs_less_than_copies_and_reading_ahead_less_again() -> None:
    """On conversations, which is what it is made for; the slowest block waits for its batch."""
    trace = chats()
    base = replay_inclusive(trace, TINY)
    plain = replay_tiers(trace, hierarchy_for(trace, TINY))
    batched = replay_tiers(trace, hierarchy_for(trace, TINY), prefetcher=read_ahead())

    assert batched.mean_ms < plain.mean_ms < base.mean_ms
    assert plain.slowest_mean_ms < base.slowest_mean_ms
    assert batched.slowest_mean_ms >= 0.9 * plain.slowest_mean_ms
    assert batched.accuracy is not None
    assert batched.accuracy >= 0.8
    assert (plain.accuracy, plain.problems, batched.problems) == (None, (), ())


def test_a_replay_is_the_same_every_time_and_tells_how_far_it_is() -> None:
    """Nothing depends on a clock or on dice."""
    trace = chats(80)
    steps: list[int] = []
    first = replay_tiers(trace, hierarchy_for(trace), progress=steps.append)

    assert first == replay_tiers(trace, hierarchy_for(trace))
    assert sum(steps) == len(trace)
    steps.clear()
    replay_inclusive(trace, SMALL, progress=steps.append)
    assert sum(steps) == len(trace)


def test_only_conversations_are_groups() -> None:
    """Where every request is its own session, each key stands for itself."""
    talk = [request.group for _, _, request in requests(chats(5))]
    units = [request.group for _, _, request in requests(Trace.from_rows([(0, 1, 1), (1, 2, 1)]))]

    assert None not in talk
    assert units == [None, None]


def test_a_failed_policy_is_part_of_the_result() -> None:
    """Figures of a level that fell back to recency are not its policy's."""

    class Broken(Lru):
        def access(self, key: Key, size_bytes: int) -> bool:
            raise ValueError(key, size_bytes)

    trace = chats(10)
    levels = tuple(
        LevelSettings(name=f"L{at}", bytes_max=limit)
        for at, limit in enumerate(LARGE.limits_bytes(trace.footprint_bytes))
    )
    costs = replay_tiers(trace, Hierarchy(HierarchySettings(levels=levels), build=Broken))

    assert set(costs.problems) == {"Broken: ValueError"}


def test_settings_other_than_the_default_can_be_replayed() -> None:
    """A template gives everything but the levels, which are shares of the trace."""
    trace = chats(20)
    template = HierarchySettings(levels=(LevelSettings(name="x", bytes_max=0),), keys_max=5)

    assert len(hierarchy_for(trace, template=template).state()) == 4
    with pytest.raises(InvalidInputError, match="at least one level"):
        HierarchySettings(levels=())
