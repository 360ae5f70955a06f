"""The knapsack over units and frames, and what a choice costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

NO_FRAME = -1
_TRUE = np.ones(1, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """n units in output order, f frames (parents before children), g lanes.

    A unit brings its value and costs its tokens; with the first unit of a frame the frame's tokens
    are paid, and those of every frame around it. Within a lane each run of dropped units between
    kept ones costs a marker. A lane with nothing kept costs nothing.
    """

    value: FloatArray  # (n,) what keeping the unit is worth, never negative
    tokens: IntArray  # (n,) positive where free
    frame: IntArray  # (n,) innermost frame, or NO_FRAME
    lane: IntArray  # (n,) not decreasing; units of a lane stand side by side in the output
    gap_tokens: IntArray  # (n,) cost of a marker beside the unit
    free: BoolArray  # (n,) may be chosen
    kept: BoolArray  # (n,) is there whatever is chosen
    frame_parent: IntArray  # (f,)
    frame_levels: tuple[IntArray, ...]  # see `frame_levels`: made once for many problems
    frame_tokens: IntArray  # (f,)
    frame_kept: BoolArray  # (f,) paid whatever is chosen
    framing: BoolArray  # (n,) a piece of its frame's own text

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


def opened_frames(problem: Problem, kept: BoolArray) -> BoolArray:
    """Return the (f,) frames that the kept units and the pinned frames need."""
    opened = problem.frame_kept.copy()
    if len(opened):
        chosen = problem.frame[kept & ~problem.framing]
        opened[chosen[chosen != NO_FRAME]] = True
        for level in reversed(problem.frame_levels):
            opened[problem.frame_parent[level[opened[level]]]] = True
    return opened


def owed_above(problem: Problem, tokens: IntArray, paid: BoolArray) -> IntArray:
    """Return the (f,) sum of a frame's tokens and those of the frames around it, unpaid ones."""
    owed = np.where(paid, 0, tokens)
    for level in problem.frame_levels:
        owed[level] += owed[problem.frame_parent[level]]
    return owed


def with_framing(problem: Problem, kept: BoolArray, opened: BoolArray) -> BoolArray:
    """Return the kept units with the own text of their frames."""
    if not len(opened):
        return kept
    framed = problem.framing & (problem.frame != NO_FRAME)
    shown = kept.copy()
    shown[framed] = opened[problem.frame[framed]]
    return shown


def gap_cost(problem: Problem, places: IntArray, shown: BoolArray) -> int:
    """Return the tokens of every marker the shown units need; `places` are their indices."""
    if not len(places):
        return 0
    lane, gap = problem.lane[places], problem.gap_tokens[places]
    before = places - 1  # of the first unit it is the last one, which starts no lane before it
    is_first = (places == 0) | (problem.lane[before] != lane)
    in_front = ~is_first & ~shown[before]
    is_last_shown = np.concatenate((lane[1:] != lane[:-1], _TRUE))
    after = np.minimum(places + 1, len(problem) - 1)
    behind = is_last_shown & (after != places) & (problem.lane[after] == lane)
    return int(gap[in_front].sum()) + int(gap[behind].sum())


def cost(problem: Problem, kept: BoolArray) -> int:
    """Return the tokens of the kept units with their frames and markers."""
    if not len(problem.frame_parent):
        places = np.flatnonzero(kept)
        return int(problem.tokens[places].sum()) + gap_cost(problem, places, kept)
    opened = opened_frames(problem, kept)
    shown = with_framing(problem, kept, opened)
    own = int(problem.tokens[kept & ~problem.framing].sum())
    frames = int(problem.frame_tokens[opened].sum())
    return own + frames + gap_cost(problem, np.flatnonzero(shown), shown)
