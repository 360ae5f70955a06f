from collections.abc import Hashable

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tierfold.errors import InvalidInputError
from tierfold.memory.prefetch import Batch, Evidence, Hint, Prefetcher, PrefetchSettings

SMALL = PrefetchSettings(bytes_min=1, outcomes_min=4, window_outcomes=8, probe_outcomes_min=2)


def below(_key: object) -> int:
    return 3


def opened(context: str = "chat") -> Hint:
    return Hint(evidence=Evidence.SESSION_OPENED, context=context)


def after_reading(*keys: int, settings: PrefetchSettings = SMALL, size: int = 10) -> Prefetcher:
    prefetcher = Prefetcher(settings, level=1)
    prefetcher.read("chat", keys, [size] * len(keys), [3] * len(keys))
    return prefetcher


def planned(prefetcher: Prefetcher, hint: Hint) -> Batch:
    batch = prefetcher.plan(hint, below, 0.0)
    assert batch is not None
    prefetcher.ended(batch)
    return batch


def test_a_hint_brings_the_last_request_as_one_batch() -> None:
    """What lies above the level already, or was read as the first block, is no part of it."""
    prefetcher = after_reading(1, 2, 3, 4, 2)
    hint = Hint(evidence=Evidence.FIRST_BLOCK, context="chat", read_already=frozenset({1}))
    places: dict[Hashable, int] = {1: 3, 2: 2, 3: 1, 4: 3}
    batch = prefetcher.plan(hint, places.__getitem__, 1_000.0)

    assert batch is not None
    assert (batch.keys, batch.size_bytes) == ((2, 4), 20)
    assert batch.deadline_ms == pytest.approx(1_000 + 20 + 0.1 * 20 / 1024)
    assert prefetcher.in_flight_bytes == 20
    prefetcher.ended(batch)
    assert prefetcher.in_flight_bytes == 0


def test_a_verb_names_its_own_keys() -> None:
    """Who asks for a prefetch may know better than history."""
    hint = Hint(evidence=Evidence.ASKED_FOR, context="chat", keys=(7, 8), sizes=(5, 5))

    assert planned(after_reading(1, 2), hint).keys == (7, 8)


def test_without_evidence_worth_a_batch_there_is_none() -> None:
    """An unknown context, too few bytes, or all of it on its way already."""
    prefetcher = after_reading(1, 2, settings=PrefetchSettings(bytes_min=100))
    assert prefetcher.plan(opened(), below, 0.0) is None
    assert prefetcher.plan(opened("unknown"), below, 0.0) is None

    prefetcher = after_reading(1, 2)
    planned(prefetcher, opened())
    assert prefetcher.plan(opened(), below, 0.0) is None
    prefetcher.forget("chat")
    assert prefetcher.plan(opened(), below, 0.0) is None


def test_no_more_is_in_flight_than_may_be() -> None:
    """The head of the prompt comes first, and the rest when there is room again."""
    settings = PrefetchSettings(bytes_min=1, in_flight_bytes_max=25)
    prefetcher = after_reading(1, 2, 3, settings=settings)
    batch = prefetcher.plan(opened(), below, 0.0)
    assert batch is not None
    assert batch.keys == (1, 2)
    assert prefetcher.plan(opened(), below, 0.0) is None

    prefetcher.ended(batch, failed=[2])
    assert planned(prefetcher, opened()).keys == (2, 3)


def test_accuracy_coverage_and_waste_are_measured() -> None:
    """A key counts as used if it was read in time, as wasted if it left or came too late."""
    prefetcher = after_reading(1, 2, 3, 4)
    assert (prefetcher.coverage, prefetcher.figures()[Evidence.ASKED_FOR].accuracy) == (0.0, None)
    planned(prefetcher, opened())
    prefetcher.read("chat", [1, 2, 9, 10], [10] * 4, [1, 3, 3, 4], [False, False, False, True])
    prefetcher.left([3, 77])

    figures = prefetcher.figures()[Evidence.SESSION_OPENED]
    assert (figures.batches, figures.keys, figures.size_bytes) == (1, 4, 40)
    assert (figures.used_keys, figures.wasted_keys, figures.wasted_bytes) == (1, 2, 20)
    assert figures.accuracy == pytest.approx(1 / 3)
    assert prefetcher.coverage == pytest.approx(1 / 7)
    assert Prefetcher(SMALL, level=1).coverage is None


def wrong_batches(prefetcher: Prefetcher, count: int) -> None:
    for number in range(count):
        hint = Hint(
            evidence=Evidence.TOOL_CALL_PENDING, context="chat", keys=(-number,), sizes=(10,)
        )
        batch = prefetcher.plan(hint, below, 0.0)
        if batch is not None:
            prefetcher.ended(batch)
            prefetcher.left(batch.keys)


