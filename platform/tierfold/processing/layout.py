"""What all answers over one intake have in common: made once, however many questions follow."""

from collections import defaultdict
from functools import cached_property

import numpy as np

from tierfold.context import Markers
from tierfold.optimizer import Stock, frame_levels
from tierfold.processing.rendering import LINE_KINDS, Lanes, lanes_of
from tierfold.text import NO_FRAME, BoolArray, Intake, IntArray, Joint

# Tokens around a marker in a gap of each form.
_LINE_TOKENS = 1  # its line break
_ITEM_TOKENS = 3  # `, "[\u2026]"`
_MEMBER_TOKENS = 5  # `, "[\u2026]":null`
_STOCKS_MAX = 4  # without markers, with short ones, with handles; and one more


class Layout:
    """Where the blocks and rows of an intake stand, and what its frames ask for."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.pinned_tokens: dict[Markers, int] = {}  # of the smallest answer
        self._stocks: dict[int, Stock] = {}

    @cached_property
    def lanes(self) -> Lanes:
        """Which units stand side by side."""
        return lanes_of(self._intake)

    @cached_property
    def blocks_of_source(self) -> dict[int, list[int]]:
        """The blocks of each source, in order."""
        blocks: dict[int, list[int]] = defaultdict(list)
        for index, block in enumerate(self._intake.blocks):
            blocks[block.origin.source].append(index)
        return blocks

    @cached_property
    def blocks_of_row(self) -> list[list[int]]:
        """The blocks of each row, in order; none for a row without text."""
        rows = self._intake.rows
        row_of = {(row.source, row.message): index for index, row in enumerate(rows)}
        blocks: list[list[int]] = [[] for _ in rows]
        for index, block in enumerate(self._intake.blocks):
            if block.origin.message is not None:
                blocks[row_of[block.origin.source, block.origin.message]].append(index)
        return blocks

    @cached_property
    def row_frame(self) -> IntArray:
        """The frame of each row."""
        return np.array([row.frame for row in self._intake.rows], np.int32)

    @cached_property
    def row_frame_of_block(self) -> IntArray:
        """The frame of the row each block is of, or NO_FRAME."""
        frame = np.full(len(self._intake.blocks), NO_FRAME, np.int32)
        for row, blocks in zip(self._intake.rows, self.blocks_of_row, strict=True):
            frame[blocks] = row.frame
        return frame

    @cached_property
    def row_source(self) -> IntArray:
        """The source of each row."""
        return np.array([row.source for row in self._intake.rows], np.int32)

    @cached_property
    def frame_kept(self) -> BoolArray:
        """The frames that stay: pinned themselves, or with pinned text of their own."""
        units = self._intake.units
        kept = units.frames.pinned.copy()
        own = units.frame[units.framing & units.pinned]
        kept[own[own != NO_FRAME]] = True
        return kept

    @cached_property
    def _around_marker(self) -> IntArray:
        units = self._intake.units
        tokens = np.zeros(len(units), np.int32)
        tokens[np.isin(units.kind, LINE_KINDS)] = _LINE_TOKENS
        tokens[units.joint == Joint.ITEM] = _ITEM_TOKENS
        tokens[units.joint == Joint.MEMBER] = _MEMBER_TOKENS
        return tokens

    def stock(self, marker_tokens: int) -> Stock:
        """Return the units as what a knapsack chooses from, a marker being of so many tokens.

        Kept between answers: markers are of two or three lengths in the life of an intake.
        """
        stock = self._stocks.get(marker_tokens)
        if stock is None:
            stock = self._stock(marker_tokens)
            if len(self._stocks) < _STOCKS_MAX:
                self._stocks[marker_tokens] = stock
        return stock

    def _stock(self, marker_tokens: int) -> Stock:
        units = self._intake.units
        return Stock(
            tokens=units.tokens,
            frame=units.frame,
            lane=self.lanes.of_unit,
            gap_tokens=self._gap_tokens(marker_tokens),
            free=~units.framing & ~units.pinned,
            kept=units.pinned & ~units.framing,
            frame_parent=units.frames.parent,
            frame_levels=frame_levels(units.frames.parent),
            frame_tokens=units.frames.tokens,
            frame_kept=self.frame_kept,
            framing=units.framing,
        )

    def _gap_tokens(self, marker_tokens: int) -> IntArray:
        """Return what a gap beside each unit costs with markers of so many tokens; 0 is none."""
        if not marker_tokens:
            return np.zeros(len(self._intake.units), np.int32)
        return self._around_marker + np.int32(marker_tokens)
