"""The choice of units for a budget, exact to the token.

The knapsack works with the sum of the units' own counts; tokens merge across borders, so its
answer is counted once as text, the least dense units leave while it is over, and what fits into
the tokens that merging saved joins.
"""

from dataclasses import dataclass

import numpy as np

from tierfold.optimizer import (
    Filling,
    Problem,
    Selection,
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
        self._stock = assembler.layout.stock(assembler.marking.tokens)

    @property
    def pinned_tokens(self) -> int:
        """The smallest answer there is: what must stay and nothing else; the same every time."""
        known, markers = self._assembler.layout.pinned_tokens, self._assembler.markers
        if markers not in known:
            known[markers] = self._counted(self._stock.kept).tokens
        return known[markers]

    def everything(self) -> Choice:
        """Return the choice that leaves nothing out."""
        shown = Shown(
            units=np.ones(len(self._intake.units), np.bool_),
            frames=np.ones(len(self._intake.units.frames), np.bool_),
        )
        return Choice(shown=shown, tokens=self._intake.tokens)

    def choose(self, value: FloatArray, budget: int, *, exponent: float) -> Choice:
        """Return the most valuable choice within the budget, which the pinned units must fit."""
        selection = self.select(value, budget, exponent=exponent)
        return self._refill(selection, self._shrink(selection, budget), budget)

    def select(self, value: FloatArray, budget: int, *, exponent: float) -> Selection:
        """Return the knapsack's answer, not yet counted as text."""
        problem = self._problem(value)
        overhead = self.pinned_tokens - self._stock.tokens_at_first
        return select(problem, budget - overhead, exponent=exponent)

    def _problem(self, value: FloatArray) -> Problem:
        return Problem(stock=self._stock, value=np.maximum(value, 0) * self._intake.weight)

    def _counted(self, kept: BoolArray) -> Choice:
        frames = opened_frames(self._stock, kept)
        shown = Shown(units=with_framing(self._stock, kept.copy(), frames), frames=frames)
        return Choice(shown=shown, tokens=self._assembler.count(shown))

    def _shrink(self, selection: Selection, budget: int) -> Choice:
        kept = selection.kept.copy()
        choice = self._counted(kept)
        leaving = selection.order[selection.kept[selection.order]][::-1].tolist()
        while choice.tokens > budget and leaving:
            over, gone = choice.tokens - budget, 0
            while leaving and gone < over:
                unit = leaving.pop(0)
                kept[unit] = False
                gone += int(self._stock.tokens[unit])
            choice = self._counted(kept)
        return choice

    def _refill(self, selection: Selection, choice: Choice, budget: int) -> Choice:
        """Add what fits into the tokens left; what proves too long as text is passed by."""
        order, filling = selection.order, self._filling(choice)
        for _ in range(_REFILLS_MAX):
            added = filling.take_all(order, budget=filling.tokens + budget - choice.tokens)
            if not added:
                break
            fuller, too_long = self._counted(filling.kept), []
            while fuller.tokens > budget:
                too_long.append(added.pop())
                filling.kept[too_long[-1]] = False
                fuller = self._counted(filling.kept)
            choice = fuller
            if too_long:
                order, filling = order[~np.isin(order, too_long)], self._filling(choice)
        return choice

    def _filling(self, choice: Choice) -> Filling:
        return Filling(self._stock, choice.shown.units & ~self._stock.framing)
