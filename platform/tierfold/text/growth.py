"""A source that has grown at its end: what is read of it is kept, and only what is new is cut.

A block's cut is a pure function of its text, so the units of old blocks stay. What can change in
them is whether they must stay (the last user row is another one, an open call got its results),
and the numbers of frames, since those of rows stand before all others.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from tierfold.text.blocks import Block, Intake
from tierfold.text.gather import (
    RowFrames,
    count_texts,
    gather,
    is_token_border,
    pin_kept,
    pinned_frames,
)
from tierfold.text.keep import kept_spans
from tierfold.text.reading import Reading, begins
from tierfold.text.table import BoolArray, Frames, IntArray, Role, UnitTable


def grown(intake: Intake, reading: Reading, *, frames_before: int, priority: float) -> Intake:
    """Return the intake of a longer source, of which `reading` has the new blocks and all rows.

    `frames_before` is the number of frames of the rows that `intake` holds.
    """
    row_is_pinned = np.array(reading.row_is_pinned, np.bool_)
    blocks, pinned = _with_pins(intake, row_is_pinned)
    rows = RowFrames(tokens=reading.frame_tokens, pinned=reading.frame_pinned)
    more, more_start = gather(
        reading.blocks, rows=rows, titles=tuple(reading.titles), counter=reading.counter
    )
    before = replace(intake.units, pinned=pinned)
    units = _joined(before, more, blocks=len(blocks), frames=(frames_before, len(rows.tokens)))
    frame_is_pinned = pinned_frames(units.frames.parent, rows.pinned, units.frame[units.pinned])
    return Intake(
        blocks=(*blocks, *reading.blocks),
        block_start=np.concatenate((intake.block_start, more_start + np.int32(len(before.text)))),
        units=replace(units, frames=replace(units.frames, pinned=frame_is_pinned)),
        weight=np.full(len(units), priority, np.float32),
        rows=(*intake.rows, *reading.rows),
        row_is_pinned=row_is_pinned,
        row_overhead=np.array(reading.row_overhead, np.int32),
        tokens=intake.tokens + _tokens_added(intake, units, more, reading),
        chat=reading.chat,
    )


def _with_pins(intake: Intake, row_is_pinned: BoolArray) -> tuple[list[Block], BoolArray]:
    """Return the old blocks and their units' pins, where the rows they are in changed theirs."""
    blocks, pinned = list(intake.blocks), intake.units.pinned.copy()
    changed = np.flatnonzero(intake.row_is_pinned != row_is_pinned[: len(intake.rows)])
    for row in changed.tolist():
        is_pinned = bool(row_is_pinned[row])
        at = bisect_left(blocks, row, key=_row_of)
        while at < len(blocks) and _row_of(blocks[at]) == row:
            blocks[at] = replace(blocks[at], pinned=is_pinned)
            _pin_block(intake, at, blocks[at], pinned)
            at += 1
    return blocks, pinned


def _row_of(block: Block) -> int:
    return -1 if block.origin.message is None else block.origin.message


def _pin_block(intake: Intake, index: int, block: Block, pinned: BoolArray) -> None:
    """Write the pins of one block's units: all of them, or those that keep marks touch."""
    first, past = np.searchsorted(intake.units.block, (index, index + 1)).tolist()
    pinned[first:past] = block.pinned
    kept = kept_spans(block.text)
    if kept and block.role is not Role.TOOL:
        ends = intake.units.end[first:past] - intake.block_start[index]
        pin_kept(pinned[first:past], ends.tolist(), kept)


def _joined(
    before: UnitTable, more: UnitTable, *, blocks: int, frames: tuple[int, int]
) -> UnitTable:
    """Return one table of both; `frames` are the rows' frames before and now.

    `more` has all frames of rows in front of its own, which in the joined table stand behind the
    old blocks' frames.
    """
    rows_before, rows_now = frames
    inner = len(before.frames) - rows_before
    shift = rows_now - rows_before
    characters = np.int32(len(before.text))
    tables = (before, more)
    return UnitTable(
        text=before.text + more.text,
        start=np.concatenate((before.start, more.start + characters)),
        end=np.concatenate((before.end, more.end + characters)),
        tokens=np.concatenate([each.tokens for each in tables]),
        block=np.concatenate((before.block, more.block + np.int32(blocks))),
        group=np.concatenate([each.group for each in tables]),
        role=np.concatenate([each.role for each in tables]),
        kind=np.concatenate([each.kind for each in tables]),
        joint=np.concatenate([each.joint for each in tables]),
        pinned=np.concatenate([each.pinned for each in tables]),
        framing=np.concatenate([each.framing for each in tables]),
        frame=np.concatenate(
            (
                _shifted(before.frame, rows_before, shift),
                _shifted(more.frame, rows_now, inner),
            )
        ),
        frames=Frames(
            parent=np.concatenate(
                (
                    more.frames.parent[:rows_now],
                    _shifted(before.frames.parent[rows_before:], rows_before, shift),
                    _shifted(more.frames.parent[rows_now:], rows_now, inner),
                )
            ),
            tokens=np.concatenate(
                (
                    more.frames.tokens[:rows_now],
                    before.frames.tokens[rows_before:],
                    more.frames.tokens[rows_now:],
                )
            ),
            pinned=np.zeros(0, np.bool_),
        ),
        titles=more.titles,
    )


def _shifted(frame: IntArray, first: int, by: int) -> IntArray:
    """Return the frames with those from `first` on moved; those of rows keep their numbers."""
    return np.where(frame >= first, frame + np.int32(by), frame) if by else frame


def _tokens_added(intake: Intake, units: UnitTable, more: UnitTable, reading: Reading) -> int:
    """Return the tokens of what is new; where parts are one text, its end is counted again."""
    known, counter = len(intake.units), reading.counter
    rows = sum(reading.row_overhead[len(intake.rows) :])
    if not len(more):
        return rows
    if not known or not reading.blocks[0].whole:
        return rows + count_texts(more, begins(reading.blocks, more), counter)
    since = _last_border(intake.units)
    first_units = np.zeros(len(units) - since, np.bool_)
    first_units[0] = True
    old = counter.count(intake.units.text[int(intake.units.start[since]) :])
    return count_texts(units, first_units, counter, since=since) - old


def _last_border(units: UnitTable) -> int:
    """Return the last unit that no token reaches into from before it, whatever is appended."""
    starts: Iterable[int] = reversed(units.start.tolist())
    last = len(units) - 1
    return next(
        (last - back for back, at in enumerate(starts) if is_token_border(units.text, at)), 0
    )
