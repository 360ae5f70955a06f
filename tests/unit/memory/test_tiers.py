"""L1 and L2 of a shard: decisions, without a shard."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tierfold.config import TierSettings
from tierfold.errors import InvalidInputError, PinBudgetError
from tierfold.memory import Level, Tiers, Touch
from tierfold.memory.policies import POLICIES, Lru
from tierfold.memory.tiers import Key

SETTINGS = TierSettings(
    l1_bytes_max=1_000, l2_bytes_max=1_000, low_watermark=0.8, high_watermark=0.9, order="lru"
)


def key(number: int, tenant: str = "t") -> Key:
    return tenant, number.to_bytes(8, "big")


def settle(tiers: Tiers, *, growth: int = 2) -> list[tuple[int, int, int]]:
    """Make all moves; returns context, source and target of each."""
    made = []
    while (move := tiers.take()) is not None:
        is_up = move.target == Level.L1
        tiers.confirm(move, bytes_here=move.size_bytes * growth if is_up else None)
        assert isinstance(move.key, tuple)
        made.append((int.from_bytes(move.key[1], "big"), move.source, move.target))
    return made


def read(tiers: Tiers, *numbers: int, size: int = 100, tenant: str = "t", may: bool = True) -> None:
    for number in numbers:
        tiers.touch(Touch(key=key(number, tenant), size_bytes=size, may_rise=may), 0)
        settle(tiers)


def test_the_first_read_brings_to_l2_and_the_second_to_l1() -> None:
    """What is read once may never be read again: no set is built for it."""
    tiers = Tiers(SETTINGS)
    tiers.touch(Touch(key=key(1), size_bytes=10), 0)
    assert settle(tiers) == [(1, Level.BELOW, Level.L2)]
    tiers.touch(Touch(key=key(1), size_bytes=10), 0)
    assert settle(tiers) == [(1, Level.L2, Level.L1)]
    assert tiers.size_bytes(Level.L1) == 20


def test_whoever_maps_nothing_brings_nothing_to_l1() -> None:
    """Nor does anybody where there is no L1."""
    tiers, alone = Tiers(SETTINGS), Tiers(SETTINGS, has_l1=False)
    for _ in range(4):
        read(tiers, 1, may=False)
        read(alone, 1)

    assert tiers.lies(key(1)) is alone.lies(key(1)) is Level.L2


@pytest.mark.parametrize("order", ["context", "density", "adaptive"])
def test_a_scan_of_cold_contexts_leaves_the_working_set(order: str) -> None:
    """A thousand contexts that are read once push out none that is read again and again."""
    tiers = Tiers(replace(SETTINGS, order=order))
    for _ in range(60):
        read(tiers, 1, 2, 3, size=20)
    read(tiers, *range(100, 1100), size=20)

    assert [tiers.lies(key(each)) for each in (1, 2, 3)] == [Level.L1] * 3


def test_a_changed_context_leaves_l1_at_once() -> None:
    """Its set is of an old version; the move is given though nothing is pressed."""
    tiers = Tiers(SETTINGS)
    read(tiers, 1, 1, 2)
    move = tiers.changed(key(1))
    assert move is not None
    assert (move.source, move.target) == (Level.L1, Level.BELOW)
    tiers.confirm(move)
    assert tiers.lies(key(1)) is Level.BELOW
    assert tiers.changed(key(2)) is None, "the blocks of L2 are of every version"


def test_what_is_larger_than_a_tier_is_never_in_it() -> None:
    """Neither by its estimate nor by what was measured."""
    tiers = Tiers(SETTINGS)
    read(tiers, 1, 1, 1, size=5_000)
    assert tiers.lies(key(1)) is Level.BELOW
    tiers.touch(Touch(key=key(2), size_bytes=10), 0)
    tiers.touch(Touch(key=key(2), size_bytes=10), 0)
    settle(tiers, growth=200)

    assert tiers.belongs(key(2)) is not Level.L1
    assert tiers.size_bytes(Level.L1) <= SETTINGS.l1_bytes_max


def test_what_is_read_ahead_is_tried_whatever_its_estimate() -> None:
    """A guess keeps nobody out of L1; what was measured does."""
    tiers = Tiers(SETTINGS)
    assert tiers.lift(key(1), 10_000, until_ms=100)
    assert settle(tiers, growth=1) == [(1, Level.BELOW, Level.L1)]
    assert tiers.lift(key(1), 10_000, until_ms=100), "it is there"


def test_pins_stay_within_their_budget_and_end() -> None:
    """All pinned is a clear error; a pin that is over rejoins the order."""
    tiers = Tiers(SETTINGS)  # the budget is 800 bytes
    read(tiers, 1, 2)
    tiers.pin(key(1), 400, until_ms=50, now_ms=0)
    with pytest.raises(PinBudgetError) as caught:
        tiers.pin(key(2), 500, until_ms=50, now_ms=0)
    assert "wait until some have expired" in str(caught.value)
    read(tiers, *range(10, 40))
    assert (tiers.is_pinned(key(1)), tiers.lies(key(1))) == (True, Level.L2)
    tiers.touch(Touch(key=key(9), size_bytes=1), 60)
    assert not tiers.is_pinned(key(1))
    tiers.pin(key(2), 10, until_ms=500, now_ms=60)
    tiers.unpin(key(2))
    assert not tiers.is_pinned(key(2))


def test_a_clock_that_goes_back_ends_no_pin_and_starts_none_anew() -> None:
    """Time stands still until it is where it was."""
    tiers = Tiers(SETTINGS)
    tiers.pin(key(1), 10, until_ms=100, now_ms=90)
    tiers.touch(Touch(key=key(2), size_bytes=1), 10)
    assert tiers.is_pinned(key(1))
    tiers.touch(Touch(key=key(2), size_bytes=1), 101)
    assert not tiers.is_pinned(key(1))


def test_a_lower_limit_sends_down_what_is_too_much() -> None:
    """With the next moves; pins give way where they alone pass it."""
    tiers = Tiers(SETTINGS)
    read(tiers, *range(8))
    tiers.pin(key(7), 100, until_ms=100, now_ms=0)
    tiers.resize(Level.L2, 100)
    settle(tiers)

    assert tiers.size_bytes(Level.L2) <= 100


def test_tenants_with_a_share_push_out_none_but_their_own() -> None:
    """One who reads everything leaves the other what he has."""
    tiers = Tiers(replace(SETTINGS, tenant_share_max=0.5))
    read(tiers, 1, 2, size=100, tenant="quiet")
    read(tiers, *range(100), size=50, tenant="loud")

    assert tiers.lies(key(1, "quiet")) is tiers.lies(key(2, "quiet")) is Level.L2


def test_a_policy_that_raises_is_reported_and_recency_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The report says which and how, and nothing is lost."""

    class Broken(Lru):
        def access(self, key: object, size_bytes: int) -> bool:
            if len(self) == 3:
                raise ZeroDivisionError
            return super().access(key, size_bytes)

    monkeypatch.setattr("tierfold.memory.tiers.POLICIES", {**POLICIES, "broken": Broken})
    tiers = Tiers(replace(SETTINGS, order="broken"))
    read(tiers, *range(6))
    report = tiers.report()[Level.L2]

    assert report.state.problem is not None
    assert (report.state.problem.policy, report.state.problem.error) == (
        "Broken",
        "ZeroDivisionError",
    )
    assert (report.order, report.state.keys) == ("lru", 6)
    assert tiers.explain() is None


