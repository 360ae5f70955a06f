"""Arrays in, choices out: what to keep under a budget of tokens."""

from tierfold.optimizer.fill import Filling
from tierfold.optimizer.knapsack import Selection, select
from tierfold.optimizer.problem import (
    Problem,
    Stock,
    cost,
    frame_levels,
    opened_frames,
    with_framing,
)

__all__ = [
    "Filling",
    "Problem",
    "Selection",
    "Stock",
    "cost",
    "frame_levels",
    "opened_frames",
    "select",
    "with_framing",
]
