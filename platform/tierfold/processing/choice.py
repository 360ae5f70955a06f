"""The choice of units for a budget, exact to the token.

The knapsack works with the sum of the units' own counts; tokens merge across borders, so its
answer is counted once as text, the least dense units leave while it is over, and what fits into
the tokens that merging saved joins.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tierfold.optimizer import (
    Filling,
    Problem,
    Selection,
    cost,
    opened_frames,
    select,
    with_framing,
)
from tierfold.processing.assembly import Assembler, Shown
from tierfold.text import BoolArray, FloatArray, Intake

_REFILLS_MAX = 8  # each counts the answer again; mostly two are enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to show, and its exact tokens."""

    shown: Shown
    tokens: int


class Chooser:
    """Chooses under budgets over one intake."""

    def __init__(self, intake: Intake, assembler: Assembler) -> None:
        self._intake = intake
        self._assembler = assembler
        self._layout = assembler.layout
        self._gap_tokens = self._layout.gap_tokens(assembler.marking.tokens)

    @cached_property
    def pinned(self) -> Choice:
        """The smallest answer there is: what must stay and nothing else."""
        problem = self._problem(np.zeros(len(self._intake.units), np.float32))
        return self._counted(problem, problem.kept)

    def everything(self) -> Choice:
        """Return the choice that leaves nothing out."""
        shown = Shown(
            units=np.ones(len(self._intake.units), np.bool_),
            frames=np.ones(len(self._intake.units.frames), np.bool_),
        )
        return Choice(shown=shown, tokens=self._intake.tokens)

    def choose(self, value: FloatArray, budget: int, *, exponent: float) -> Choice:
        """Return the most valuable choice within the budget, which the pinned units must fit."""
        problem, selection = self.select(value, budget, exponent=exponent)
        choice = self._shrink(problem, selection, budget)
        return self._refill(problem, selection, choice, budget)

    def select(
        self, value: FloatArray, budget: int, *, exponent: float
    ) -> tuple[Problem, Selection]:
        """Return the knapsack and its answer, not yet counted as text."""
        problem = self._problem(value)
        overhead = self.pinned.tokens - cost(problem, problem.kept)
        return problem, select(problem, budget - overhead, exponent=exponent)

    def _problem(self, value: FloatArray) -> Problem:
        units = self._intake.units
        return Problem(
            value=np.maximum(value, 0) * self._intake.weight,
            tokens=units.tokens,
            frame=units.frame,
            lane=self._layout.lanes.of_unit,
            gap_tokens=self._gap_tokens,
            free=~units.framing & ~units.pinned,
            kept=units.pinned & ~units.framing,
            frame_parent=units.frames.parent,
            frame_levels=self._layout.frame_levels,
            frame_tokens=units.frames.tokens,
            frame_kept=self._layout.frame_kept,
            framing=units.framing,
        )

    def _counted(self, problem: Problem, kept: BoolArray) -> Choice:
        frames = opened_frames(problem, kept)
        shown = Shown(units=with_framing(problem, kept, frames), frames=frames)
        return Choice(shown=shown, tokens=self._assembler.count(shown))

    def _shrink(self, problem: Problem, selection: Selection, budget: int) -> Choice:
        kept = selection.kept.copy()
        choice = self._counted(problem, kept)
        leaving = selection.order[selection.kept[selection.order]][::-1].tolist()
        while choice.tokens > budget and leaving:
            over, gone = choice.tokens - budget, 0
            while leaving and gone < over:
                unit = leaving.pop(0)
                kept[unit] = False
                gone += int(problem.tokens[unit])
            choice = self._counted(problem, kept)
        return choice

    def _refill(
        self, problem: Problem, selection: Selection, choice: Choice, budget: int
    ) -> Choice:
        """Add what fits into the tokens left; what proves too long as text is passed by."""
        order = selection.order
        for _ in range(_REFILLS_MAX):
            kept = choice.shown.units & ~problem.framing
            slack = budget - choice.tokens
            filling = Filling(problem, kept.copy(), budget=cost(problem, kept) + slack)
            added = filling.take_all(order)
            if not added:
                break
            fuller, too_long = self._counted(problem, filling.kept), []
            while fuller.tokens > budget:
                too_long.append(added.pop())
                filling.kept[too_long[-1]] = False
                fuller = self._counted(problem, filling.kept)
            choice = fuller
            order = order[~np.isin(order, too_long)]
        return choice
