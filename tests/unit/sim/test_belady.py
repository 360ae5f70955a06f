from hypothesis import given
from hypothesis import strategies as st

from tierfold.sim import belady
from tierfold.sim.belady import NEVER, Belady, next_uses
from tierfold.sim.contestants import BUILDERS
from tierfold.sim.replay import replay
from tierfold.sim.trace import Trace

KEYS = st.lists(st.integers(0, 5), min_size=1, max_size=12)
LONGER = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=60)


def units(keys: list[int]) -> Trace:
    return Trace.from_rows([(at, key, 1) for at, key in enumerate(keys)])


def misses(trace: Trace, bytes_max: int) -> int:
    return replay(trace, Belady(trace, bytes_max), name="belady").misses


def fewest_misses(keys: list[int], capacity: int) -> int:
    """Try every choice of victims."""
    states = {frozenset[int](): 0}
    for key in keys:
        later: dict[frozenset[int], int] = {}
        for held, missed in states.items():
            if key in held:
                reached = {held: missed}
            elif len(held) < capacity:
                reached = {held | {key}: missed + 1}
            else:
                reached = {held - {victim} | {key}: missed + 1 for victim in held}
            for state, count in reached.items():
                later[state] = min(count, later.get(state, count))
        states = later
    return min(states.values())


def looked_ahead(rows: list[tuple[int, int]], bytes_max: int) -> list[bool]:
    """Do the same with nothing but lists."""
    held: dict[int, tuple[int, int]] = {}  # size, and when it was last asked for
    hits = []
    for at, (key, size) in enumerate(rows):
        hits.append(key in held)
        ahead = [other for other, _ in rows[at:]]
        while key not in held and size <= bytes_max:
            if sum(size for size, _ in held.values()) + size <= bytes_max:
                break
            order = {k: (ahead.index(k) if k in ahead else NEVER, held[k][1]) for k in held}
            del held[max(order, key=lambda k: order[k])]
        if size <= bytes_max:
            held[key] = (size, at)
    return hits


def test_next_uses_are_the_places_of_the_same_key() -> None:
    """The future is known exactly."""
    assert next_uses(units([3, 1, 3, 3, 2])).tolist() == [2, NEVER, 3, NEVER, NEVER]


@given(KEYS, st.integers(1, 3))
def test_no_choice_of_victims_misses_less(keys: list[int], capacity: int) -> None:
    """For objects of one size the bound is what an exhaustive search finds."""
    assert misses(units(keys), capacity) == fewest_misses(keys, capacity)


@given(LONGER, st.integers(1, 12))
def test_the_victim_is_needed_last(pairs: list[tuple[int, int]], bytes_max: int) -> None:
    """With sizes too, hit by hit, it is the cache that looks ahead the naive way."""
    rows = Trace.from_rows([(at, *pair) for at, pair in enumerate(pairs)]).with_largest_sizes()
    seer = Belady(rows, bytes_max)
    sized = list(zip(rows.key.tolist(), rows.size.tolist(), strict=True))

    assert [seer.access(*each) for each in sized] == looked_ahead(sized, bytes_max)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 10))
def test_no_policy_beats_the_bound(keys: list[int], capacity: int) -> None:
    """A policy that did would have been counted wrongly."""
    trace = units(keys)
    bound = misses(trace, capacity)

    for name, build in BUILDERS.items():
        assert replay(trace, build(capacity), name=name).misses >= bound, name


def test_the_heap_is_swept_of_what_is_past() -> None:
    """A long run of hits must not keep an entry per access."""
    trace = units([0, 1] * 20_000)
    seer = Belady(trace, 2)
    replay(trace, seer, name=belady.NAME)

    assert len(seer._farthest) < 10_000  # noqa: SLF001  # nothing else shows it but memory


def test_what_is_too_large_passes_through() -> None:
    """An object larger than the cache is missed each time and pushes nothing out."""
    trace = Trace.from_rows([(0, 1, 2), (1, 2, 9), (2, 2, 9), (3, 1, 2)])
    seer = Belady(trace, 5)

    assert [seer.access(1, 2), seer.access(2, 9), seer.access(2, 9), seer.access(1, 2)] == [
        *(False, False, False, True)
    ]
    assert seer.evicted == [(2, 9), (2, 9)]
