from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.memory.policies import oracles
from tests.unit.memory.policies.oracles import Access, History, Oracle
from tests.unit.memory.policies.traces import KEYS, sized, unit
from tierfold.memory.policies import Arc, Bounded, Lfu, Lirs, Lru, S3Fifo, Semantic

Build = Callable[[int], Bounded]
Reference = Callable[[int], Oracle]

UNIT: list[tuple[Build, Reference]] = [
    (Lru, oracles.lru),
    (Semantic, oracles.lru),
    (Lfu, oracles.lfu),
    (S3Fifo, oracles.S3Fifo),
    (Arc, oracles.Arc),
    (Lirs, oracles.Lirs),
]
SIZED = UNIT[:4]


def history(policy: Bounded, accesses: list[Access]) -> History:
    steps: History = []
    for key, size in accesses:
        is_hit = policy.access(key, size)
        steps.append((is_hit, [gone for gone, _ in policy.evicted if isinstance(gone, int)]))
        policy.evicted.clear()
    return steps


@pytest.mark.parametrize("trace", KEYS)
@pytest.mark.parametrize("limit", [1, 3, 10, 45])
@pytest.mark.parametrize(("build", "reference"), UNIT)
def test_objects_of_one_size_go_as_the_paper_says(
    build: Build, reference: Reference, limit: int, trace: str
) -> None:
    """Every hit and every victim is that of the reference, at every access."""
    accesses = unit(trace)

    assert history(build(limit), accesses) == oracles.history(reference(limit), accesses)


@pytest.mark.parametrize("trace", KEYS)
@pytest.mark.parametrize("limit", [30, 200, 1000])
@pytest.mark.parametrize(("build", "reference"), SIZED)
def test_objects_of_many_sizes_go_as_the_paper_says(
    build: Build, reference: Reference, limit: int, trace: str
) -> None:
    """Bytes are what is bounded: one object may push out many, and one too large goes at once."""
    accesses = sized(trace)

    assert history(build(limit), accesses) == oracles.history(reference(limit), accesses)


@given(st.lists(st.integers(0, 12), max_size=120), st.integers(1, 9))
def test_any_trace_of_one_size_goes_as_the_papers_say(keys: list[int], limit: int) -> None:
    """No sequence of accesses tells a policy from its reference."""
    accesses = [(key, 1) for key in keys]
    for build, reference in UNIT:
        assert history(build(limit), accesses) == oracles.history(reference(limit), accesses)


@given(st.lists(st.integers(0, 12), max_size=100), st.integers(1, 40))
def test_any_trace_of_many_sizes_goes_as_the_papers_say(keys: list[int], limit: int) -> None:
    """No sequence of sizes tells a policy from its reference."""
    accesses = [(key, 1 + key * 5 % 13) for key in keys]
    for build, reference in SIZED:
        assert history(build(limit), accesses) == oracles.history(reference(limit), accesses)
