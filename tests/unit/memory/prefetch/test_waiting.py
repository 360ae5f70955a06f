"""Contexts that wait: whose turn it is, what is refused and why, and who is judged by what."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tierfold.memory.prefetch import Context, Evidence, PrefetchSettings, SkipReason, Wanted
from tierfold.memory.prefetch.waiting import OF_CONTEXTS, WaitingContexts, WaitingLimits

LIMITS = WaitingLimits(contexts_max=6, of_tenant_max=4, tenants_max=3)


def wanted(
    tenant: str,
    number: int,
    *,
    size_bytes: int = 100,
    evidence: Evidence = Evidence.ASKED_FOR,
    until_ms: float = 1e9,
) -> Wanted:
    return Wanted(
        context=(tenant, bytes([number])),
        tokenizer="o200k",
        size_bytes=size_bytes,
        evidence=evidence,
        until_ms=until_ms,
    )


def hint(waiting: WaitingContexts, asked: Wanted, *, is_up: bool = False) -> SkipReason | None:
    return waiting.hint(asked, is_up=is_up, now_ms=0.0)


def take(waiting: WaitingContexts) -> Context | None:
    taken = waiting.take(0.0)
    return None if taken is None else taken.context


def test_tenants_take_turns() -> None:
    """Whoever hints at much is served no sooner than whoever hints at one."""
    waiting = WaitingContexts()
    for asked in (wanted("a", 1), wanted("a", 2), wanted("a", 3), wanted("b", 1)):
        assert hint(waiting, asked) is None
    turns = [take(waiting) for _ in range(5)]
    assert turns == [("a", b"\1"), ("b", b"\1"), ("a", b"\2"), ("a", b"\3"), None]


def test_a_hint_that_is_repeated_changes_nothing() -> None:
    """While it waits, while it is on its way, and while it is up."""
    waiting = WaitingContexts()
    assert hint(waiting, wanted("a", 1)) is None
    assert hint(waiting, wanted("a", 1)) is None
    assert len(waiting) == 1
    assert take(waiting) == ("a", b"\1")
    assert hint(waiting, wanted("a", 1)) is None
    waiting.ended(("a", b"\1"), is_up=True)
    assert hint(waiting, wanted("a", 1), is_up=True) is None
    assert len(waiting) == 0
    assert waiting.figures()[Evidence.ASKED_FOR].batches == 1


def test_too_many_are_refused_each_by_its_own_limit() -> None:
    """A tenant's own, that of all together, and the bytes that may be on their way."""
    waiting = WaitingContexts(limits=LIMITS)
    mine = [hint(waiting, wanted("a", number)) for number in range(5)]
    assert mine == [None] * 4 + [SkipReason.BUSY]
    assert [hint(waiting, wanted("b", n)) for n in range(3)] == [None, None, SkipReason.BUSY]
    narrow = WaitingContexts(PrefetchSettings(bytes_min=0, in_flight_bytes_max=150))
    assert hint(narrow, wanted("a", 1)) is None
    assert hint(narrow, wanted("a", 2)) is SkipReason.BUSY
    narrow.ended(("a", b"\2"), is_up=True)  # it never was on its way
    assert hint(narrow, wanted("a", 2)) is SkipReason.BUSY
    assert take(narrow) == ("a", b"\1")
    narrow.ended(("a", b"\1"), is_up=False)
    assert hint(narrow, wanted("a", 2)) is None


def test_a_tenant_whose_hints_are_wrong_loses_his_own_prefetch_alone() -> None:
    """And that kind of evidence alone."""
    waiting = WaitingContexts()
    for number in range(OF_CONTEXTS.outcomes_min):
        assert hint(waiting, wanted("a", number)) is None
        assert take(waiting) is not None
        waiting.ended(("a", bytes([number])), is_up=True)
        waiting.left([("a", bytes([number]))])
    assert hint(waiting, wanted("a", 99)) is SkipReason.OFF
    assert hint(waiting, wanted("a", 99, evidence=Evidence.SESSION_OPENED)) is None
    assert hint(waiting, wanted("b", 1)) is None
    assert waiting.figures()[Evidence.ASKED_FOR].is_on  # for somebody


