from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from tierfold.optimizer import (
    Problem,
    Stock,
    cost,
    frame_levels,
    opened_frames,
    select,
    with_framing,
)
from tierfold.optimizer.density import Densities


@st.composite
def problems(draw: st.DrawFn, *, has_frames: bool = True, gap: int = 1) -> Problem:
    count = draw(st.integers(1, 14))
    frames = draw(st.integers(0, 4)) if has_frames else 0
    parent = [draw(st.integers(-1, index - 1)) for index in range(frames)]
    frame = [draw(st.integers(-1, frames - 1)) for _ in range(count)]
    framing = [f >= 0 and draw(st.booleans()) for f in frame]
    pinned = [not own and draw(st.integers(0, 9)) == 0 for own in framing]
    lanes = np.cumsum([0] + [draw(st.integers(0, 1)) for _ in range(count - 1)])
    value = np.array(draw(st.lists(st.floats(0, 1, width=32), min_size=count, max_size=count)))
    stock = Stock(
        tokens=np.array(
            draw(st.lists(st.integers(1, 20), min_size=count, max_size=count)), np.int32
        ),
        frame=np.array(frame, np.int32),
        lane=lanes.astype(np.int32),
        gap_tokens=np.full(count, gap, np.int32),
        free=~np.array(framing) & ~np.array(pinned),
        kept=np.array(pinned),
        frame_parent=np.array(parent, np.int32),
        frame_levels=frame_levels(np.array(parent, np.int32)),
        frame_tokens=np.array([draw(st.integers(0, 9)) for _ in range(frames)], np.int32),
        frame_kept=np.array([draw(st.integers(0, 9)) == 0 for _ in range(frames)], np.bool_),
        framing=np.array(framing),
    )
    return Problem(value=value, stock=stock)


def plain(value: NDArray[np.float64], tokens: NDArray[np.int64]) -> Problem:
    count = len(value)
    stock = Stock(
        tokens=tokens.astype(np.int32),
        frame=np.full(count, -1, np.int32),
        lane=np.zeros(count, np.int32),
        gap_tokens=np.zeros(count, np.int32),
        free=np.ones(count, np.bool_),
        kept=np.zeros(count, np.bool_),
        frame_parent=np.zeros(0, np.int32),
        frame_levels=(),
        frame_tokens=np.zeros(0, np.int32),
        frame_kept=np.zeros(0, np.bool_),
        framing=np.zeros(count, np.bool_),
    )
    return Problem(value=value.astype(np.float32), stock=stock)


def optimum(problem: Problem, budget: int) -> float:
    """The exact answer by HiGHS: units need their frame, frames need their parent."""
    count, frames = len(problem), len(problem.stock.frame_parent)
    rows, bounds = [], []
    weights = np.r_[
        np.where(problem.stock.framing, 0, problem.stock.tokens), problem.stock.frame_tokens
    ].astype(float)
    rows.append(weights)
    bounds.append((-np.inf, float(budget)))
    for unit, frame in enumerate(problem.stock.frame):
        if frame >= 0 and not problem.stock.framing[unit]:
            row = np.zeros(count + frames)
            row[unit], row[count + frame] = 1, -1
            rows.append(row)
            bounds.append((-np.inf, 0.0))
    for frame, parent in enumerate(problem.stock.frame_parent):
        if parent >= 0:
            row = np.zeros(count + frames)
            row[count + frame], row[count + parent] = 1, -1
            rows.append(row)
            bounds.append((-np.inf, 0.0))
    low = np.r_[problem.stock.kept, problem.stock.frame_kept].astype(float)
    high = np.r_[problem.stock.free | problem.stock.kept, np.ones(frames, np.bool_)].astype(float)
    solved = milp(
        c=-np.r_[np.where(problem.stock.framing, 0, problem.value), np.zeros(frames)],
        constraints=LinearConstraint(np.array(rows), *np.array(bounds).T),
        integrality=np.ones(count + frames),
        bounds=Bounds(low, high),
    )
    return float(-solved.fun)


@given(problem=problems(), budget=st.integers(0, 200))
def test_the_budget_holds_whenever_what_must_stay_fits(problem: Problem, budget: int) -> None:
    """Units, frames and markers together never cost more than the budget."""
    selection = select(problem, budget)

    assert selection.tokens == cost(problem.stock, selection.kept)
    assert selection.tokens <= max(budget, cost(problem.stock, problem.stock.kept))
    assert not (problem.stock.kept & ~selection.kept).any()
    assert not (selection.kept & ~problem.stock.free & ~problem.stock.kept).any()


@given(problem=problems(gap=0), budget=st.integers(0, 150))
def test_no_choice_is_worth_more_than_the_exact_optimum(problem: Problem, budget: int) -> None:
    """HiGHS bounds every choice from above; greedy is feasible in the same model."""
    if cost(problem.stock, problem.stock.kept) > budget:
        return
    selection = select(problem, budget)

    assert float(problem.value[selection.kept].sum()) <= optimum(problem, budget) + 1e-5


