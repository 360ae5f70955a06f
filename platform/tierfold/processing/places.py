"""Where the units of a stored context stand in its items: what handles are made of.

Where a deadline left time for some of the items only, what is read knows which those are, so that
its handles speak of the whole context too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tierfold.context import LeftOut
from tierfold.context.handle import check_of, encoded_handle
from tierfold.context.manifest import Shape
from tierfold.context.segment import NAME_BYTES
from tierfold.text import Intake, Origin

_CHECKS_MAX = 4_096  # kept; a text has one for every 64 KiB, and a few that reach across


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The items of one version of a stored context, whose intake holds nothing else."""

    digest: bytes  # of the context
    shape: Shape
    names: bytes  # of all items in order, NAME_BYTES each
    item_start: NDArray[np.int64]  # (read,) first character of each piece of a TEXT; else empty
    text_length: int = 0  # characters of all pieces of a TEXT
    read: NDArray[np.int64] | None = None  # (read,) which items are read; None where all are
    _of_blocks: dict[int, tuple[tuple[int, int], str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # the last handle made of each block
    _checks: dict[tuple[int, int], bytes] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # of runs of items that handles were made of

    @classmethod
    def empty(cls, digest: bytes, shape: Shape) -> "Places":
        """Return the places of a context without items."""
        return cls(digest=digest, shape=shape, names=b"", item_start=np.zeros(0, np.int64))

    def behind(self, characters: int) -> "Places":
        """Return the places of a TEXT of which so many characters in front are not read."""
        return replace(self, item_start=self.item_start - characters)

    def only(self, items: Sequence[int]) -> "Places":
        """Return the places where of the rows or parts read only these are."""
        kept = np.array(items, np.int64)
        return replace(self, read=kept if self.read is None else self.read[kept])

    def of_items(self, first: int, count: int) -> str:
        """Return the handle of whole items, and of those between them that are not read."""
        return self._handle(first, count, (0, 0))

    def of_unread(self, run: LeftOut) -> str:
        """Return the handle of a run of what was read that goes unread after all."""
        if self.shape is Shape.TEXT:
            return self._of_characters(run.start, run.end)
        first = run.message if run.part is None else run.part
        return self._handle(first or 0, run.count, (0, 0))

    def of_context(self, first: int, count: int) -> str:
        """Return the handle of whole items, counted in the whole context."""
        return encoded_handle(self.digest, first, count, None, (0, 0), self._check(first, count))

    def of_units(self, intake: Intake, first: int, last: int) -> str:
        """Return the handle of the characters of units that stand side by side in one text."""
        units = intake.units
        start, end = int(units.start[first]), int(units.end[last])
        block, last_block = int(units.block[first]), int(units.block[last])
        begin = int(intake.block_start[block])
        if block == last_block or self.shape is not Shape.PARTS:
            return self.of_block(intake, block, (start - begin, end - begin))
        item, last_item = (intake.blocks[each].origin.part or 0 for each in (block, last_block))
        stop = int(intake.block_start[last_block]) + len(intake.blocks[last_block].text)
        is_whole = start == begin and end == stop
        span = (0, 0) if is_whole else (start - begin, end - begin)
        return self._handle(item, last_item - item + 1, span)

    def of_block(self, intake: Intake, block: int, span: tuple[int, int]) -> str:
        """Return the handle of characters of one block."""
        origin = intake.blocks[block].origin
        if self.shape is Shape.MESSAGES:
            return self._of_row(block, origin, span)
        if self.shape is Shape.TEXT:
            begin = int(intake.block_start[block])
            return self._of_characters(begin + span[0], begin + span[1])
        is_whole = span == (0, len(intake.blocks[block].text))
        return self._handle(origin.part or 0, 1, (0, 0) if is_whole else span)

    def _of_row(self, block: int, origin: Origin, span: tuple[int, int]) -> str:
        """Return the handle of characters of a row; most rows are left out as a whole, again."""
        known = self._of_blocks.get(block)
        if known is None or known[0] != span:
            handle = self._handle(origin.message or 0, 1, span, part=origin.part)
            known = self._of_blocks[block] = (span, handle)
        return known[1]

    def _of_characters(self, start: int, end: int) -> str:
        first = bisect_right(self.item_start, start) - 1
        past = bisect_left(self.item_start, end)
        begin = int(self.item_start[first])
        return self._handle(first, past - first, (start - begin, end - begin))

    def _handle(
        self, first: int, count: int, span: tuple[int, int], *, part: int | None = None
    ) -> str:
        if self.read is not None:
            last = int(self.read[first + count - 1])
            first = int(self.read[first])
            count = last - first + 1
        return encoded_handle(self.digest, first, count, part, span, self._check(first, count))

    def _check(self, first: int, count: int) -> bytes:
        known = self._checks.get((first, count))
        if known is None:
            names = self.names[first * NAME_BYTES : (first + count) * NAME_BYTES]
            known = check_of((names,))
            if len(self._checks) < _CHECKS_MAX:
                self._checks[first, count] = known
        return known
