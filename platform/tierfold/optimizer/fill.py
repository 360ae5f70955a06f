"""Adding units one at a time while they fit, markers and frames counted as they come."""

import numpy as np

from tierfold.optimizer.problem import (
    NO_FRAME,
    BoolArray,
    IntArray,
    Stock,
    cost,
    opened_frames,
    owed_above,
    with_framing,
)

_MISSES_MAX = 200  # after so many units in a row that do not fit, the rest is not worth the time


class Filling:
    """A growing choice; `tokens` is what it costs now."""

    def __init__(self, stock: Stock, kept: BoolArray, *, budget: int) -> None:
        self.kept = kept
        self.budget = budget
        self.tokens = cost(stock, kept)
        self._stock = stock
        self._opened = opened_frames(stock, kept)
        self._shown = with_framing(stock, kept, self._opened).copy()
        self._lane_is_shown = np.zeros(stock.lane_count, np.bool_)
        self._lane_is_shown[stock.lane[self._shown]] = True

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
        stock, room = self._stock, self.budget - self.tokens
        near = order[stock.cheapest[order] <= room]
        near = near[~self.kept[near]]
        if not len(near):
            return near
        if not len(self._opened):
            return near[stock.tokens[near] + self._gap_changes(near) <= room]
        owed = np.append(owed_above(stock, self._opened), 0)  # the last one is for NO_FRAME
        near = near[stock.cheapest[near] + owed[stock.frame[near]] <= room]
        price = stock.tokens[near] + self._gap_changes(near) + owed[stock.frame[near]]
        if stock.gaps_closed_max > 1:
            closed_by_frame = (stock.gaps_closed_max - 1) * stock.gap_tokens[near]
            price -= np.where(self._waits_for_frame(near), closed_by_frame, 0)
        fitting: IntArray = near[price <= room]
        return fitting

    def _waits_for_frame(self, units: IntArray) -> BoolArray:
        frame = self._stock.frame[units]
        waits: BoolArray = (frame != NO_FRAME) & ~self._opened[frame]
        return waits

    def _gap_changes(self, units: IntArray) -> IntArray:
        """Return the marker tokens that showing each unit adds or, between two shown, saves."""
        stock, last = self._stock, len(self._stock) - 1
        has_before, has_behind = stock.neighbours
        left_gap = has_before[units] & ~self._shown[units - 1]
        right_gap = has_behind[units] & ~self._shown[np.minimum(units + 1, last)]
        change = left_gap.astype(np.int32) + right_gap - self._lane_is_shown[stock.lane[units]]
        changes: IntArray = change * stock.gap_tokens[units]
        return changes

    def _tokens_with(self, unit: int, frames: list[int]) -> int:
        stock = self._stock
        if frames and stock.frame_has_text[frames].any():
            self.kept[unit] = True
            tokens = cost(stock, self.kept)
            self.kept[unit] = False
            return tokens
        price = int(stock.tokens[unit]) + int(self._gap_changes(np.array([unit]))[0])
        return self.tokens + price + sum(int(stock.frame_tokens[frame]) for frame in frames)

    def _frames_needed(self, unit: int) -> list[int]:
        needed = []
        frame = int(self._stock.frame[unit])
        while frame != NO_FRAME and not self._opened[frame]:
            needed.append(frame)
            frame = int(self._stock.frame_parent[frame])
        return needed

    def _show(self, unit: int, frames: list[int]) -> None:
        stock = self._stock
        self._shown[unit] = True
        self._lane_is_shown[stock.lane[unit]] = True
        if frames:
            self._opened[frames] = True
            units, of_frame = stock.own_text
            own = units[np.isin(of_frame, frames)]
            self._shown[own] = True
            self._lane_is_shown[stock.lane[own]] = True
