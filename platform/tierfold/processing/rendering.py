"""Kept units become text again: the input's own characters, a marker where something is gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import NamedTuple

import numpy as np

from tierfold.processing.json_gaps import render_json
from tierfold.processing.marking import Marking
from tierfold.text import Block, BoolArray, Intake, IntArray, Kind, UnitTable

_JSON = int(Kind.JSON)  # an enum's attribute costs more than the comparison
# Here a line is a record: a marker has a line of its own.
LINE_KINDS = tuple(map(int, (Kind.CODE, Kind.TABLE, Kind.LOG)))
_HAS_LINES = np.isin(np.arange(max(Kind) + 1), LINE_KINDS)  # by kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """Which units stand side by side in the output: a text, a document, one text of a message."""

    of_block: IntArray  # (b,)
    of_unit: IntArray  # (n,)
    first_unit: IntArray  # (lanes,)
    last_unit: IntArray  # (lanes,)

    def __len__(self) -> int:
        """Return the number of lanes."""
        return len(self.first_unit)


def lanes_of(intake: Intake) -> Lanes:
    """Return the lanes; the parts of one document share one, every other block is its own."""
    of_block = np.zeros(len(intake.blocks), np.int32)
    for index, (before, block) in enumerate(pairwise(intake.blocks), start=1):
        of_block[index] = of_block[index - 1] + _starts_lane(before, block)
    of_unit = of_block[intake.units.block] if len(intake.units) else np.zeros(0, np.int32)
    count = int(of_block[-1]) + 1 if len(of_block) else 0
    lanes = np.arange(count)
    return Lanes(
        of_block=of_block,
        of_unit=of_unit,
        first_unit=np.searchsorted(of_unit, lanes, side="left").astype(np.int32),
        last_unit=(np.searchsorted(of_unit, lanes, side="right") - 1).astype(np.int32),
    )


def _starts_lane(before: Block, block: Block) -> bool:
    same_source = before.origin.source == block.origin.source
    return not same_source or block.origin.message is not None


def render_blocks(
    intake: Intake, lanes: Lanes, shown: BoolArray, places: IntArray, marking: Marking
) -> dict[int, str]:
    """Return the text of every block in which some of these units stand, by the block's index.

    `places` are all shown units of some lanes, in order.
    """
    if not len(places):
        return {}
    renderer = _Renderer(intake.units, lanes, shown, marking)
    for run in _runs(intake.units, lanes, places):
        renderer.show(run)
    return renderer.texts()


class _Run(NamedTuple):
    """Shown units side by side in one block; an answer has a hundred, and is rendered often."""

    first: int  # unit
    last: int
    start: int  # character
    end: int
    block: int
    lane: int
    is_json: bool
    has_lines: bool  # is of LINE_KINDS
    is_pinned: bool
    opens_lane: bool  # nothing of the lane is in front of it
    closes_lane: bool


def _runs(units: UnitTable, lanes: Lanes, places: IntArray) -> Iterator[_Run]:
    """Return the runs in order; arrays are read once for all of them."""
    block = units.block[places]
    breaks = np.flatnonzero((places[1:] - places[:-1] != 1) | (block[1:] != block[:-1])) + 1
    first = places[np.concatenate(([0], breaks))]
    last = places[np.concatenate((breaks, [len(places)])) - 1]
    lane, kind = lanes.of_unit[first], units.kind[first]
    columns = (
        first,
        last,
        units.start[first],
        units.end[last],
        units.block[first],
        lane,
        kind == _JSON,
        _HAS_LINES[kind],
        units.pinned[last],
        first == lanes.first_unit[lane],
        last == lanes.last_unit[lane],
    )
    return starmap(_Run, zip(*(column.tolist() for column in columns), strict=True))


class _Renderer:
    """One pass over the runs of shown units."""

    def __init__(self, units: UnitTable, lanes: Lanes, shown: BoolArray, marking: Marking) -> None:
        self._units = units
        self._lanes = lanes
        self._shown = shown
        self._marking = marking
        self._pieces: dict[int, list[str]] = {}
        self._before: _Run | None = None

    def texts(self) -> dict[int, str]:
        """Return what was shown, block by block."""
        self._end_lane()
        return {block: "".join(pieces) for block, pieces in self._pieces.items()}

    def show(self, run: _Run) -> None:
        """Add a run behind those that are there, with markers for what lies between."""
        before = self._before
        if before is None or before.lane != run.lane:
            self._end_lane()
            opened = run.first if run.opens_lane else int(self._lanes.first_unit[run.lane])
            self._add(run, gap_from=opened)
        else:
            is_gap = run.first != before.last + 1
            if is_gap and not before.is_json:
                is_spaced = self._units.text[run.start : run.start + 1].isspace()
                self._mark_end(before, run.first - 1, needs_space=not is_spaced)
            self._add(run, gap_from=before.last + 1 if before.is_json else run.first)
        self._before = run

    def _end_lane(self) -> None:
        before = self._before
        if before is not None and not before.closes_lane:
            self._mark_end(before, int(self._lanes.last_unit[before.lane]), needs_space=False)

    def _add(self, run: _Run, *, gap_from: int) -> None:
        """Add a run; what is left out from `gap_from` on is marked in front of it."""
        if run.is_json:
            if run.block in self._pieces:
                return  # the whole value was rendered with its first run
            text = render_json(self._units, run.block, self._shown, marking=self._marking)
        else:
            text = self._units.text[run.start : run.end]
            if gap_from < run.first:
                text = self._marked_start(text, run, gap_from)
        self._pieces.setdefault(run.block, []).append(text)

    def _marked_start(self, text: str, run: _Run, gap_from: int) -> str:
        marker = self._marking.of_units(gap_from, run.first - 1)
        if not marker or text[:1].isspace():
            return marker + text
        return marker + ("\n" if run.has_lines else " ") + text

    def _mark_end(self, run: _Run, last: int, *, needs_space: bool) -> None:
        """Mark what is left out behind a run: in front of its line break, or behind it.

        Not behind JSON: parts of a document must parse, each by itself, and a missing one is seen.
        """
        if run.is_json:
            return
        marker = self._marking.of_units(run.last + 1, last)
        if not marker:
            return
        pieces = self._pieces[run.block]
        piece = pieces[-1]
        if run.has_lines:
            pieces[-1] = piece + ("" if piece.endswith("\n") else "\n") + marker + "\n"
            return
        body = piece if run.is_pinned else piece.rstrip()
        tail = piece[len(body) :]
        space = "" if not body or body[-1].isspace() else " "
        if not tail and needs_space:
            tail = "\n" if body.endswith("\n") else " "
        pieces[-1] = body + space + marker + tail