@given(problem=problems(has_frames=False, gap=0), budget=st.integers(1, 150))
def test_without_frames_at_least_half_of_the_optimum_is_reached(
    problem: Problem, budget: int
) -> None:
    """Density greedy with the best single unit is a 1/2-approximation of the knapsack."""
    base = cost(problem.stock, problem.stock.kept)
    if base > budget:
        return
    floor = float(problem.value[problem.stock.kept].sum())
    gained = float(problem.value[select(problem, budget).kept].sum()) - floor

    assert gained >= (optimum(problem, budget) - floor) / 2 - 1e-5


def test_the_mean_gap_to_the_optimum_is_below_half_a_percent_on_a_hundred_units() -> None:
    """On problems of real size greedy is as good as exact (handbook: .25 % mean at n = 100)."""
    dice = np.random.default_rng(3)
    gaps = []
    for _ in range(20):
        problem = plain(dice.random(100) ** 3, dice.integers(5, 60, 100))
        best = optimum(problem, 600)
        gaps.append(1 - float(problem.value[select(problem, 600).kept].sum()) / best)

    assert np.mean(gaps) < 0.005


def test_a_frame_is_opened_for_a_bundle_that_no_single_unit_would_pay() -> None:
    """Units behind an expensive frame are judged together."""
    stock = Stock(
        tokens=np.array([10, 10, 10, 30], np.int32),
        frame=np.array([0, 0, 0, -1], np.int32),
        lane=np.array([0, 0, 0, 1], np.int32),
        gap_tokens=np.zeros(4, np.int32),
        free=np.ones(4, np.bool_),
        kept=np.zeros(4, np.bool_),
        frame_parent=np.array([-1], np.int32),
        frame_levels=(),
        frame_tokens=np.array([20], np.int32),
        frame_kept=np.zeros(1, np.bool_),
        framing=np.zeros(4, np.bool_),
    )
    problem = Problem(value=np.array([0.5, 0.5, 0.5, 0.4], np.float32), stock=stock)

    assert select(problem, 50).kept.tolist() == [True, True, True, False]


def test_the_best_single_unit_beats_a_dense_crumb() -> None:
    """A tiny dense unit must not keep out the one unit that is worth the whole budget."""
    problem = plain(np.array([0.02, 0.9]), np.array([1, 100]))

    assert select(problem, 100).kept.tolist() == [False, True]


@given(problem=problems(), budget=st.integers(0, 200))
def test_equal_problems_give_equal_choices(problem: Problem, budget: int) -> None:
    """Selection throws no dice."""
    assert np.array_equal(select(problem, budget).kept, select(problem, budget).kept)


@given(problem=problems())
def test_a_frames_own_text_is_shown_exactly_when_the_frame_is_open(problem: Problem) -> None:
    """No bracket without its value, no value without its bracket."""
    kept = problem.stock.free
    opened = opened_frames(problem.stock, kept)
    shown = with_framing(problem.stock, kept, opened)
    own = problem.stock.framing & (problem.stock.frame >= 0)

    assert np.array_equal(shown[own], opened[problem.stock.frame[own]])


@pytest.mark.parametrize(
    ("kept", "markers"),
    [
        ([0, 0, 0, 0, 0], 0),
        ([1, 1, 1, 1, 1], 0),
        ([1, 0, 1, 0, 1], 2),
        ([0, 1, 0, 0, 0], 2),
        ([1, 0, 0, 0, 0], 1),
    ],
)
def test_each_run_of_dropped_units_costs_one_marker(kept: list[int], markers: int) -> None:
    """A lane with nothing kept needs none."""
    unmarked = plain(np.ones(5), np.zeros(5, np.int64)).stock
    marked = replace(unmarked, gap_tokens=np.ones(5, np.int32))

    assert cost(marked, np.array(kept, np.bool_)) == markers


@given(problem=problems(gap=3), other=problems(gap=3), budgets=st.lists(st.integers(0, 200)))
def test_a_stock_keeps_nothing_of_a_question(
    problem: Problem, other: Problem, budgets: list[int]
) -> None:
    """Problems over one stock are answered as if each had its own."""
    value = np.resize(other.value, len(problem)).astype(np.float32)
    for exponent, budget in enumerate(budgets):
        shared = select(Problem(stock=problem.stock, value=value), budget, exponent=exponent / 9)
        own = Problem(stock=replace(problem.stock), value=value)

        assert np.array_equal(shared.kept, select(own, budget, exponent=exponent / 9).kept)


@given(problem=problems(gap=3), budgets=st.lists(st.integers(0, 200), max_size=4))
def test_keys_follow_the_frames_that_are_paid(problem: Problem, budgets: list[int]) -> None:
    """Keys asked for again and again are those of somebody who asks for the first time."""
    densities = Densities(problem, exponent=1.0)

    for budget in budgets:
        paid = opened_frames(problem.stock, select(problem, budget).kept)
        fresh = Densities(problem, exponent=1.0).keys(paid)
        np.testing.assert_allclose(densities.keys(paid), fresh, rtol=1e-5)
