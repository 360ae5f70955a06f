from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.memory.hierarchy.worlds import built, places, read
from tierfold.errors import InvalidInputError
from tierfold.memory.hierarchy import (
    Hierarchy,
    HierarchySettings,
    LevelSettings,
    Move,
    Promotion,
    RankSettings,
    WriteBudget,
)
from tierfold.memory.policies import Key, Lru


class ExclusiveLru:
    """Written the slow way: lists, the last used at the end."""

    def __init__(self, limits: Sequence[int]) -> None:
        self.limits = limits
        self.levels: list[list[tuple[int, int]]] = [[] for _ in limits]

    def access(self, key: int, size: int) -> int:
        at = next(
            (at for at, level in enumerate(self.levels) if any(key == k for k, _ in level)),
            len(self.limits),
        )
        top = next((to for to in range(at) if size <= self.limits[to]), at)
        if at < len(self.limits):
            self.levels[at] = [each for each in self.levels[at] if each[0] != key]
        if top < len(self.limits):
            self.levels[top].append((key, size))
            self.settle(top)
        return at

    def settle(self, at: int) -> None:
        while sum(size for _, size in self.levels[at]) > self.limits[at]:
            key, size = self.levels[at].pop(0)
            down = next(
                (to for to in range(at + 1, len(self.limits)) if size <= self.limits[to]), None
            )
            if down is not None:
                self.levels[down].append((key, size))
                self.settle(down)


@given(
    limits=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    keys=st.lists(st.integers(0, 12), max_size=80),
)
def test_under_recency_it_is_exclusive_lru(limits: list[int], keys: list[int]) -> None:
    """With a recency policy in every level it finds each key where a naive exclusive LRU does."""
    hierarchy, naive = built(*limits, build=Lru), ExclusiveLru(limits)

    for key in keys:
        size = 1 + key * 5 % 23
        assert read(hierarchy, key, size=size) == [naive.access(key, size)]
        for at, level in enumerate(naive.levels):
            assert all(hierarchy.place(each) == at for each, _ in level)


def test_a_read_brings_a_key_to_the_top_and_the_lowest_down() -> None:
    """One request's moves are listed: the key that came up, and the one that made room."""
    hierarchy = built(20, 20)
    read(hierarchy, "a", "b", "c", is_new=True)
    hierarchy.take_moves()
    assert places(hierarchy, "abc") == [1, 0, 0]

    assert read(hierarchy, "a") == [1]
    assert hierarchy.take_moves() == [Move("a", 10, 1, 0), Move("b", 10, 0, 1)]
    assert hierarchy.take_moves() == []


def test_the_tail_of_a_prompt_goes_before_its_head() -> None:
    """Whatever reads a context again begins at its head."""
    hierarchy = built(20, 20)
    read(hierarchy, 1, 2, 3, 4, 5, group="chat", is_new=True)

    assert places(hierarchy, [1, 2, 3, 4, 5]) == [0, 0, 1, 1, 2]


def test_what_is_added_to_a_context_has_its_rank() -> None:
    """A new row of a chat that is read all the time is as warm as the chat."""
    hierarchy = built(50, 5_000)
    for _ in range(10):
        read(hierarchy, 1, 2, group="chat")
    read(hierarchy, 1, 2, 3, group="chat")
    for other in range(10, 14):
        read(hierarchy, other, group=f"other {other}")

    assert places(hierarchy, [1, 2, 3]) == [0, 0, 0]
    assert 1 in places(hierarchy, [10, 11, 12, 13])


def test_a_shared_key_keeps_the_rank_of_its_warmer_context() -> None:
    """A system prompt that a cold chat reads too does not cool down by it."""
    hierarchy = built(10, 100)
    for _ in range(10):
        read(hierarchy, "shared", group="warm")
    read(hierarchy, "shared", "tail", group="cold")

    assert places(hierarchy, ["shared", "tail"]) == [0, 1]


def working_set(hierarchy: Hierarchy) -> list[str]:
    keys = [f"warm {at}" for at in range(2_000)]
    for _ in range(4):
        for key in keys:
            read(hierarchy, key)
    return keys


def kept(hierarchy: Hierarchy, keys: Sequence[Key]) -> int:
    return sum(place < hierarchy.below for place in places(hierarchy, keys))


@pytest.mark.slow
def test_a_scan_of_a_million_cold_keys_does_not_flush_the_working_set() -> None:
    """Nothing else is read between, and nine tenths of what was read often stay.

    After as many as are watched for their return, newcomers rank below all that ever returned.
    """
    hierarchy = built(1_000, 9_000, 40_000)
    working = working_set(hierarchy)
    for start in range(0, 1_000_000, 1_000):
        read(hierarchy, *range(start, start + 1_000))
        hierarchy.take_moves()

    assert hierarchy.return_share < 0.01
    assert kept(hierarchy, working) >= 1_800


