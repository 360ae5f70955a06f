import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tierfold.config import TierSettings
from tierfold.memory import Level, Lrfu, Move, MoveKind, Recency, Tiers, Touch
from tierfold.memory.tiers import RISES_PER_DECISION

SETTINGS = TierSettings(l1_bytes_max=1000, l2_bytes_max=1000)


def key(number: int) -> tuple[str, bytes]:
    return "t", number.to_bytes(2, "big")


def touch(tiers: Tiers, number: int, size: int = 10, *, pinned: int = 0, may: bool = True) -> None:
    tiers.touch(Touch(key=key(number), size_bytes=size, pinned_until_ms=pinned, may_rise=may))


def moves(tiers: Tiers, now_ms: int = 0) -> list[tuple[str, int]]:
    return [(m.kind.value, int.from_bytes(m.key[1], "big")) for m in tiers.decide(now_ms)]


def test_the_second_read_brings_a_context_up() -> None:
    """One read may be the only one; two say that there will be more."""
    tiers = Tiers(SETTINGS, Recency())
    touch(tiers, 1)
    assert moves(tiers) == []
    touch(tiers, 1)
    assert moves(tiers) == [("promote", 1)]


def test_a_reader_that_maps_nothing_brings_nothing_up() -> None:
    """A working set in L1 is for those who can map it."""
    tiers = Tiers(SETTINGS, Recency())
    for _ in range(5):
        touch(tiers, 1, may=False)

    assert moves(tiers) == []


def test_levels_are_exclusive() -> None:
    """What is in L1 is not counted in L2 as well."""
    tiers = Tiers(SETTINGS, Recency())
    touch(tiers, 1, 100)
    assert tiers.size_bytes(Level.L2) == 100
    tiers.promoted(key(1), 500)

    assert tiers.level(key(1)) is Level.L1
    assert (tiers.size_bytes(Level.L1), tiers.size_bytes(Level.L2)) == (500, 0)


def test_l1_goes_from_the_high_to_the_low_watermark() -> None:
    """Nothing moves up to 90 %; above it the last in order go, down to 85 %."""
    tiers = Tiers(SETTINGS, Recency())
    for number in range(9):
        touch(tiers, number)
        tiers.promoted(key(number), 100)
    assert moves(tiers) == []
    touch(tiers, 9)
    tiers.promoted(key(9), 20)

    assert moves(tiers) == [("demote", 0)]


def test_pinned_contexts_are_the_last_to_go() -> None:
    """A pin holds against the order until its time is over."""
    tiers = Tiers(SETTINGS, Recency())
    for number in range(4):
        touch(tiers, number, pinned=100 if number == 0 else 0)
        tiers.promoted(key(number), 250)

    assert moves(tiers, now_ms=50) == [("demote", 1)]
    assert moves(tiers, now_ms=100) == [("demote", 0)]


def test_l2_drops_what_is_too_much() -> None:
    """The disk has all that L2 has: its victims are simply dropped."""
    tiers = Tiers(SETTINGS, Recency())
    for number in range(10):
        touch(tiers, number, 100)

    assert moves(tiers) == [("drop", 0), ("drop", 1)]


def test_a_full_l1_takes_nothing_in() -> None:
    """Promotion is gated by the high watermark, by what a working set is expected to take."""
    tiers = Tiers(SETTINGS, Recency())
    touch(tiers, 1)
    tiers.promoted(key(1), 880)
    for _ in range(2):
        touch(tiers, 2, 10)

    assert moves(tiers) == []


def test_the_expected_growth_is_learnt() -> None:
    """After a working set turned out small, more of them fit."""
    tiers = Tiers(SETTINGS, Recency())
    for number in range(30):
        touch(tiers, number, 10)
        tiers.promoted(key(number), 10)
    for _ in range(2):
        touch(tiers, 99, 300)

    assert moves(tiers) == [("promote", 99)]


