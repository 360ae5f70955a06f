"""What is not in an answer, in the caller's own places."""

import numpy as np

from tierfold.context import LeftOut
from tierfold.text import BoolArray, Intake


def left_out(intake: Intake, shown: BoolArray) -> tuple[LeftOut, ...]:
    """Return every run of characters that is gone, in source order; runs end with their block."""
    units = intake.units
    gone = np.flatnonzero(~shown)
    if not len(gone):
        return ()
    block = units.block[gone]
    breaks = np.flatnonzero((np.diff(gone) != 1) | (block[1:] != block[:-1])) + 1
    first = np.r_[0, breaks]
    tokens = np.add.reduceat(units.tokens[gone], first)
    places = intake.block_start[block[first]]
    starts = units.start[gone[first]] - places
    ends = units.end[gone[np.r_[breaks, len(gone)] - 1]] - places
    runs = zip(block[first].tolist(), starts.tolist(), ends.tolist(), tokens.tolist(), strict=True)
    return tuple(
        LeftOut(
            source=(origin := intake.blocks[b].origin).source,
            message=origin.message,
            part=origin.part,
            start=start,
            end=end,
            tokens=count,
        )
        for b, start, end, count in runs
    )
