"""Density greedy with a best-single guard and a fill, over units that may need frames.

Source: density greedy with best single is a 1/2-approximation of the knapsack. Measured against
HiGHS its mean gap is far below 1 %, single problems with frames may miss a few per cent
(`python -m benchmarks.selection`).
"""

from dataclasses import dataclass

import numpy as np

from tierfold.optimizer.density import densities, in_order
from tierfold.optimizer.fill import Filling
from tierfold.optimizer.problem import (
    NO_FRAME,
    BoolArray,
    FloatArray,
    IntArray,
    Problem,
    cost,
    opened_frames,
    owed_above,
)

_FILL_FROM = 1024  # units behind the prefix: what fits farther down is worth next to nothing
_PASSES = 2  # the second pass knows which frames the first one opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to keep, and in which order units would leave or join."""

    kept: BoolArray  # (n,) chosen or kept anyway; framing not set
    tokens: int  # by the problem's own arithmetic
    order: IntArray  # free units, the one to take first in front


def select(problem: Problem, budget: int, *, exponent: float = 1.0) -> Selection:
    """Return the units to keep within `budget` tokens; pinned ones are kept even beyond it."""
    base = problem.kept.copy()
    paid = opened_frames(problem, base)
    best = _greedy(problem, budget, densities(problem, exponent=exponent, paid=paid))
    if len(problem.frame_parent):
        for _ in range(_PASSES - 1):
            paid = opened_frames(problem, best.kept)
            key = densities(problem, exponent=exponent, paid=paid)
            best = _better(problem, best, _greedy(problem, budget, key))
    return _better(problem, best, _best_single(problem, budget, best))


def _value(problem: Problem, selection: Selection) -> float:
    return float(problem.value[selection.kept].sum())


def _better(problem: Problem, first: Selection, second: Selection) -> Selection:
    return second if _value(problem, second) > _value(problem, first) else first


def _greedy(problem: Problem, budget: int, key: FloatArray) -> Selection:
    free = np.flatnonzero(problem.free & ~problem.kept)
    order = in_order(key, free)
    taken = _longest_prefix(problem, order, budget)
    filling = Filling(problem, _with_first(problem, order, taken), budget=budget)
    filling.take_all(order[taken : taken + _FILL_FROM])
    return Selection(kept=filling.kept, tokens=filling.tokens, order=order)


def _longest_prefix(problem: Problem, order: IntArray, budget: int) -> int:
    """Return how many units of the order fit together, by bisection between safe bounds."""
    room = budget - cost(problem, problem.kept)
    tokens = problem.tokens[order]
    low = int(np.searchsorted(np.cumsum(_dearest(problem, order, tokens)), room, side="right"))
    cheapest = np.cumsum(tokens) - problem.gap_tokens[order]  # a unit may close a gap
    high = int(np.searchsorted(np.maximum.accumulate(cheapest), room, side="right"))
    while low < high:
        middle = (low + high + 1) // 2
        if cost(problem, _with_first(problem, order, middle)) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def _dearest(problem: Problem, order: IntArray, tokens: IntArray) -> IntArray:
    """Return the most each unit can cost: two markers, and every frame around it unpaid."""
    price: IntArray = tokens + 2 * problem.gap_tokens[order]
    if not len(problem.frame_parent):
        return price
    # A frame's own text, in front of its units and behind them, may open gaps of its own.
    tokens_and_gaps = problem.frame_tokens + 4 * int(problem.gap_tokens.max(initial=0))
    owed = owed_above(problem, tokens_and_gaps, problem.frame_kept)
    frame = problem.frame[order]
    return price + np.where(frame == NO_FRAME, 0, owed[frame])


def _with_first(problem: Problem, order: IntArray, count: int) -> BoolArray:
    kept = problem.kept.copy()
    kept[order[:count]] = True
    return kept


def _best_single(problem: Problem, budget: int, greedy: Selection) -> Selection:
    """Return the most valuable unit that fits alone, when greedy missed one worth more."""
    worth = np.where(problem.free & ~problem.kept, problem.value, 0)
    rivals = np.flatnonzero(
        worth > _value(problem, greedy) - float(problem.value[problem.kept].sum())
    )
    for unit in rivals[np.argsort(-worth[rivals], kind="stable")][:64]:
        kept = problem.kept.copy()
        kept[unit] = True
        if cost(problem, kept) <= budget:
            filling = Filling(problem, kept, budget=budget)
            filling.take_all(greedy.order)
            return Selection(kept=filling.kept, tokens=filling.tokens, order=greedy.order)
    return greedy
