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
        units, prices = self._candidates(order)
        while len(units):
            place = self._take_first(units[:_MISSES_MAX].tolist(), prices)
            if place is None:
                break
            added.append(int(units[place]))
            units, prices = self._candidates(units[place + 1 :])
        return added

    def _take_first(self, units: list[int], prices: IntArray) -> int | None:
        """Add the first unit that fits and return its place."""
        for place, unit in enumerate(units):
            frames = self._frames_needed(unit)
            tokens = self._tokens_with(unit, frames, int(prices[place]))
            if tokens <= self.budget:
                self.tokens = tokens
                self.kept[unit] = True
                self._show(unit, frames)
                return place
        return None

    def _candidates(self, order: IntArray) -> tuple[IntArray, IntArray]:
        """Return those that may fit, and what each adds if no frame it needs has text of its own.

        Where no frame has any, all of them fit.
        """
        stock, room = self._stock, self.budget - self.tokens
        near = order[stock.cheapest.take(order) <= room]
        near = near[~self.kept[near]]
        if not len(self._opened):
            price = stock.tokens[near] + self._gap_changes(near)
            is_near = price <= room
            return near[is_near], price[is_near]
        owed = np.append(owed_above(stock, self._opened), 0)  # the last one is for NO_FRAME
        near = near[stock.cheapest[near] + owed[stock.frame[near]] <= room]
        price = stock.tokens[near] + self._gap_changes(near) + owed[stock.frame[near]]
        is_near = price - self._closed_by_frames(near) <= room
        return near[is_near], price[is_near]

    def _closed_by_frames(self, units: IntArray) -> IntArray:
        """Return the most marker tokens that the own text of a unit's frames can save."""
        closed = (self._stock.gaps_closed_max - 1) * self._stock.gap_tokens[units]
        saved: IntArray = np.where(self._waits_for_frame(units), closed, 0)
        return saved

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

    def _tokens_with(self, unit: int, frames: list[int], price: int) -> int:
        """Return what the choice costs with one more unit."""
        if not frames or not self._stock.frame_has_text[frames].any():
            return self.tokens + price
        self.kept[unit] = True
        tokens = cost(self._stock, self.kept)
        self.kept[unit] = False
        return tokens

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
