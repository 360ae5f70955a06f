"""What is not in an answer, in the caller's own places."""

import numpy as np

from tierfold.context import LeftOut
from tierfold.processing.places import Places
from tierfold.text import BoolArray, Intake


def left_out(intake: Intake, shown: BoolArray, places: Places | None = None) -> tuple[LeftOut, ...]:
    """Return every run of characters that is gone, in source order; runs end with their block.

    Those of a stored context come with handles.
    """
    units = intake.units
    gone = np.flatnonzero(~shown)
    if not len(gone):
        return ()
    block = units.block[gone]
    breaks = np.flatnonzero((np.diff(gone) != 1) | (block[1:] != block[:-1])) + 1
    first = np.r_[0, breaks]
    tokens = np.add.reduceat(units.tokens[gone], first)
    begins = intake.block_start[block[first]]
    starts = units.start[gone[first]] - begins
    last = gone[np.r_[breaks, len(gone)] - 1]
    ends = units.end[last] - begins
    columns = (block[first], starts, ends, tokens, gone[first], last)
    runs = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(
        LeftOut(
            source=(origin := intake.blocks[b].origin).source,
            message=origin.message,
            part=origin.part,
            start=start,
            end=end,
            tokens=count,
            handle=None if places is None else places.of_units(intake, one, other),
        )
        for b, start, end, count, one, other in runs
    )
