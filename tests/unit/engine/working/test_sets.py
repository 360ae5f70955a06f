"""L0: working sets in this heap, bounded by bytes."""

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.engine.working.contexts import KEY, built
from tierfold.context.identity import ContextKey
from tierfold.engine.contents import text_contents
from tierfold.engine.working import Loaded, WorkingSets

_LOADED = built(text_contents("Some words. "))
_BYTES_MAX = 100
KEYS = st.sampled_from([ContextKey("local", name) for name in "abcde"])


def _sized(size_bytes: int) -> Loaded:
    return replace(_LOADED, size_bytes=size_bytes)


class HoldsTheMostRecent(RuleBasedStateMachine):
    """Against a list in the order of use."""

    def __init__(self) -> None:
        super().__init__()
        self.sets = WorkingSets(_BYTES_MAX)
        self.model: list[tuple[ContextKey, Loaded, float]] = []
        self.asked = 0
        self.found = 0

    def of_key(self, key: ContextKey) -> tuple[ContextKey, Loaded, float] | None:
        return next((each for each in self.model if each[0] == key), None)

    @rule(key=KEYS, size=st.integers(1, 120), checked=st.integers(0, 9))
    def put(self, key: ContextKey, size: int, checked: int) -> None:
        before = self.of_key(key)
        loaded = _sized(size)
        is_held = self.sets.put(key, "o200k", loaded, checked_ms=checked)
        if before is not None and before[2] > checked:
            assert not is_held
            return
        self.model = [each for each in self.model if each[0] != key]
        assert is_held == (size <= _BYTES_MAX)
        if is_held:
            self.model.append((key, loaded, checked))
            while sum(each[1].size_bytes for each in self.model) > _BYTES_MAX:
                self.model.pop(0)

    @rule(key=KEYS)
    def get(self, key: ContextKey) -> None:
        known, held = self.of_key(key), self.sets.get(key, "o200k")
        self.asked += 1
        if known is None:
            assert held is None
            return
        self.found += 1
        assert held is not None
        assert (held.loaded, held.checked_ms) == known[1:]
        self.model.remove(known)
        self.model.append(known)

    @rule(key=KEYS, checked=st.integers(0, 9))
    def confirm(self, key: ContextKey, checked: int) -> None:
        self.sets.confirm(key, "o200k", checked)
        self.model = [
            (each[0], each[1], max(each[2], checked) if each[0] == key else each[2])
            for each in self.model
        ]

    @rule(key=KEYS)
    def drop(self, key: ContextKey) -> None:
        self.sets.drop(key)
        self.model = [each for each in self.model if each[0] != key]

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        report = self.sets.report()
        assert report.size_bytes == self.sets.size_bytes <= report.limit_bytes == _BYTES_MAX
        assert report.size_bytes == sum(each[1].size_bytes for each in self.model)
        assert report.items == len(self.sets) == len(self.model)
        assert (report.hits, report.misses) == (self.found, self.asked - self.found)


TestHoldsTheMostRecent = HoldsTheMostRecent.TestCase


def test_a_context_may_be_held_for_each_tokenizer() -> None:
    """Tokens are counted by another encoding, so it is another working set."""
    sets = WorkingSets(_BYTES_MAX)
    sets.put(KEY, "o200k", _sized(10), checked_ms=0)
    sets.put(KEY, "cl100k", _sized(20), checked_ms=0)

    assert [(name, each.size_bytes) for name, each in sets.of(KEY)] == [
        ("o200k", 10),
        ("cl100k", 20),
    ]
    sets.drop(KEY)
    assert sets.of(KEY) == []