def test_an_order_that_nobody_knows_is_named_with_those_there_are() -> None:
    """A setting that is misspelt is found when the store opens."""
    with pytest.raises(InvalidInputError, match=r"none of adaptive, lru, context, density"):
        Tiers(replace(SETTINGS, order="lur"))


def test_files_of_the_process_before_are_taken_over_while_there_is_room() -> None:
    """What is too much goes down with the next moves; what alone is too large, at once."""
    tiers = Tiers(SETTINGS)

    assert [tiers.adopt(key(each), 310) for each in range(3)] == [True] * 3
    assert not tiers.adopt(key(3), 30_000)
    assert tiers.size_of(key(2)) == 38
    settle(tiers)
    assert tiers.lies(key(0)) is Level.L2
    assert tiers.size_bytes(Level.L1) == 620


def test_a_move_that_was_not_made_leaves_a_context_where_it_was() -> None:
    """And what cannot be read is above no more."""
    tiers = Tiers(SETTINGS)
    read(tiers, 1)
    tiers.touch(Touch(key=key(1), size_bytes=100), 0)
    move = tiers.take()
    assert move is not None
    tiers.confirm(move, is_done=False)
    assert tiers.lies(key(1)) is tiers.belongs(key(1)) is Level.L2
    tiers.keep(key(1))
    tiers.keep(key(2))
    tiers.drop(key(1))
    assert tiers.lies(key(1)) is tiers.belongs(key(1)) is Level.BELOW


