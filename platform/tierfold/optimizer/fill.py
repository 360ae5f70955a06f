"""Adding units one at a time while they fit, markers and frames counted as they come."""

import numpy as np

from tierfold.optimizer.problem import (
    NO_FRAME,
    BoolArray,
    IntArray,
    Problem,
    cost,
    opened_frames,
    owed_above,
    with_framing,
)

_MISSES_MAX = 200  # after so many units in a row that do not fit, the rest is not worth the time


class Filling:
    """A growing choice; `tokens` is what it costs now."""

    def __init__(self, problem: Problem, kept: BoolArray, *, budget: int) -> None:
        self.kept = kept
        self.budget = budget
        self.tokens = cost(problem, kept)
        self._problem = problem
        self._opened = opened_frames(problem, kept)
        self._shown = with_framing(problem, kept, self._opened).copy()
        lanes = int(problem.lane[-1]) + 1 if len(problem) else 0
        self._lane_is_shown = np.zeros(lanes, np.bool_)
        self._lane_is_shown[problem.lane[self._shown]] = True
        # A frame's own text, in front of its units and behind them, may close gaps.
        self._has_text = np.zeros(len(self._opened), np.bool_)
        self._has_text[problem.frame[problem.framing & (problem.frame != NO_FRAME)]] = True
        self._gaps_closed_max = 3 if self._has_text.any() else 1

    def take_all(self, order: IntArray) -> list[int]:
        """Add what fits, in order; return what was added."""
        added: list[int] = []
        rest = order
        while len(rest := self._candidates(rest)):
            place = self._take_first(rest[:_MISSES_MAX])
            if place is None:
                break
            added.append(int(rest[place]))
            rest = rest[place + 1 :]
        return added

    def _take_first(self, order: IntArray) -> int | None:
        """Add the first unit that fits and return its place in the order."""
        for place, unit in enumerate(order.tolist()):
            frames = self._frames_needed(unit)
            tokens = self._tokens_with(unit, frames)
            if tokens <= self.budget:
                self.tokens = tokens
                self.kept[unit] = True
                self._show(unit, frames)
                return place
        return None

    def _candidates(self, order: IntArray) -> IntArray:
        """Return those that may fit: exactly those, where no frame has text of its own."""
        problem, room = self._problem, self.budget - self.tokens
        cheapest = problem.tokens[order] - self._gaps_closed_max * problem.gap_tokens[order]
        near = order[(cheapest <= room) & ~self.kept[order]]
        price = problem.tokens[near] + self._gap_changes(near)
        waits = self._waits_for_frame(near)
        if waits.any():
            owed = owed_above(problem, problem.frame_tokens, self._opened)
            price[waits] += owed[problem.frame[near[waits]]]
            price[waits] -= (self._gaps_closed_max - 1) * problem.gap_tokens[near[waits]]
        return near[price <= room]

    def _waits_for_frame(self, order: IntArray) -> BoolArray:
        frame = self._problem.frame[order]
        if not len(self._opened):
            return np.zeros(len(order), np.bool_)
        waits: BoolArray = (frame != NO_FRAME) & ~self._opened[frame]
        return waits

    def _gap_changes(self, units: IntArray) -> IntArray:
        """Return the marker tokens that showing each unit adds or, between two shown, saves."""
        lane, last = self._problem.lane, len(self._problem) - 1
        own, left, right = lane[units], np.maximum(units - 1, 0), np.minimum(units + 1, last)
        left_gap = (left != units) & (lane[left] == own) & ~self._shown[left]
        right_gap = (right != units) & (lane[right] == own) & ~self._shown[right]
        change = left_gap.astype(np.int32) + right_gap - self._lane_is_shown[own]
        changes: IntArray = change * self._problem.gap_tokens[units]
        return changes

    def _tokens_with(self, unit: int, frames: list[int]) -> int:
        problem = self._problem
        if not self._has_text[frames].any():
            units = np.array([unit])
            price = problem.tokens[units] + self._gap_changes(units)
            return self.tokens + int(price[0]) + int(problem.frame_tokens[frames].sum())
        self.kept[unit] = True
        tokens = cost(problem, self.kept)
        self.kept[unit] = False
        return tokens

    def _frames_needed(self, unit: int) -> list[int]:
        needed = []
        frame = int(self._problem.frame[unit])
        while frame != NO_FRAME and not self._opened[frame]:
            needed.append(frame)
            frame = int(self._problem.frame_parent[frame])
        return needed

    def _show(self, unit: int, frames: list[int]) -> None:
        self._shown[unit] = True
        self._lane_is_shown[self._problem.lane[unit]] = True
        if frames:
            self._opened[frames] = True
            own = self._problem.framing & np.isin(self._problem.frame, frames)
            self._shown[own] = True
            self._lane_is_shown[self._problem.lane[own]] = True