def test_a_scan_of_contexts_does_not_flush_the_working_set() -> None:
    """Contexts that are read once, one after another, are a scan as well."""
    hierarchy = built(1_000, 9_000, 40_000, ranks=RankSettings(waiting_max=256))
    working = working_set(hierarchy)
    for number in range(10_000):
        read(hierarchy, number, -number, group=f"cold {number}")
        hierarchy.take_moves()

    assert kept(hierarchy, working) >= 1_800


def test_the_second_hit_brings_a_key_up() -> None:
    """Where memory writes are scarce, one read of a level may be the only one."""
    hierarchy = built(50, 50, promotion=Promotion.SECOND_HIT)

    assert read(hierarchy, 1) == [2]
    assert read(hierarchy, 1) == [1]
    assert read(hierarchy, 1) == [1]
    assert read(hierarchy, 1) == [0]


def test_under_the_watermark_gate_reads_fill_free_room_alone() -> None:
    """Nothing is pushed down for a key that is only read."""
    hierarchy = built(30, 100, promotion=Promotion.WATERMARK, high_watermark=0.7)
    read(hierarchy, 1, 2, 3)
    hierarchy.take_moves()
    for _ in range(5):
        read(hierarchy, 3)

    assert places(hierarchy, [1, 2, 3]) == [0, 0, 1]
    assert hierarchy.take_moves() == []


def test_an_object_larger_than_a_level_goes_to_the_next_that_can_hold_it() -> None:
    """Something too large for all lies below them, and pushes nothing out."""
    hierarchy = built(10, 50, 100)
    read(hierarchy, "small", size=10)
    read(hierarchy, "large", size=40)
    read(hierarchy, "huge", size=1000)

    assert places(hierarchy, ["small", "large", "huge"]) == [0, 1, 3]
    assert read(hierarchy, "huge", size=0) == [3]
    assert hierarchy.place("huge") == 0


def test_a_limit_that_is_lowered_takes_effect_at_once() -> None:
    """What does not fit any more goes down, and comes back when there is room and it is read."""
    hierarchy = built(50, 50)
    read(hierarchy, 1, 2, 3, 4, 5, group="chat")
    hierarchy.resize(0, 20)
    assert places(hierarchy, [1, 2, 3, 4, 5]) == [0, 0, 1, 1, 1]

    hierarchy.resize(0, 50)
    read(hierarchy, 1, 2, 3, 4, 5, group="chat")
    assert places(hierarchy, [1, 2, 3, 4, 5]) == [0] * 5
    with pytest.raises(InvalidInputError, match="L0: bytes_max is -1"):
        hierarchy.resize(0, -1)


def test_superseded_keys_go_down_at_once() -> None:
    """An old version is below all levels before anything else is pushed out, pinned or not."""
    hierarchy = built(50, 50, pinned_bytes_max=50)
    read(hierarchy, "old", "older")
    hierarchy.pin(["old"], [10], until_ms=10_000, now_ms=0)
    hierarchy.supersede(["old", "older", "unknown"])

    assert places(hierarchy, ["old", "older"]) == [2, 2]
    assert hierarchy.size_bytes(0) == 0


def test_what_has_no_verified_copy_below_waits_above_the_limit() -> None:
    """A key that nothing else holds is never let go, whatever the level's limit says."""
    missing = {"only"}
    hierarchy = built(10, may_leave=lambda key: key not in missing)
    read(hierarchy, "only")
    read(hierarchy, "other")
    read(hierarchy, "other")
    assert places(hierarchy, ["only", "other"]) == [0, 0]
    assert hierarchy.state()[0].waiting_bytes == 10

    missing.clear()
    hierarchy.verified()
    assert places(hierarchy, ["only", "other"]) == [1, 0]
    assert hierarchy.take_moves()[-1] == Move("only", 10, 0, 1)


def test_a_waiting_key_that_is_read_takes_its_place_again() -> None:
    """Being pushed out once is not the end of it."""
    hierarchy = built(10, may_leave=lambda key: key != "only")
    read(hierarchy, "only")
    read(hierarchy, "other", "other")
    read(hierarchy, "only", "only", "only")

    assert places(hierarchy, ["only", "other"]) == [0, 1]
    assert hierarchy.state()[0].waiting_bytes == 0


