"""Adding units one at a time while they fit, markers and frames counted as they come."""

import numpy as np

from tierfold.optimizer.problem import (
    NO_FRAME,
    BoolArray,
    IntArray,
    Problem,
    cost,
    opened_frames,
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
        self._shown = with_framing(problem, kept, self._opened)
        self._gap_tokens_max = int(problem.gap_tokens.max(initial=0))
        self._lane_is_shown = set(problem.lane[self._shown].tolist())

    def take_all(self, order: IntArray) -> list[int]:
        """Add what fits, in order; return what was added."""
        added: list[int] = []
        rest = order
        while len(rest := self._candidates(rest)):
            taken = self._take_first(rest[:_MISSES_MAX])
            if taken is None:
                break
            added.append(int(rest[taken]))
            rest = rest[taken + 1 :]
        return added

    def _take_first(self, order: IntArray) -> int | None:
        """Add the first unit that fits and return its place in the order."""
        for place, unit in enumerate(order.tolist()):
            if self.take(unit):
                return place
        return None

    def take(self, unit: int) -> bool:
        """Add the unit if it fits; return whether it did."""
        frames = self._frames_needed(unit)
        tokens = self._with_frames(unit, frames) if frames else self._alone(unit)
        if tokens > self.budget:
            return False
        self.tokens = tokens
        self.kept[unit] = True
        self._show(unit, frames)
        return True

    def _alone(self, unit: int) -> int:
        return self.tokens + int(self._problem.tokens[unit]) + self._gap_change(unit)

    def _with_frames(self, unit: int, frames: list[int]) -> int:
        """Return the cost with the unit; its frames' own text may close gaps anywhere."""
        problem = self._problem
        opening = int(problem.tokens[unit]) + int(problem.frame_tokens[frames].sum())
        if self.tokens + opening - self._gap_tokens_max * (len(frames) + 1) > self.budget:
            return self.budget + 1
        self.kept[unit] = True
        tokens = cost(problem, self.kept)
        self.kept[unit] = False
        return tokens

    def _candidates(self, order: IntArray) -> IntArray:
        """Return those that fit if they save a marker and their frames are open."""
        room = self.budget - self.tokens
        price = self._problem.tokens[order] - self._problem.gap_tokens[order]
        return order[(price <= room) & ~self.kept[order]]

    def _frames_needed(self, unit: int) -> list[int]:
        needed = []
        frame = int(self._problem.frame[unit])
        while frame != NO_FRAME and not self._opened[frame]:
            needed.append(frame)
            frame = int(self._problem.frame_parent[frame])
        return needed

    def _gap_change(self, unit: int) -> int:
        """Return the marker tokens that showing the unit adds (or, between two shown, saves)."""
        lane = self._problem.lane
        left_lane = unit > 0 and lane[unit - 1] == lane[unit]
        right_lane = unit + 1 < len(lane) and lane[unit + 1] == lane[unit]
        left_gap = left_lane and not self._shown[unit - 1]
        right_gap = right_lane and not self._shown[unit + 1]
        change = int(left_gap) + int(right_gap)
        if int(lane[unit]) in self._lane_is_shown:
            change -= 1
        return change * int(self._problem.gap_tokens[unit])

    def _show(self, unit: int, frames: list[int]) -> None:
        self._shown[unit] = True
        self._lane_is_shown.add(int(self._problem.lane[unit]))
        if not frames:
            return
        self._opened[frames] = True
        own = self._problem.framing & np.isin(self._problem.frame, frames)
        self._shown[own] = True
        self._lane_is_shown.update(self._problem.lane[own].tolist())
