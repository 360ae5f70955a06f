"""Any policy against a dict of what it holds: what must be true of all of them."""

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tierfold.memory.policies import Policy

KEYS = st.integers(0, 15)
SIZES = st.integers(0, 12)


class PolicyMachine(RuleBasedStateMachine):
    """Accesses, removals and new limits, in any order."""

    build: Callable[[int], Policy]

    def __init__(self) -> None:
        super().__init__()
        self.policy = type(self).build(30)
        self.held: dict[int, int] = {}

    @rule(key=KEYS, size=SIZES)
    def access(self, key: int, size: int) -> None:
        size_counted = max(1, size)
        assert self.policy.access(key, size) == (key in self.held)
        self.held[key] = size_counted
        if size_counted > self.policy.bytes_max:
            assert (key, size_counted) in self.policy.evicted
        else:
            assert key not in dict(self.policy.evicted)
        self.carry_out()
        assert (key in self.policy) == (size_counted <= self.policy.bytes_max)

    @rule(key=KEYS)
    def remove(self, key: int) -> None:
        assert self.policy.remove(key) == self.held.pop(key, 0)

    @rule(bytes_max=st.integers(0, 60))
    def resize(self, bytes_max: int) -> None:
        self.policy.resize(bytes_max)
        assert self.policy.bytes_max == bytes_max
        self.carry_out()

    def carry_out(self) -> None:
        """Let go of what is named, each once and with the bytes that it had."""
        for key, size in self.policy.evicted:
            assert isinstance(key, int)
            assert self.held.pop(key) == size
        self.policy.evicted.clear()

    @invariant()
    def holds_what_it_has_not_let_go(self) -> None:
        assert sorted(self.policy.in_order(), key=repr) == sorted(self.held, key=repr)
        assert len(self.policy) == len(self.held)
        assert all(key in self.policy for key in self.held)
        assert self.policy.size_bytes == sum(self.held.values())
        assert self.policy.size_bytes <= self.policy.bytes_max


def run(build: Callable[[int], Policy]) -> None:
    machine = type("Machine", (PolicyMachine,), {"build": staticmethod(build)})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=40, deadline=None)
    )
