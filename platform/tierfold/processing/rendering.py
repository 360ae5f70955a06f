"""Kept units become text again: the input's own characters, a marker where something is gone."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tierfold.processing.json_gaps import render_json
from tierfold.text import Block, BoolArray, Intake, IntArray, Kind, Role

_LINE_KINDS = frozenset({Kind.CODE, Kind.TABLE, Kind.LOG})  # a marker in front gets its own line


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


def render_blocks(intake: Intake, lanes: Lanes, shown: BoolArray, marker: str) -> dict[int, str]:
    """Return the text of every block of which something is shown, by the block's index."""
    return _Renderer(intake, lanes, shown, marker).blocks()


class _Renderer:
    """One pass over the runs of shown units."""

    def __init__(self, intake: Intake, lanes: Lanes, shown: BoolArray, marker: str) -> None:
        self._intake = intake
        self._lanes = lanes
        self._shown = shown
        self._marker = marker
        self._pieces: dict[int, list[str]] = {}
        self._open_block = -1  # block of the last piece
        self._is_pinned = False  # whether the last piece may not be touched

    def blocks(self) -> dict[int, str]:
        """Return the texts."""
        units = self._intake.units
        places = np.flatnonzero(self._shown)
        if not len(places):
            return {}
        block = units.block[places]
        breaks = np.flatnonzero((np.diff(places) != 1) | (block[1:] != block[:-1])) + 1
        firsts = places[np.r_[0, breaks]].tolist()
        lasts = places[np.r_[breaks, len(places)] - 1].tolist()
        self._run_all(firsts, lasts)
        return {block: "".join(pieces) for block, pieces in self._pieces.items()}

    def _run_all(self, firsts: list[int], lasts: list[int]) -> None:
        lane_of, before = self._lanes.of_unit, -1
        for first, last in zip(firsts, lasts, strict=True):
            lane = int(lane_of[first])
            is_new_lane = before < 0 or int(lane_of[before]) != lane
            if is_new_lane:
                self._end_lane(before)
                self._add(first, last, follows_gap=first != self._lanes.first_unit[lane])
            else:
                if first != before + 1 and not self._same_json(before, first):
                    self._mark_end(needs_space=not self._starts_spaced(first))
                self._add(first, last, follows_gap=False)
            before = last
        self._end_lane(before)

    def _end_lane(self, before: int) -> None:
        if before >= 0 and before != self._lanes.last_unit[self._lanes.of_unit[before]]:
            self._mark_end(needs_space=False)

    def _same_json(self, before: int, first: int) -> bool:
        units = self._intake.units
        is_same = int(units.block[before]) == int(units.block[first])
        return is_same and int(units.kind[first]) == Kind.JSON

    def _starts_spaced(self, first: int) -> bool:
        units = self._intake.units
        return units.text[units.start[first]].isspace()

    def _add(self, first: int, last: int, *, follows_gap: bool) -> None:
        units = self._intake.units
        block = int(units.block[first])
        if units.kind[first] == Kind.JSON:
            if block in self._pieces:
                return  # the whole value was rendered with its first run
            text = render_json(units, block, self._shown, marker=self._marker)
        else:
            text = units.text[units.start[first] : units.end[last]]
        if follows_gap and self._marker:
            text = self._marked_start(text, first)
        self._pieces.setdefault(block, []).append(text)
        self._open_block = block
        self._is_pinned = bool(units.pinned[last])

    def _marked_start(self, text: str, first: int) -> str:
        kind, role = self._intake.units.kind[first], self._intake.units.role[first]
        if text[:1].isspace():
            return self._marker + text
        own_line = kind in _LINE_KINDS and role != Role.TOOL
        return self._marker + ("\n" if own_line else " ") + text

    def _mark_end(self, *, needs_space: bool) -> None:
        """Put the marker at the end of the last piece, in front of the line break it ends with."""
        if not self._marker:
            return
        pieces = self._pieces[self._open_block]
        piece = pieces[-1]
        body = piece if self._is_pinned else piece.rstrip()
        tail = piece[len(body) :]
        space = "" if not body or body[-1].isspace() else " "
        if not tail:
            tail = ("\n" if self._is_pinned and body.endswith("\n") else " ") if needs_space else ""
        pieces[-1] = body + space + self._marker + tail