def test_one_decision_builds_few_working_sets() -> None:
    """Building costs CPU: what more there is waits for the next decision, the last read first."""
    tiers = Tiers(TierSettings(), Recency())
    for number in range(20):
        touch(tiers, number)
        touch(tiers, number)

    assert moves(tiers) == [("promote", 19 - at) for at in range(RISES_PER_DECISION)]


def test_a_demoted_context_rises_on_its_second_read_again() -> None:
    """What came down starts anew."""
    tiers = Tiers(SETTINGS, Recency())
    touch(tiers, 1)
    tiers.promoted(key(1), 100)
    tiers.demoted(key(1), 10)
    touch(tiers, 1)
    assert moves(tiers) == []
    touch(tiers, 1)

    assert moves(tiers) == [("promote", 1)]


def test_too_many_to_remember_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by count too: the longest untouched are forgotten."""
    monkeypatch.setattr("tierfold.memory.tiers.TRACKED_MAX", 3)
    tiers = Tiers(SETTINGS, Recency())
    for number in range(5):
        touch(tiers, number)

    assert moves(tiers) == [("drop", 0), ("drop", 1)]


def test_news_of_strangers_changes_nothing() -> None:
    """A move that comes back late, of a context that has left, is no surprise."""
    tiers = Tiers(SETTINGS, Recency())
    tiers.demoted(key(1), 5)
    tiers.left(key(1))
    assert tiers.level(key(1)) is None
    tiers.promoted(key(1), 50)

    assert tiers.level(key(1)) is Level.L1


class Moving(RuleBasedStateMachine):
    """Whatever is touched, decided and carried out: sizes add up and watermarks hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tiers = Tiers(SETTINGS, Lrfu(objects=8))
        self.model: dict[tuple[str, bytes], tuple[Level, int]] = {}

    @rule(number=st.integers(0, 12), size=st.integers(0, 400), pinned=st.sampled_from((0, 99)))
    def touch(self, number: int, size: int, pinned: int) -> None:
        """A context is read."""
        touch(self.tiers, number, size, pinned=pinned)
        level, before = self.model.get(key(number), (Level.L2, 0))
        self.model[key(number)] = (level, before if level is Level.L1 else max(before, size))

    @rule(number=st.integers(0, 12))
    def leave(self, number: int) -> None:
        """A context is deleted."""
        self.tiers.left(key(number))
        self.model.pop(key(number), None)

    @rule(growth=st.floats(0.1, 10))
    def decide(self, growth: float) -> None:
        """All moves are carried out."""
        decided = self.tiers.decide(0)
        assert len({move.key for move in decided}) == len(decided)
        for move in decided:
            self._carry_out(move, growth)
        moved_down = [m for m in decided if m.kind is not MoveKind.PROMOTE]
        if moved_down and not any(m.kind is MoveKind.PROMOTE for m in decided):
            limit = SETTINGS.l1_bytes_max * SETTINGS.high_watermark
            assert self.tiers.size_bytes(Level.L1) <= limit

    def _carry_out(self, move: Move, growth: float) -> None:
        level, size = self.model[move.key]
        match move.kind:
            case MoveKind.PROMOTE:
                assert level is Level.L2
                self.model[move.key] = (Level.L1, round(size * growth))
                self.tiers.promoted(move.key, round(size * growth))
            case MoveKind.DEMOTE:
                assert level is Level.L1
                self.model[move.key] = (Level.L2, 0)
                self.tiers.demoted(move.key, 0)
            case MoveKind.DROP:
                assert level is Level.L2
                del self.model[move.key]
                self.tiers.left(move.key)

    @invariant()
    def sizes_add_up(self) -> None:
        """Each level holds what the model says."""
        for level in Level:
            mine = [size for at, size in self.model.values() if at is level]
            assert self.tiers.size_bytes(level) == sum(mine)
            assert self.tiers.count(level) == len(mine)


TestMoving = Moving.TestCase
TestMoving.settings = hypothesis_settings(max_examples=50, stateful_step_count=40)
