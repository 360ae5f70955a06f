import numpy as np
import pytest

from tierfold.errors import InvalidInputError
from tierfold.sim.cells import cells, sized_cell
from tierfold.sim.trace import Trace, checked

ROWS = [(0, 7, 10, 0, 3), (0, 8, 20, 0, 3), (5, 7, 40, 1, 3), (9, 9, 5, 2, 4)]


def test_a_trace_knows_its_objects_and_their_largest_sizes() -> None:
    """Cache sizes are shares of the footprint, in which a growing object counts at its largest."""
    trace = Trace.from_rows(ROWS, name="small")

    assert (len(trace), trace.objects, trace.footprint_bytes) == (4, 3, 65)
    assert trace.compulsory_miss_ratio == 0.75
    assert trace.is_first.tolist() == [True, True, False, True]
    assert trace.with_largest_sizes().size.tolist() == [40, 20, 40, 5]
    assert trace.with_largest_sizes().with_largest_sizes().footprint_bytes == 65
    assert (trace.request.tolist(), trace.session.tolist()) == ([0, 0, 1, 2], [3, 3, 3, 4])


def test_the_head_of_a_trace_is_a_trace() -> None:
    """Quick runs measure the same thing on the first accesses."""
    head = Trace.from_rows(ROWS).head(2)

    assert (len(head), head.objects, head.request.tolist()) == (2, 2, [0, 0])


def test_without_requests_every_access_is_one() -> None:
    """Most traces say nothing of requests."""
    trace = Trace.from_rows([(0, 1, 1), (1, 1, 1)])

    assert trace.request.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(0, 1, 1), (1, 2, 0)], "t: row 2: size is 0; an object has 1 to 68,719,476,736 bytes"),
        ([(0, 1, 1 << 62)], "t: row 1: size is 4611686018427387904"),
        ([(1 << 62, 1, 1), (-(1 << 62), 1, 1)], "t: row 2: the clock goes back"),
        ([(0, 1, -4)], "t: row 1: size is -4"),
        ([(5, 1, 1), (4, 1, 1)], "t: row 2: the clock goes back from 5 to 4"),
        ([(0, 1, 1, 0, 0), (0, 1, 1, 1, 0), (0, 1, 1, 0, 0)], "t: row 3: request 0 comes back"),
        ([], "t: there are no rows"),
        ([(1, 2)], "t: every row is"),
        ([(1, 2, 3), (1, 2, 3, 4, 5)], "t: every row is"),
    ],
)
def test_a_row_that_cannot_be_is_named(rows: list[tuple[int, ...]], said: str) -> None:
    """Whoever made the trace finds the row; a replay of nonsense would look like a result."""
    with pytest.raises(InvalidInputError) as refused:
        Trace.from_rows(rows, name="t")

    assert said in str(refused.value)


def test_a_lenient_reader_takes_what_a_collector_garbles() -> None:
    """Empty objects, a clock set back and a request split in two still say what was asked for."""
    rows = [(5, 1, 0, 0, 0), (4, 2, 3, 1, 0), (6, 1, 2, 0, 0)]
    trace = Trace.from_rows(rows, is_lenient=True)

    assert trace.time.tolist() == [5, 5, 6]
    assert trace.size.tolist() == [1, 3, 2]
    assert trace.request.tolist() == [1, 2, 3]
    with pytest.raises(InvalidInputError, match="size is -1"):
        Trace.from_rows([(0, 1, -1)], is_lenient=True)


def test_a_table_without_keys_is_empty() -> None:
    """Nothing was asked for, so there is nothing to replay."""
    with pytest.raises(InvalidInputError, match="no rows"):
        checked("t", {"time": np.zeros(1, np.int64)})


def test_only_caches_that_tell_policies_apart_are_run() -> None:
    """A cache of a few objects measures how sizes are rounded, not who decides well."""
    thousand = Trace.from_rows([(at, at, 1) for at in range(1000)])
    large = Trace.from_rows([(at, at, 100) for at in range(50)])

    assert [cell.bytes_max for cell in cells(thousand)] == [10, 100]
    assert [cell.objects for cell in cells(thousand)] == [10, 100]
    assert cells(large) == ()  # 10 % are 500 bytes, but 5 objects
    assert sized_cell(large, 2500).share == 0.5
