"""What all answers over one intake have in common: made once, however many questions follow."""

from collections import defaultdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierfold.optimizer import frame_levels
from tierfold.processing.rendering import LINE_KINDS, Lanes, lanes_of
from tierfold.text import NO_FRAME, BoolArray, Intake, IntArray, Joint

# Tokens around a marker in a gap of each form.
_LINE_TOKENS = 1  # its line break
_ITEM_TOKENS = 3  # `, "[\u2026]"`
_MEMBER_TOKENS = 5  # `, "[\u2026]":null`


class Layout:
    """Where the blocks and rows of an intake stand, and what its frames ask for."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

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
    def row_source(self) -> IntArray:
        """The source of each row."""
        return np.array([row.source for row in self._intake.rows], np.int32)

    @cached_property
    def frame_levels(self) -> tuple[NDArray[np.integer[Any]], ...]:
        """The frames that stand in others, by depth."""
        return frame_levels(self._intake.units.frames.parent)

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

    def gap_tokens(self, marker_tokens: int) -> IntArray:
        """Return what a gap beside each unit costs with markers of so many tokens; 0 is none."""
        if not marker_tokens:
            return np.zeros(len(self._intake.units), np.int32)
        return self._around_marker + np.int32(marker_tokens)
