from collections.abc import Mapping

import pytest

from benchmarks import cache, cache_handbook
from tierfold.sim.cells import Cell
from tierfold.sim.comparison import Comparison
from tierfold.sim.replay import Replay

LRU, BOUND = 0.5837, 0.4024  # arc_oltp, 1 %


def compared(
    misses: Mapping[str, float], *, trace: str = "arc_oltp", objects: float = 1868
) -> Comparison:
    cell = Cell(trace=trace, share=0.009996, bytes_max=1868, objects=objects)
    return Comparison.of(
        cell,
        [
            Replay(
                trace=trace,
                policy=name,
                bytes_max=1868,
                accesses=100_000,
                misses=round(ratio * 100_000),
                bytes_asked=100_000,
                bytes_missed=0,
                evicted_bytes=0,
                cpu_s=1,
            )
            for name, ratio in misses.items()
        ],
    )


@pytest.mark.parametrize(("lru", "is_right"), [(LRU, True), (LRU + 0.0009, True), (0.59, False)])
def test_figures_count_only_where_the_baseline_is_the_handbooks(
    lru: float, *, is_right: bool
) -> None:
    """A simulator that miscounts would close any gap."""
    why = cache_handbook.difference([compared({"lru": lru, "belady": BOUND})])

    assert (why is None) == is_right


def test_a_trace_the_handbook_has_not_is_not_held_against_it() -> None:
    """A folder of other traces is judged by its own baselines."""
    assert cache_handbook.difference([compared({"lru": 0.1}, trace="other")]) is None


def test_gap_and_regret_are_of_the_selector() -> None:
    """Regret is against the best fixed policy, expert or not, where enough objects are held."""
    cells = [
        compared({"lru": 0.8, "arc": 0.6, "adaptive": 0.7, "belady": 0.4}),
        compared({"lru": 0.8, "arc": 0.6, "adaptive": 0.8, "belady": 0.4}, objects=99),
    ]
    figures = cache.figures(cells)

    assert figures["gap_closed"] == pytest.approx(0.1 / 0.8)
    assert figures["gap_closed_by_policy"]["arc"] == pytest.approx(0.5)
    assert figures["regret_mean_points"] == pytest.approx(10)
    assert (figures["cells"], figures["cells_judged"]) == (2, 1)
    assert figures["cells_within_1pct"] == 0


def test_a_figure_without_its_policy_is_null() -> None:
    """No selector, no figure: the reason stands beside it."""
    figures = cache.figures([compared({"lru": 0.8, "belady": 0.4})])

    assert figures["gap_closed"] is None
    assert "no policy adaptive" in figures["why"]