class Moving(RuleBasedStateMachine):
    """Reads, changes, pins and limits in any order, each move made or given up."""

    def __init__(self) -> None:
        super().__init__()
        self.tiers = Tiers(replace(SETTINGS, order="adaptive"))
        self.limits = [1_000, 1_000]
        self.now_ms = 0

    @rule(number=st.integers(0, 20), size=st.integers(0, 400), may=st.booleans())
    def read(self, number: int, size: int, may: bool) -> None:  # noqa: FBT001  # a strategy
        self.tiers.touch(Touch(key=key(number), size_bytes=size, may_rise=may), self.now_ms)

    @rule(number=st.integers(0, 20))
    def change(self, number: int) -> None:
        move = self.tiers.changed(key(number))
        if move is not None:
            self.tiers.confirm(move)

    @rule(number=st.integers(0, 20))
    def forget(self, number: int) -> None:
        self.tiers.forget(key(number))

    @rule(number=st.integers(0, 20), size=st.integers(1, 300), ms=st.integers(1, 20))
    def pin(self, number: int, size: int, ms: int) -> None:
        with contextlib.suppress(PinBudgetError):
            self.tiers.pin(key(number), size, until_ms=self.now_ms + ms, now_ms=self.now_ms)

    @rule(number=st.integers(0, 20), size=st.integers(1, 300))
    def lift(self, number: int, size: int) -> None:
        self.tiers.lift(key(number), size, until_ms=self.now_ms + 5)

    @rule(level=st.sampled_from([Level.L1, Level.L2]), limit=st.integers(0, 1_000))
    def resize(self, level: Level, limit: int) -> None:
        self.limits[level] = limit
        self.tiers.resize(level, limit)

    @rule(ms=st.integers(0, 30))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @rule(growth=st.integers(1, 9), fails=st.booleans())
    def move(self, growth: int, fails: bool) -> None:  # noqa: FBT001  # likewise
        for _ in range(1_000):
            move = self.tiers.take()
            if move is None:
                break
            if fails and move.target < move.source:
                self.tiers.confirm(move, is_done=False)
            else:
                is_up = move.target == Level.L1
                self.tiers.confirm(move, bytes_here=move.size_bytes * growth if is_up else None)
        else:
            pytest.fail("moves do not come to an end")
        for level, limit in zip((Level.L1, Level.L2), self.limits, strict=True):
            assert self.tiers.size_bytes(level) <= limit

    @invariant()
    def a_context_is_in_one_place(self) -> None:
        for number in range(21):
            assert self.tiers.lies(key(number)) in Level


TestMoving = Moving.TestCase
TestMoving.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