def test_one_that_is_off_is_tried_again_now_and_then() -> None:
    """A few hints that come true turn it on again."""
    waiting = WaitingContexts()
    number = 0
    for number in range(OF_CONTEXTS.outcomes_min):
        hint(waiting, wanted("a", number))
        take(waiting)
        waiting.ended(("a", bytes([number])), is_up=True)
        waiting.left([("a", bytes([number]))])
    probes = 0
    while hint(waiting, wanted("a", 200)) is not None:
        pass
    for _ in range(OF_CONTEXTS.probe_every * OF_CONTEXTS.probe_outcomes_min + 1):
        context = take(waiting)
        if context is not None:
            probes += 1
            waiting.ended(context, is_up=True)
            waiting.read(context, is_up=True)
        number += 1
        hint(waiting, wanted("a", number % 256))
    assert probes >= OF_CONTEXTS.probe_outcomes_min
    assert waiting.figures()[Evidence.ASKED_FOR].is_on


def test_what_was_not_read_before_it_went_is_wasted() -> None:
    """And what did not come up is neither used nor wasted."""
    waiting = WaitingContexts()
    for number in range(3):
        hint(waiting, wanted("a", number))
        take(waiting)
    waiting.ended(("a", b"\0"), is_up=True)
    waiting.ended(("a", b"\1"), is_up=True)
    waiting.ended(("a", b"\2"), is_up=False)
    assert [waiting.is_unread(("a", bytes([n]))) for n in range(3)] == [True, True, False]
    waiting.read(("a", b"\0"), is_up=True)
    waiting.read(("a", b"\1"), is_up=False)  # it had gone down
    waiting.read(("z", b"\1"), is_up=False)  # whoever never hints is not counted
    figures = waiting.figures()[Evidence.ASKED_FOR]
    assert (figures.used_keys, figures.wasted_keys, figures.wasted_bytes) == (1, 1, 100)
    assert figures.accuracy == pytest.approx(0.5)


def test_the_late_are_left() -> None:
    """Nobody needs them now; their bytes are on their way no more."""
    waiting = WaitingContexts(PrefetchSettings(bytes_min=0, in_flight_bytes_max=150))
    hint(waiting, wanted("a", 1, until_ms=10.0))
    assert waiting.take(11.0) is None
    assert not waiting.is_waiting(("a", b"\1"))
    assert hint(waiting, wanted("a", 2)) is None


class Machine(RuleBasedStateMachine):
    """A queue against a plain list of what waits and a set of what is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = WaitingContexts(limits=LIMITS)
        self.queued: list[Context] = []
        self.taken: list[Context] = []

    @rule(tenant=st.sampled_from("abcde"), number=st.integers(0, 6), is_up=st.booleans())
    def hint(self, tenant: str, number: int, *, is_up: bool) -> None:
        context = (tenant, bytes([number]))
        reason = hint(self.waiting, wanted(tenant, number), is_up=is_up)
        if is_up or context in self.queued or context in self.taken:
            assert reason is None
            return
        mine = sum(each[0] == tenant for each in self.queued)
        if len(self.queued) == LIMITS.contexts_max or mine == LIMITS.of_tenant_max:
            assert reason is SkipReason.BUSY
        elif reason is None:
            self.queued.append(context)
        else:
            assert reason is SkipReason.OFF

    @rule(now_ms=st.sampled_from([0.0, 2e9]))
    def take(self, now_ms: float) -> None:
        taken = self.waiting.take(now_ms)
        if taken is None:
            assert not self.queued or now_ms > 1e9
            self.queued.clear()
        else:
            self.queued.remove(taken.context)
            self.taken.append(taken.context)

    @rule(is_up=st.booleans(), is_used=st.booleans())
    def ended(self, *, is_up: bool, is_used: bool) -> None:
        if self.taken:
            context = self.taken.pop()
            self.waiting.ended(context, is_up=is_up)
            assert self.waiting.is_unread(context) == is_up
            self.waiting.read(context, is_up=is_used)

    @invariant()
    def holds_together(self) -> None:
        assert len(self.waiting) == len(self.queued) <= LIMITS.contexts_max
        assert all(self.waiting.is_waiting(each) for each in [*self.queued, *self.taken])
        for figures in self.waiting.figures().values():
            assert figures.used_keys + figures.wasted_keys <= figures.keys


Machine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestWaitingContexts = Machine.TestCase
