"""The cuts of all blocks gathered into one table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tierfold.text.blocks import Block
from tierfold.text.pieces import Pieces, Shape
from tierfold.text.table import (
    NO_FRAME,
    BoolArray,
    Frames,
    IntArray,
    Role,
    SmallArray,
    UnitTable,
)
from tierfold.text.tokens import TokenCounter
from tierfold.text.units import cut

# Places where both encodings begin a new token whatever stands around: before a space after a
# visible character, and at a line's begin unless it is blank or a slash leads it.
_TOKEN_BORDER = re.compile(r"(?<=\S) |(?<=[\r\n])[^\S\r\n]*[^\s/]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFrames:
    """The frames of chat rows; they stand before all others and have no parent."""

    tokens: Sequence[int]
    pinned: Sequence[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """What the shape of a block decides for each unit, and the frames found in blocks."""

    kind: SmallArray
    joint: SmallArray
    framing: BoolArray
    frame: IntArray
    pinned: BoolArray
    parents: list[int]

    def set_shape(self, first: int, shape: Shape, outer: int) -> None:
        """Write a block's own frames and joints over what holds for the whole block."""
        units = slice(first, first + len(shape.frame))
        self.kind[units] = shape.kind
        self.joint[units] = shape.joint
        self.framing[units] = shape.framing
        offset = len(self.parents)
        local = np.array(shape.frame, np.int32)
        self.frame[units] = np.where(local == NO_FRAME, outer, local + offset)
        self.parents.extend(outer if p == NO_FRAME else p + offset for p in shape.parents)


def gather(
    blocks: Sequence[Block], *, rows: RowFrames, titles: tuple[str, ...], counter: TokenCounter
) -> tuple[UnitTable, IntArray]:
    """Return the table of all units, and the first character of each block in its text."""
    cuts = [cut(block.text, whole=block.whole) for block in blocks]
    text = "".join([block.text for block in blocks])
    counts = np.array([len(each.ends) for each in cuts], np.int32)
    lengths = np.array([len(block.text) for block in blocks], np.int32)
    block_start = np.cumsum(lengths, dtype=np.int32) - lengths
    ends = np.fromiter(chain.from_iterable(each.ends for each in cuts), np.int32, counts.sum())
    ends += np.repeat(block_start, counts)
    starts = np.concatenate((np.zeros(1, np.int32), ends[:-1]))[: len(ends)]
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    tokens = counter.count_each([text[start:end] for start, end in spans])
    columns = _columns(blocks, cuts, counts, rows=rows)
    table = UnitTable(
        text=text,
        start=starts,
        end=ends,
        tokens=tokens,
        block=np.repeat(np.arange(len(blocks), dtype=np.int32), counts),
        group=np.repeat(np.array([block.group for block in blocks], np.int32), counts),
        role=np.repeat(np.array([block.role for block in blocks], np.int8), counts),
        kind=columns.kind,
        joint=columns.joint,
        pinned=columns.pinned,
        framing=columns.framing,
        frame=columns.frame,
        frames=_frames(columns, tokens, rows),
        titles=titles,
    )
    return table, block_start


def pin_kept(pinned: BoolArray, ends: Sequence[int], kept: Sequence[tuple[int, int]]) -> None:
    """Pin the units of one text that a span between keep marks touches."""
    stops = np.array(ends)
    starts = np.concatenate(([0], stops[:-1]))
    for start, stop in kept:
        low = int(np.searchsorted(stops, start, side="right"))
        high = int(np.searchsorted(starts, stop))
        pinned[low:high] = True


def count_texts(
    units: UnitTable, first_units: NDArray[np.bool_], counter: TokenCounter, *, since: int = 0
) -> int:
    """Return the exact tokens of texts, each from one `first_units` unit up to the next.

    Where units meet at a sure token border their own counts add up; only stretches between
    such borders that hold several units are counted again. `since` is the unit to begin with,
    which `first_units` begins with too.
    """
    text = units.text
    starts, tokens = units.start[since:], units.tokens[since:]
    begins = first_units.copy()
    inner = np.flatnonzero(~first_units)
    begins[inner] = [is_token_border(text, at) for at in starts[inner].tolist()]
    stretch = np.flatnonzero(begins)
    size = np.diff(np.append(stretch, len(starts)))
    single = stretch[size == 1]
    several, length = stretch[size > 1], size[size > 1]
    ends = units.end[since + several + length - 1]
    spans = zip(starts[several].tolist(), ends.tolist(), strict=True)
    recount = counter.count_each([text[start:end] for start, end in spans])
    return int(tokens[single].sum(dtype=np.int64) + recount.sum(dtype=np.int64))


def is_token_border(text: str, at: int) -> bool:
    """Whether both encodings surely begin a new token here; goes for every longer text too."""
    return _TOKEN_BORDER.match(text, at) is not None


def _columns(
    blocks: Sequence[Block], cuts: Sequence[Pieces], counts: IntArray, *, rows: RowFrames
) -> _Columns:
    number = int(counts.sum())
    columns = _Columns(
        kind=np.repeat(np.array([each.kind for each in cuts], np.int8), counts),
        joint=np.zeros(number, np.int8),
        framing=np.zeros(number, np.bool_),
        frame=np.repeat(np.array([block.frame for block in blocks], np.int32), counts),
        pinned=np.repeat(np.array([block.pinned for block in blocks], np.bool_), counts),
        parents=[NO_FRAME] * len(rows.tokens),
    )
    first = 0
    for block, each in zip(blocks, cuts, strict=True):
        if each.shape is not None:
            columns.set_shape(first, each.shape, block.frame)
        # A tool's output is not the caller's own words: its marks must not spend the budget.
        if each.kept and block.role is not Role.TOOL:
            pin_kept(columns.pinned[first : first + len(each.ends)], each.ends, each.kept)
        first += len(each.ends)
    return columns


def _frames(columns: _Columns, tokens: IntArray, rows: RowFrames) -> Frames:
    """Return all frames: their own units' tokens added, pinned where a pinned unit needs them."""
    parent = np.array(columns.parents, np.int32)
    cost = np.zeros(len(parent), np.int32)
    cost[: len(rows.tokens)] = rows.tokens
    np.add.at(cost, columns.frame[columns.framing], tokens[columns.framing])
    pinned = pinned_frames(parent, rows.pinned, columns.frame[columns.pinned])
    return Frames(parent=parent, tokens=cost, pinned=pinned)


def pinned_frames(parent: IntArray, rows_pinned: Sequence[bool], needed: IntArray) -> BoolArray:
    """Return the frames that stay: those of pinned rows, those needed, and all around them."""
    pinned = np.zeros(len(parent), np.bool_)
    pinned[: len(rows_pinned)] = rows_pinned
    pinned[needed[needed != NO_FRAME]] = True
    for frame in np.flatnonzero(pinned).tolist():
        above = int(parent[frame])
        while above != NO_FRAME and not pinned[above]:
            pinned[above] = True
            above = int(parent[above])
    return pinned
