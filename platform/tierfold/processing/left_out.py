"""What is not in an answer, in the caller's own places."""

import numpy as np

from tierfold.context import LeftOut
from tierfold.processing.places import Places
from tierfold.text import BoolArray, Intake

_NO_BLOCK = -1


class LeftOutRuns:
    """Names the runs that answers over one intake lack; those of a stored context with handles.

    Most of a long chat is left out row by row, the same rows in every answer: what says that a
    whole block is gone is kept once made, one at most for each block.
    """

    def __init__(self, intake: Intake, places: Places | None) -> None:
        self._intake = intake
        self._places = places
        blocks = np.arange(len(intake.blocks))
        self._first_unit = np.searchsorted(intake.units.block, blocks, side="left")
        self._last_unit = np.searchsorted(intake.units.block, blocks, side="right") - 1
        self._whole: dict[int, LeftOut] = {}

    def of(self, shown: BoolArray) -> tuple[LeftOut, ...]:
        """Return every run of characters that is gone, in source order; runs end with their block.

        `shown` says of each unit whether it is in the answer.
        """
        units = self._intake.units
        gone = (~shown).nonzero()[0]
        if not len(gone):
            return ()
        block = units.block[gone]
        breaks = ((gone[1:] - gone[:-1] != 1) | (block[1:] != block[:-1])).nonzero()[0] + 1
        begins = np.concatenate(([0], breaks))
        first, last = gone[begins], gone[np.concatenate((breaks, [len(gone)])) - 1]
        block = block[begins]
        is_whole = (first == self._first_unit[block]) & (last == self._last_unit[block])
        runs = [self._whole.get(key) for key in np.where(is_whole, block, _NO_BLOCK).tolist()]
        new = [place for place, run in enumerate(runs) if run is None]
        if new:
            tokens = np.add.reduceat(units.tokens[gone], begins)[new]
            block, is_whole = block[new], is_whole[new].tolist()
            begin = self._intake.block_start[block]
            start, end = units.start[first[new]] - begin, units.end[last[new]] - begin
            columns = (column.tolist() for column in (block, start, end, tokens))
            for place, whole, *facts in zip(new, is_whole, *columns, strict=True):
                runs[place] = run = self._made(*facts)
                if whole:
                    self._whole[facts[0]] = run
        return tuple(filter(None, runs))

    def _made(self, block: int, start: int, end: int, tokens: int) -> LeftOut:
        intake, places = self._intake, self._places
        origin = intake.blocks[block].origin
        return LeftOut(
            source=origin.source,
            message=origin.message,
            part=origin.part,
            start=start,
            end=end,
            tokens=tokens,
            handle=None if places is None else places.of_block(intake, block, (start, end)),
        )


def left_out(intake: Intake, shown: BoolArray, places: Places | None = None) -> tuple[LeftOut, ...]:
    """Return every run of characters that is gone from one answer: see `LeftOutRuns`."""
    return LeftOutRuns(intake, places).of(shown)
