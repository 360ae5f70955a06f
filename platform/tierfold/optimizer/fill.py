"""Adding units one at a time while they fit, markers and frames counted as they come."""

import numpy as np

from tierfold.optimizer.problem import (
    NO_FRAME,
    BoolArray,
    IntArray,
    Stock,
    cost,
    cost_shown,
    opened_frames,
    owed_above,
    with_framing,
)

_NOTHING = np.zeros(1, np.int32)
_MISSES_MAX = 200  # after so many units in a row that do not fit, the rest is not worth the time


class Filling:
    """A growing choice; `tokens` is what it costs now."""

    def __init__(self, stock: Stock, kept: BoolArray) -> None:
        self.kept = kept
        self._stock = stock
        self._opened = opened_frames(stock, kept)
        self._owed = _owed_by_frames(stock, self._opened)
        self._shown = with_framing(stock, kept, self._opened).copy()
        self._lane_is_shown = np.zeros(stock.lane_count, np.bool_)
        self._lane_is_shown[stock.lane[self._shown]] = True
        self.tokens = cost_shown(stock, self._shown, self._opened)

    def take_all(self, order: IntArray, *, budget: int) -> list[int]:
        """Add what fits within the budget, in order; return what was added."""
        added: list[int] = []
        units, prices = self._candidates(order, budget - self.tokens)
        while len(units):
            place = self._take_first(units[:_MISSES_MAX].tolist(), prices, budget)
            if place is None:
                break
            added.append(int(units[place]))
            units, prices = self._candidates(units[place + 1 :], budget - self.tokens)
        return added

    def _take_first(self, units: list[int], prices: IntArray, budget: int) -> int | None:
        """Add the first unit that fits and return its place."""
        for place, unit in enumerate(units):
            frames = self._frames_needed(unit)
            tokens = self._tokens_with(unit, frames, int(prices[place]))
            if tokens <= budget:
                self.tokens = tokens
                self.kept[unit] = True
                self._show(unit, frames)
                return place
        return None

    def _candidates(self, order: IntArray, room: int) -> tuple[IntArray, IntArray]:
        """Return those that may fit, and what each adds if no frame it needs has text of its own.

        Where no frame has any, all of them fit.
        """
        stock = self._stock
        near = order[stock.cheapest.take(order) <= room]
        near = near[~self.kept.take(near)]
        if len(self._opened):
            owed = self._owed.take(stock.frame.take(near))
            near = near[stock.cheapest.take(near) + owed <= room]
        if not len(near):
            return near, near
        price = stock.tokens.take(near) + self._gap_changes(near)
        least = price
        if len(self._opened):
            price += self._owed.take(stock.frame.take(near))
            least = price - self._closed_by_frames(near)
        is_near = least <= room
        return near[is_near], price[is_near]

    def _closed_by_frames(self, units: IntArray) -> IntArray | int:
        """Return the most marker tokens that the own text of a unit's frames can save."""
        if self._stock.gaps_closed_max == 1:
            return 0
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
            self._owed = _owed_by_frames(stock, self._opened)
            units, of_frame = stock.own_text
            own = units[np.isin(of_frame, frames)]
            self._shown[own] = True
            self._lane_is_shown[stock.lane[own]] = True


def _owed_by_frames(stock: Stock, opened: BoolArray) -> IntArray:
    """Return what each frame and those around it still cost, (f + 1,); the last is NO_FRAME's."""
    return np.concatenate((owed_above(stock, opened), _NOTHING)) if len(opened) else _NOTHING
