"""The knapsack over units and frames, and what a choice costs."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

NO_FRAME = -1
_TRUE = np.ones(1, np.bool_)
_EXPONENTS_MAX = 8  # more than there are stages


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What there is to choose from: n units in output order, f frames, parents before children.

    A unit costs its tokens; with the first unit of a frame the frame's tokens are paid, and those
    of every frame around it. Within a lane each run of dropped units between kept ones costs a
    marker. A lane with nothing kept costs nothing.

    Many problems share one stock, so what follows from it alone is kept once it is asked for.
    """

    tokens: IntArray  # (n,) positive where free
    frame: IntArray  # (n,) innermost frame, or NO_FRAME
    lane: IntArray  # (n,) not decreasing; units of a lane stand side by side in the output
    gap_tokens: IntArray  # (n,) cost of a marker beside the unit
    free: BoolArray  # (n,) may be chosen
    kept: BoolArray  # (n,) is there whatever is chosen
    frame_parent: IntArray  # (f,)
    frame_levels: tuple[IntArray, ...]  # see `frame_levels`
    frame_tokens: IntArray  # (f,)
    frame_kept: BoolArray  # (f,) paid whatever is chosen
    framing: BoolArray  # (n,) a piece of its frame's own text
    _sizes: dict[float, FloatArray] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.tokens)

    @cached_property
    def choosable(self) -> IntArray:
        """The units a choice is made among, in order."""
        return np.flatnonzero(self.free & ~self.kept)

    @cached_property
    def needing_frame(self) -> IntArray:
        """The free units that stand in a frame, in order."""
        return np.flatnonzero(self.free & (self.frame != NO_FRAME))

    @cached_property
    def own_text(self) -> tuple[IntArray, IntArray]:
        """The units that are their frames' own text, and the frames they are of."""
        units = np.flatnonzero(self.framing & (self.frame != NO_FRAME))
        return units, self.frame[units]

    @cached_property
    def frame_has_text(self) -> BoolArray:
        """(f,) Whether a frame has text of its own, which may close gaps or open them."""
        has_text = np.zeros(len(self.frame_parent), np.bool_)
        has_text[self.own_text[1]] = True
        return has_text

    @cached_property
    def gaps_closed_max(self) -> int:
        """The most markers that showing one unit can save: its own, and those of its frame."""
        return 3 if self.frame_has_text.any() else 1

    @cached_property
    def frame_opened(self) -> IntArray:
        """(n,) The frame that choosing a unit opens, or NO_FRAME."""
        return np.where(self.framing, NO_FRAME, self.frame)

    @cached_property
    def lane_count(self) -> int:
        """The number of lanes."""
        return int(self.lane[-1]) + 1 if len(self) else 0

    @cached_property
    def neighbours(self) -> tuple[BoolArray, BoolArray]:
        """(n,) each: whether a unit of the same lane stands in front, and behind."""
        has_before = np.zeros(len(self), np.bool_)
        has_before[1:] = self.lane[1:] == self.lane[:-1]
        has_behind = np.zeros(len(self), np.bool_)
        has_behind[:-1] = has_before[1:]
        return has_before, has_behind

    @cached_property
    def frames_at_first(self) -> BoolArray:
        """(f,) The frames that are open before anything is chosen."""
        return opened_frames(self, self.kept)

    @cached_property
    def tokens_at_first(self) -> int:
        """What is there whatever is chosen costs, markers included."""
        return cost(self, self.kept)

    @cached_property
    def gaps_at_first(self) -> int:
        """The tokens of the markers beside what is there whatever is chosen."""
        shown = with_framing(self, self.kept, self.frames_at_first)
        return gap_cost(self, np.flatnonzero(shown), shown)

    @cached_property
    def gap_tokens_max(self) -> int:
        """The dearest marker."""
        return int(self.gap_tokens.max(initial=0))

    @cached_property
    def cheapest(self) -> IntArray:
        """(n,) The least that showing a unit can add, its frames being open."""
        return self.tokens - self.gaps_closed_max * self.gap_tokens

    @cached_property
    def dearest(self) -> IntArray:
        """(n,) The most a unit can cost: two markers, and every frame around it unpaid."""
        price = self.tokens + 2 * self.gap_tokens
        if not len(self.frame_parent):
            return price
        # A frame's own text, in front of its units and behind them, may open gaps of its own.
        tokens = self.frame_tokens + 4 * self.gap_tokens_max
        owed = owed_above(self, self.frame_kept, tokens)
        return price + np.where(self.frame == NO_FRAME, 0, owed[self.frame])

    def size(self, exponent: float) -> FloatArray:
        """Return tokens**exponent, (n,): what a unit's value is divided by."""
        size = self._sizes.get(exponent)
        if size is None:
            size = np.maximum(self.tokens, 1).astype(np.float64) ** exponent
            if len(self._sizes) < _EXPONENTS_MAX:
                self._sizes[exponent] = size
        return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What keeping each unit of a stock is worth to one question."""

    stock: Stock
    value: FloatArray  # (n,) never negative

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.value)


def frame_levels(parent: IntArray) -> tuple[IntArray, ...]:
    """Return the frames that stand in others, by depth, the outermost first."""
    levels = []
    level = np.flatnonzero(parent == NO_FRAME)
    depth = np.zeros(len(parent), np.int32)
    if len(level) < len(parent):
        for frame, above in enumerate(parent.tolist()):  # parents stand before their children
            if above != NO_FRAME:
                depth[frame] = depth[above] + 1
        by_depth = np.argsort(depth, kind="stable")
        levels = np.split(by_depth, np.flatnonzero(np.diff(depth[by_depth])) + 1)[1:]
    return tuple(levels)


def opened_frames(stock: Stock, kept: BoolArray) -> BoolArray:
    """Return the (f,) frames that the kept units and the pinned frames need."""
    if not len(stock.frame_kept):
        return stock.frame_kept
    opened = stock.frame_kept.copy()
    chosen = stock.frame_opened[kept]
    opened[chosen[chosen != NO_FRAME]] = True
    for level in reversed(stock.frame_levels):
        opened[stock.frame_parent[level[opened[level]]]] = True
    return opened


def owed_above(stock: Stock, paid: BoolArray, tokens: IntArray | None = None) -> IntArray:
    """Return the (f,) sum of a frame's tokens and those of the frames around it, unpaid ones."""
    owed = np.where(paid, 0, stock.frame_tokens if tokens is None else tokens)
    for level in stock.frame_levels:
        owed[level] += owed[stock.frame_parent[level]]
    return owed