def test_a_spent_write_budget_lets_only_repeated_keys_down() -> None:
    """A disk is spared what was read once; what was read again may overdraw by one burst."""
    budget = WriteBudget(bytes_per_s=10, burst_bytes=20)
    hierarchy = Hierarchy(
        HierarchySettings(
            levels=(
                LevelSettings(name="L0", bytes_max=10),
                LevelSettings(name="L1", bytes_max=1_000, write_budget=budget),
            )
        ),
        build=Lru,
    )
    for key in range(4):
        read(hierarchy, key)
    assert places(hierarchy, [0, 1, 2, 3]) == [1, 1, 2, 0]

    read(hierarchy, 3)
    read(hierarchy, 4)
    assert hierarchy.place(3) == 1
    assert hierarchy.state()[1].refused_bytes == 10
    read(hierarchy, 5, now_ms=1_000)
    assert hierarchy.place(4) == 2
    read(hierarchy, 6, now_ms=3_000)
    assert hierarchy.place(5) == 1


def test_what_has_no_copy_below_is_written_whatever_it_wears() -> None:
    """A budget is no reason to lose anything."""
    budget = WriteBudget(bytes_per_s=0, burst_bytes=1)
    levels = (
        LevelSettings(name="L0", bytes_max=10),
        LevelSettings(name="L1", bytes_max=100, write_budget=budget),
    )
    hierarchy = Hierarchy(
        HierarchySettings(levels=levels), build=Lru, may_leave=lambda key: key != "only"
    )
    read(hierarchy, "only")
    read(hierarchy, "other")

    assert hierarchy.place("only") == 1


def test_tenants_keep_their_own_order_and_quota() -> None:
    """One tenant's reads push out its own keys, not another's."""
    hierarchy = built(100, tenant_share_max=0.5, tenant_of=lambda key: str(key)[0])
    read(hierarchy, "a1", "a2")
    for number in range(50):
        read(hierarchy, f"b{number}")

    assert places(hierarchy, ["a1", "a2"]) == [0, 0]
    assert hierarchy.size_bytes(0) == 70
    with pytest.raises(InvalidInputError, match="tenant_of"):
        built(100, tenant_share_max=0.5)


def test_small_keys_are_bounded_by_their_number() -> None:
    """Memory for bookkeeping has a limit that bytes do not give."""
    hierarchy = built(1_000, 1_000, keys_max=10)
    for key in range(100):
        read(hierarchy, key, size=0)

    assert len(hierarchy) == 10
    assert hierarchy.place(99) == 0


def test_sizes_differ_from_level_to_level() -> None:
    """A level may hold what it builds from a key, in more bytes: estimated, then measured."""
    levels = (
        LevelSettings(name="L1", bytes_max=100, expansion=4.0),
        LevelSettings(name="L2", bytes_max=100),
    )
    hierarchy = Hierarchy(HierarchySettings(levels=levels))
    read(hierarchy, "a", "b")
    assert (hierarchy.size_bytes(0), hierarchy.bytes_of(0, "c", 10)) == (80, 40)

    hierarchy.measured("a", 90)
    assert places(hierarchy, ["a", "b"]) == [0, 1]
    assert (hierarchy.size_bytes(0), hierarchy.size_bytes(1)) == (90, 10)
    assert hierarchy.bytes_of(0, "c", 10) == 55
    hierarchy.measured("unknown", 5)


def invalid() -> Iterator[tuple[str, dict[str, object]]]:
    level = LevelSettings(name="L0", bytes_max=1)
    yield "at least one level", {"levels": ()}
    yield "keys_max", {"levels": (level,), "keys_max": 0}
    yield "lifted_share_max is 2", {"levels": (level,), "lifted_share_max": 2}
    yield "tenant_share_max is 0", {"levels": (level,), "tenant_share_max": 0}


@pytest.mark.parametrize(("problem", "values"), list(invalid()))
def test_wrong_settings_are_refused_by_name(problem: str, values: dict[str, object]) -> None:
    """A setting that cannot be worked with is named before anything is stored."""
    with pytest.raises(InvalidInputError, match=problem):
        HierarchySettings(**values)  # type: ignore[arg-type]


def test_wrong_levels_are_refused_by_name() -> None:
    """A level of less than nothing does not exist."""
    with pytest.raises(InvalidInputError, match="L3: bytes_max is -1"):
        LevelSettings(name="L3", bytes_max=-1)
    with pytest.raises(InvalidInputError, match="expansion is 0"):
        LevelSettings(name="L3", bytes_max=1, expansion=0)
    with pytest.raises(InvalidInputError, match="write_budget"):
        WriteBudget(bytes_per_s=-1, burst_bytes=1)
