"""How far the knapsack is from the exact optimum, and what a selection takes.

`python -m benchmarks.selection [--quick]`; `--data` changes nothing, the instances are drawn. Gaps
are those to HiGHS, on plain units and on units of which two thirds lie in nested frames; markers
cost nothing in both, since HiGHS' model has none.
"""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from benchmarks.meter import finish, parse, parser, say, table
from benchmarks.pictures import draw
from tierfold.optimizer import Problem, Stock, frame_levels, select

INSTANCES = 20
ROUNDS, ROUNDS_QUICK = 15, 5
_GAP_SIZES = (100, 1_000)
_BUDGET_SHARE = 0.15
_UNITS_PER_FRAME = 10
_HIGHS_S = 20.0  # for one instance; its own bound is used where that is not enough
_RARITY = 3  # probabilities are the cube of a uniform draw: few units matter


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    figures = _gaps(instances=INSTANCES)
    rounds = ROUNDS_QUICK if options.quick else ROUNDS
    dice = np.random.default_rng(5)
    cases = {
        "select_4400_ms": problem(dice, units=4_400, frames=0, gap_tokens=1),
        "select_40000_frames_ms": problem(dice, units=40_000, frames=3_000, gap_tokens=1),
    }
    figures |= _times(cases, rounds)
    finish(figures)


def problem(dice: np.random.Generator, *, units: int, frames: int, gap_tokens: int) -> Problem:
    """Return an instance: rare value, sentences of 5 to 60 tokens, frames side by side or nested.

    Units of a frame stand together, as they do in a text; a third of all units have none.
    """
    parent = np.array([dice.integers(-1, index) for index in range(frames)], np.int32)
    parent[::2] = -1  # a text nests a few levels deep
    frame = np.sort(dice.integers(-max(frames, 1) // 2, max(frames, 1), units))
    frame = np.where(frame < 0, -1, frame) if frames else np.full(units, -1)
    value = (dice.random(units) ** _RARITY).astype(np.float32)
    stock = Stock(
        tokens=dice.integers(5, 60, units).astype(np.int32),
        frame=frame.astype(np.int32),
        lane=np.zeros(units, np.int32),
        gap_tokens=np.full(units, gap_tokens, np.int32),
        free=np.ones(units, np.bool_),
        kept=np.zeros(units, np.bool_),
        frame_parent=parent,
        frame_levels=frame_levels(parent),
        frame_tokens=dice.integers(2, 20, frames).astype(np.int32),
        frame_kept=np.zeros(frames, np.bool_),
        framing=np.zeros(units, np.bool_),
    )
    return Problem(value=value, stock=stock)


def optimum(drawn: Problem, budget: int) -> float:
    """Return HiGHS' upper bound of the value: a unit needs its frame, a frame its parent."""
    count, frames = len(drawn), len(drawn.stock.frame_parent)
    inside = np.flatnonzero(drawn.stock.frame >= 0)
    nested = np.flatnonzero(drawn.stock.frame_parent >= 0)
    needy = np.concatenate([inside, count + nested])
    needed = np.concatenate(
        [count + drawn.stock.frame[inside], count + drawn.stock.frame_parent[nested]]
    )
    rows = np.arange(1, len(needy) + 1)
    weight = np.concatenate([drawn.stock.tokens, drawn.stock.frame_tokens]).astype(float)
    variables = np.arange(count + frames)
    matrix = coo_array(
        (
            np.concatenate([weight, np.ones(len(needy)), -np.ones(len(needy))]),
            (
                np.concatenate([np.zeros(count + frames, int), rows, rows]),
                np.concatenate([variables, needy, needed]),
            ),
        ),
        shape=(len(needy) + 1, count + frames),
    )
    upper = np.concatenate([[float(budget)], np.zeros(len(needy))])
    solved = milp(
        c=-np.concatenate([drawn.value.astype(float), np.zeros(frames)]),
        constraints=LinearConstraint(matrix.tocsr(), -np.inf, upper),
        integrality=np.ones(count + frames),
        bounds=Bounds(0, 1),
        options={"time_limit": _HIGHS_S},
    )
    return float(-solved.mip_dual_bound)


def gap(drawn: Problem, budget: int) -> float:
    """Return the share of the optimal value that the choice misses."""
    reached = float(drawn.value[select(drawn, budget).kept].astype(float).sum())
    return 1 - reached / optimum(drawn, budget)


def _gaps(*, instances: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    rows: list[list[object]] = []
    for units in _GAP_SIZES:
        for frames in (0, units // _UNITS_PER_FRAME):
            dice = np.random.default_rng(3)
            gaps = []
            for _ in range(instances):
                drawn = problem(dice, units=units, frames=frames, gap_tokens=0)
                gaps.append(gap(drawn, int(_BUDGET_SHARE * drawn.stock.tokens.sum())))
            name = f"gap_{units}{'_frames' if frames else ''}"
            figures |= {f"{name}_mean": float(np.mean(gaps)), f"{name}_max": max(gaps)}
            rows.append([units, frames, 100 * float(np.mean(gaps)), 100 * max(gaps)])
    say(f"gap to HiGHS, % of the value, {instances} instances at {_BUDGET_SHARE:.0%} of the tokens")
    table(["units", "frames", "mean", "max"], rows)
    return figures


def _times(cases: Mapping[str, Problem], rounds: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    sizes: list[float] = []
    rows: list[list[object]] = []
    for name, drawn in cases.items():
        budget = int(_BUDGET_SHARE * drawn.stock.tokens.sum())
        took = [_cpu_ms(drawn, budget) for _ in range(rounds + 1)][1:]  # the first one warms
        figures[name] = float(np.median(took))
        sizes.append(float(len(drawn)))
        rows.append(
            [len(drawn), len(drawn.stock.frame_parent), figures[name], min(took), max(took)]
        )
    say(f"select(), CPU ms of {rounds} rounds")
    table(["units", "frames", "median", "min", "max"], rows)
    draw(
        "selection",
        {"select()": (sizes, list(figures.values()))},
        x_label="units",
        y_label="CPU ms",
        is_log=True,
    )
    return figures


def _cpu_ms(drawn: Problem, budget: int) -> float:
    began = time.process_time()
    select(drawn, budget)
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    main()