def with_framing(stock: Stock, kept: BoolArray, opened: BoolArray) -> BoolArray:
    """Return the kept units with the own text of their frames."""
    units, frames = stock.own_text
    if not len(units):
        return kept
    shown = kept.copy()
    shown[units] = opened[frames]
    return shown


def gap_cost(stock: Stock, places: IntArray, shown: BoolArray) -> int:
    """Return the tokens of every marker the shown units need; `places` are their indices."""
    if not (len(places) and stock.gap_tokens_max):
        return 0
    has_before, has_behind = stock.neighbours
    gap, lane = stock.gap_tokens[places], stock.lane[places]
    in_front = has_before[places] & ~shown[places - 1]
    is_last_shown = np.concatenate((lane[1:] != lane[:-1], _TRUE))
    behind = is_last_shown & has_behind[places]
    return int(gap @ (in_front.view(np.int8) + behind))


def cost(stock: Stock, kept: BoolArray) -> int:
    """Return the tokens of the kept units with their frames and markers."""
    opened = opened_frames(stock, kept)
    return cost_shown(stock, with_framing(stock, kept, opened), opened)


def cost_shown(stock: Stock, shown: BoolArray, opened: BoolArray) -> int:
    """Return the same, the kept units being shown with the own text of their opened frames."""
    places = shown.nonzero()[0]
    own = places[~stock.framing[places]] if len(stock.own_text[0]) else places
    tokens = int(stock.tokens.take(own).sum()) + gap_cost(stock, places, shown)
    return tokens + int(stock.frame_tokens[opened].sum()) if len(opened) else tokens
