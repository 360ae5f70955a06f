import math
import tracemalloc
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.engine.clock import FakeClock
from tierfold.errors import InvalidInputError, TierfoldError
from tierfold.memory.policies import Lru
from tierfold.sim import parallel
from tierfold.sim import replay as replaying
from tierfold.sim.contestants import BUILDERS, contestant, contestants
from tierfold.sim.generated import KINDS, generated
from tierfold.sim.metadata import metadata_bytes
from tierfold.sim.parallel import Task, replays
from tierfold.sim.replay import replay
from tierfold.sim.scores import Regret, gap_closed
from tierfold.sim.sources import Source
from tierfold.sim.trace import Trace

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), min_size=1, max_size=80)
SMALL = Source(kind="zipf", accesses=3000)


@given(ROWS, st.integers(1, 20), st.sampled_from(sorted(BUILDERS)))
def test_a_replay_counts_as_a_loop_does(
    pairs: list[tuple[int, int]], bytes_max: int, name: str
) -> None:
    """Misses, missed bytes and evicted bytes are those of asking the policy one by one."""
    trace = Trace.from_rows([(at, *pair) for at, pair in enumerate(pairs)]).with_largest_sizes()
    looped = BUILDERS[name](bytes_max)
    sized = list(zip(trace.key.tolist(), trace.size.tolist(), strict=True))
    missed = [size for key, size in sized if not looped.access(key, size)]
    found = replay(trace, BUILDERS[name](bytes_max), name=name)

    assert (found.misses, found.bytes_missed) == (len(missed), sum(missed))
    assert found.evicted_bytes == sum(size for _, size in looped.evicted)
    assert found.object_miss_ratio == len(missed) / len(pairs)
    assert found.byte_miss_ratio == sum(missed) / sum(size for _, size in sized)


def test_a_replay_reports_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees progress, and what was evicted does not pile up."""
    monkeypatch.setattr(replaying, "ACCESSES_PER_STEP", 40)
    trace = Trace.from_rows([(at, at, 1) for at in range(100)])
    cache, steps = Lru(5), list[int]()
    found = replay(trace, cache, name="lru", clock=FakeClock(step_ms=0), progress=steps.append)

    assert steps == [40, 40, 20]
    assert (found.misses, found.evicted_bytes, cache.evicted) == (100, 95, [])
    assert found.accesses_per_s == math.inf


def test_an_unknown_policy_is_answered_with_the_names() -> None:
    """Nobody has to look up what there is."""
    trace = SMALL.read()
    with pytest.raises(InvalidInputError, match=r"no policy 'mru'; take one of lru, .*belady"):
        contestant("mru", trace, 10)
    for name in contestants():
        assert contestant(name, trace, 10).bytes_max == 10


def test_metadata_is_weighed_per_object() -> None:
    """An ordered dict costs about a hundred bytes an object, whatever is traced beside it."""
    trace = SMALL.read()
    weight = metadata_bytes(partial(Lru, 100), trace)
    tracemalloc.start()
    try:
        again = metadata_bytes(partial(Lru, 100), trace)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()

    assert 40 < weight < 1000  # what measures coverage weighs, too
    assert 40 < again < 1000
    assert math.isnan(metadata_bytes(partial(Lru, 0), trace))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_generated_traces_are_the_same_for_the_same_seed(kind: str) -> None:
    """A figure can be made again; another seed is another trace of the kind."""
    first, again, other = (generated(kind, 2000, seed=seed) for seed in (1, 1, 2))

    assert first.key.tolist() == again.key.tolist()
    assert first.key.tolist() != other.key.tolist()
    assert len(first) >= 2000
    assert len(generated(kind, 0)) >= 1


def test_chats_grow_and_read_all_they_have() -> None:
    """A turn asks for the whole history: what the first turn wrote is asked for in each."""
    trace = generated("chats", 4000)
    first = trace.session == 0
    turns = [trace.key[first & (trace.request == turn)] for turn in sorted({*trace.request[first]})]

    assert len(turns) > 1
    for turn, following in pairwise(turns):
        assert following[: len(turn)].tolist() == turn.tolist()
        assert len(following) > len(turn)


def test_several_processes_find_the_same() -> None:
    """Where a replay runs changes its speed and nothing else."""
    tasks = [Task(source=SMALL, policy=name, bytes_max=50) for name in ("lru", "belady", "arc")]
    steps: list[int] = []
    alone = list(replays(tasks, workers=1, progress=steps.append))
    shared = list(replays(tasks, workers=2, progress=steps.append))

    assert [each.misses for each in alone] == [each.misses for each in shared]
    assert [each.policy for each in shared] == ["lru", "belady", "arc"]
    assert sum(steps) == 2 * 3 * 3000


def test_a_process_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was killed would be waited for without end."""
    monkeypatch.setattr(parallel, "TASK_S_MAX", 0.0)
    tasks = [Task(source=SMALL, policy="lru", bytes_max=50)] * 2
    with pytest.raises(TierfoldError, match="did not answer"):
        list(replays(tasks, workers=2))


def test_a_task_weighs_what_it_is_asked_to() -> None:
    """The bound keeps the whole future: its weight would say nothing."""
    lru = Task(source=SMALL, policy="lru", bytes_max=50, is_weighed=True).run()
    bound = Task(source=SMALL, policy="belady", bytes_max=50, is_weighed=True).run()

    assert lru.metadata_bytes is not None
    assert bound.metadata_bytes is None


def test_the_gap_is_summed_over_cells() -> None:
    """A share per cell would let a cell without a gap decide the mean."""
    cells = [
        {"lru": 0.8, "arc": 0.7, "belady": 0.4},
        {"lru": 0.5, "arc": 0.55, "belady": 0.5},
    ]

    assert gap_closed(cells, "arc") == pytest.approx(0.05 / 0.4)
    assert gap_closed(cells, "belady") == pytest.approx(1)
    assert math.isnan(gap_closed(cells[1:], "arc"))


def test_regret_is_measured_against_the_best_rival_of_each_cell() -> None:
    """Points say what is lost over all, percent what is lost where little is missed."""
    cells = [
        {"own": 0.50, "a": 0.40, "b": 0.60},
        {"own": 0.301, "a": 0.9, "b": 0.3},
        {"own": 0.1, "a": 0.2, "b": 0.2},
        {"own": 0.0, "a": 0.0, "b": 0.2},
    ]
    regret = Regret.over(cells, "own", ("a", "b"))

    assert regret.mean_points == pytest.approx((10 + 0.1 - 10 + 0) / 4)
    assert regret.max_points == pytest.approx(10)
    assert regret.max_pct == pytest.approx(25)
    assert (regret.cells, regret.within_1pct) == (4, 0.75)
    assert math.isnan(Regret.over([], "own", ("a",)).mean_points)
