from contextlib import suppress

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tierfold.errors import PinBudgetError
from tierfold.memory.hierarchy import (
    Hierarchy,
    HierarchySettings,
    Ledger,
    LevelSettings,
    Move,
    Promotion,
    RankSettings,
    Request,
    WriteBudget,
)
from tierfold.memory.policies import S3Fifo

KEYS = st.integers(0, 30)
BELOW = 3


def built(promotion: Promotion, *, by_policy: bool, missing: set[int]) -> Hierarchy:
    budget = WriteBudget(bytes_per_s=20, burst_bytes=60)
    settings = HierarchySettings(
        levels=(
            LevelSettings(name="L1", bytes_max=40),
            LevelSettings(name="L2", bytes_max=80, expansion=0.5),
            LevelSettings(name="L3", bytes_max=120, write_budget=budget),
        ),
        promotion=promotion,
        pinned_bytes_max=60,
        keys_max=20,
        ranks=RankSettings(units_max=15, waiting_max=5),
    )
    return Hierarchy(
        settings,
        build=S3Fifo if by_policy else None,
        may_leave=lambda key: key not in missing,
    )


class Levels(RuleBasedStateMachine):
    """A hierarchy whose moves are carried out at once, in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: set[int] = set()  # have no copy below
        self.lies: dict[object, int] = {}
        self.now_ms = 0.0
        self.hierarchy = built(Promotion.ALWAYS, by_policy=False, missing=self.missing)
        self.limits = [40, 80, 120]

    @precondition(lambda self: not self.lies)
    @rule(promotion=st.sampled_from(Promotion), by_policy=st.booleans())
    def start(self, promotion: Promotion, by_policy: bool) -> None:  # noqa: FBT001 - drawn
        self.hierarchy = built(promotion, by_policy=by_policy, missing=self.missing)
        self.limits = [40, 80, 120]

    @rule(
        reads=st.lists(st.tuples(KEYS, st.integers(0, 130), st.booleans()), max_size=8),
        group=st.none() | st.integers(0, 3),
        step_ms=st.integers(-500, 2000),
    )
    def access(self, reads: list[tuple[int, int, bool]], group: int | None, step_ms: int) -> None:
        self.now_ms += step_ms
        keys = [key for key, _, _ in reads]
        request = Request(
            keys=keys,
            sizes=[size for _, size, _ in reads],
            is_new=[is_new for _, _, is_new in reads],
            group=group,
        )
        found = self.hierarchy.access(request, self.now_ms)
        assert found[:1] == [self.lies.get(key, BELOW) for key in keys[:1]]
        assert len(found) == len(reads)

    @rule(keys=st.lists(KEYS, max_size=3, unique=True), size=st.integers(1, 40))
    def pin(self, keys: list[int], size: int) -> None:
        until_ms = self.now_ms + 1000
        with suppress(PinBudgetError):
            self.hierarchy.pin(keys, [size] * len(keys), until_ms=until_ms, now_ms=self.now_ms)

    @rule(keys=st.lists(KEYS, max_size=5, unique=True), size=st.integers(1, 20))
    def lift(self, keys: list[int], size: int) -> None:
        sizes = [size] * len(keys)
        self.hierarchy.lift(keys, sizes, level=0, group=0, until_ms=self.now_ms + 100)

    @rule(key=KEYS)
    def unpin(self, key: int) -> None:
        self.hierarchy.unpin([key])

    @rule(key=KEYS)
    def supersede(self, key: int) -> None:
        self.hierarchy.supersede([key])
        assert self.hierarchy.place(key) == BELOW or key in self.missing

    @rule(key=KEYS)
    def forget(self, key: int) -> None:
        self.follow()
        self.hierarchy.forget([key])
        self.lies.pop(key, None)

    @rule(key=KEYS, size=st.integers(0, 60))
    def measure(self, key: int, size: int) -> None:
        self.hierarchy.measured(key, size)

    @rule(level=st.integers(0, 2), limit=st.integers(0, 120))
    def resize(self, level: int, limit: int) -> None:
        self.hierarchy.resize(level, limit)
        self.limits[level] = limit

    @rule(key=KEYS)
    def write(self, key: int) -> None:
        self.missing.add(key)

    @rule(key=KEYS)
    def verify(self, key: int) -> None:
        self.missing.discard(key)
        self.hierarchy.verified()

    def follow(self) -> None:
        for move in self.hierarchy.take_moves():
            assert self.lies.get(move.key, BELOW) == move.source
            assert move.target != move.source
            self.lies[move.key] = move.target
            if move.target == BELOW:
                del self.lies[move.key]

    @invariant()
    def every_key_is_in_one_place(self) -> None:
        self.follow()
        assert {key: self.hierarchy.place(key) for key in range(31)} == {
            key: self.lies.get(key, BELOW) for key in range(31)
        }
        assert len(self.hierarchy) == len(self.lies)

    @invariant()
    def levels_hold_no_more_than_they_may(self) -> None:
        for level, state in enumerate(self.hierarchy.state()):
            assert state.problem is None
            assert state.size_bytes - state.waiting_bytes <= self.limits[level]
            assert state.waiting_bytes == 0 or self.missing

    @invariant()
    def pins_keep_to_their_budget(self) -> None:
        assert self.hierarchy._pins.size_bytes <= 60  # noqa: SLF001 - its bound

    @invariant()
    def memory_is_bounded(self) -> None:
        counted = sum(state.keys for state in self.hierarchy.state())
        assert counted <= len(self.hierarchy)
        assert len(self.hierarchy._ranking) <= len(self.hierarchy)  # noqa: SLF001 - its bound
        assert len(self.hierarchy) <= 20 + 31 * bool(self.missing) + 8


class CarriedOut(RuleBasedStateMachine):
    """A hierarchy whose moves are made later, in any order, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.hierarchy = built(Promotion.ALWAYS, by_policy=False, missing=set())
        self.ledger = Ledger(self.hierarchy, bytes_max=[50, 100, 150], high_watermark=0.5)
        self.lies: dict[object, int] = {}
        self.under_way: list[Move] = []

    @rule(keys=st.lists(KEYS, max_size=6), size=st.integers(1, 30))
    def access(self, keys: list[int], size: int) -> None:
        request = Request(keys=keys, sizes=[size] * len(keys), is_new=[False] * len(keys))
        self.hierarchy.access(request, 0.0)

    @rule(moves_max=st.integers(0, 4), bytes_max=st.integers(0, 60))
    def take(self, moves_max: int, bytes_max: int) -> None:
        taken = self.ledger.take(moves_max=moves_max, bytes_max=bytes_max)
        assert len(taken) <= moves_max
        self.under_way += taken
        assert len(self.under_way) <= 1 or self.ledger.under_way_bytes <= max(bytes_max, 60)

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0, 100), is_done=st.booleans())
    def confirm(self, at: int, is_done: bool) -> None:  # noqa: FBT001 - drawn
        move = self.under_way.pop(at % len(self.under_way))
        assert self.lies.get(move.key, BELOW) == move.source
        if is_done:
            self.lies[move.key] = move.target
        self.ledger.confirm(move, is_done=is_done)
        self.ledger.confirm(move, is_done=is_done)

    @rule(key=KEYS)
    def forget(self, key: int) -> None:
        self.ledger.collect()
        self.hierarchy.forget([key])
        self.ledger.forget([key])
        self.under_way = [move for move in self.under_way if move.key != key]
        self.lies.pop(key, None)

    @invariant()
    def the_ledger_knows_where_each_key_really_is(self) -> None:
        self.ledger.collect()
        for key in range(31):
            assert self.ledger.lies(key) == self.lies.get(key, BELOW)

    def teardown(self) -> None:
        """When all is carried out, every key lies where it was decided."""
        for move in self.under_way:
            self.lies[move.key] = move.target
            self.ledger.confirm(move)
        self.ledger._high_bytes = [-1, -1, -1]  # noqa: SLF001 - so that every level is pressed
        while taken := self.ledger.take(moves_max=100, bytes_max=10_000):
            for move in taken:
                self.lies[move.key] = move.target
                self.ledger.confirm(move)
        assert len(self.ledger) == self.ledger.under_way_bytes == 0
        for key in range(31):
            assert self.hierarchy.place(key) == self.lies.get(key, BELOW)
        for level in range(BELOW):
            assert self.ledger.size_bytes(level) == self.hierarchy.size_bytes(level)


TestLevels = Levels.TestCase
TestLevels.settings = hypothesis_settings(max_examples=40, stateful_step_count=30, deadline=None)
TestCarriedOut = CarriedOut.TestCase
TestCarriedOut.settings = hypothesis_settings(
    max_examples=30, stateful_step_count=30, deadline=None
)