def test_a_prefetcher_that_is_mostly_wrong_stops_and_tries_again() -> None:
    """Below half it goes off, for that kind of evidence alone; probes that are used turn it on."""
    prefetcher = after_reading(1, 2)
    wrong_batches(prefetcher, 4)
    record = prefetcher.figures()[Evidence.TOOL_CALL_PENDING]
    assert not record.is_on
    assert prefetcher.figures()[Evidence.SESSION_OPENED].is_on

    wrong_batches(prefetcher, 15)
    assert prefetcher.figures()[Evidence.TOOL_CALL_PENDING].batches == record.batches
    wrong_batches(prefetcher, 17)
    assert prefetcher.figures()[Evidence.TOOL_CALL_PENDING].batches == record.batches + 2

    hint = Hint(evidence=Evidence.TOOL_CALL_PENDING, context="chat")
    batch = [prefetcher.plan(hint, below, 0.0) for _ in range(16)][-1]
    assert batch is not None
    prefetcher.read("chat", batch.keys, batch.sizes, [1, 1])
    assert prefetcher.figures()[Evidence.TOOL_CALL_PENDING].is_on


def test_one_context_that_went_astray_turns_nothing_off() -> None:
    """The window is longer than a batch, and slides."""
    prefetcher = Prefetcher(SMALL, level=1)
    for number in range(20):
        hint = Hint(evidence=Evidence.ASKED_FOR, context="chat", keys=(number,), sizes=(10,))
        planned(prefetcher, hint)
        prefetcher.read("chat", [number], [10], [1 if number % 3 else 2])

    assert prefetcher.figures()[Evidence.ASKED_FOR].is_on


def test_what_is_remembered_is_bounded() -> None:
    """In contexts, in keys, and in keys whose reading is awaited."""
    settings = PrefetchSettings(bytes_min=1, contexts_max=2, keys_max=5)
    prefetcher = after_reading(1, 2, 3, settings=settings)
    for context in "abc":
        prefetcher.read(context, range(10, 13), [10] * 3, [3] * 3)
    assert prefetcher.plan(opened(), below, 0.0) is None
    prefetcher.read("long", range(100, 120), [10] * 20, [3] * 20)
    assert planned(prefetcher, opened("long")).keys == (100, 101, 102, 103, 104)

    hint = Hint(evidence=Evidence.ASKED_FOR, context="x", keys=(1, 2), sizes=(1, 1))
    planned(prefetcher, hint)
    assert prefetcher.figures()[Evidence.SESSION_OPENED].wasted_keys == 2


@pytest.mark.parametrize(
    "wrong",
    [{"accuracy_min": 2.0}, {"outcomes_min": 0}, {"window_outcomes": 3}, {"probe_every": 0}],
    ids=str,
)
def test_settings_that_judge_by_nothing_are_refused(wrong: dict[str, float]) -> None:
    """A prefetcher that could never be turned off, or on again, is not built."""
    with pytest.raises(InvalidInputError, match="prefetch"):
        PrefetchSettings(**wrong)  # type: ignore[arg-type]


class Accounts(RuleBasedStateMachine):
    """Whatever comes in whatever order, the books balance."""

    def __init__(self) -> None:
        super().__init__()
        self.prefetcher = Prefetcher(SMALL, level=1)
        self.flying: list[Batch] = []

    @rule(keys=st.lists(st.integers(0, 9), max_size=6), level=st.integers(0, 3))
    def read(self, keys: list[int], level: int) -> None:
        self.prefetcher.read("chat", keys, [7] * len(keys), [level] * len(keys))

    @rule(evidence=st.sampled_from(Evidence))
    def hint(self, evidence: Evidence) -> None:
        hint = Hint(evidence=evidence, context="chat")
        batch = self.prefetcher.plan(hint, below, 0.0)
        if batch is not None:
            self.flying.append(batch)

    @rule(failed=st.integers(0, 9))
    def end(self, failed: int) -> None:
        if self.flying:
            self.prefetcher.ended(self.flying.pop(), failed=[failed])

    @rule(key=st.integers(0, 9))
    def leave(self, key: int) -> None:
        self.prefetcher.left([key])

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        assert self.prefetcher.in_flight_bytes == sum(batch.size_bytes for batch in self.flying)
        for figures in self.prefetcher.figures().values():
            assert figures.used_keys + figures.wasted_keys <= figures.keys
            assert figures.used_bytes + figures.wasted_bytes <= figures.size_bytes


TestAccounts = Accounts.TestCase
TestAccounts.settings = hypothesis_settings(max_examples=40, stateful_step_count=30, deadline=None)
