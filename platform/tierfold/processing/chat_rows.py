"""Rows of a chat: which are in an answer, where dropped ones are marked, what they cost."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from tierfold.context import Message, MessagesSource, Source, TextPart
from tierfold.processing.layout import Layout
from tierfold.processing.marking import Marking
from tierfold.text import MARKER, NO_FRAME, BoolArray, Intake, TokenCounter, message_overhead


def gap_row(marker: str) -> Message:
    """Return the row that stands for rows left out."""
    return Message(role="user", content=marker, raw={"role": "user", "content": marker})


GAP_ROW = gap_row(MARKER)

TextOf = Callable[[int], str | None]  # text of a block in the answer, None where it has none


class ChatRows:
    """The rows of every chat of one intake."""

    def __init__(
        self,
        sources: tuple[Source, ...],
        intake: Intake,
        layout: Layout,
        *,
        counter: TokenCounter,
        marking: Marking,
    ) -> None:
        self._sources = sources
        self._intake = intake
        self._layout = layout
        self._counter = counter
        self._marking = marking
        self._of_marker: dict[str, int] = {}  # tokens of a row that holds it

    def tokens(self, opened: BoolArray) -> int:
        """Return what the rows cost besides their texts, marker rows included."""
        if not len(self._intake.rows):
            return 0
        is_kept = opened[self._layout.row_frame]
        tokens = int(self._intake.row_overhead[is_kept].sum())
        if not self._marking.tokens:
            return tokens
        return tokens + sum(self._gap_tokens(*gap) for gap in self._gaps(is_kept))

    def _gap_tokens(self, first: int, count: int) -> int:
        marker = self._marking.of_rows(first, count)
        tokens = self._of_marker.get(marker)
        if tokens is None:
            tokens = self._of_marker[marker] = self._gap_overhead + self._counter.count(marker)
        return tokens

    @cached_property
    def _gap_overhead(self) -> int:
        return message_overhead(GAP_ROW, self._counter)

    def kept_blocks(self, opened: BoolArray) -> BoolArray:
        """Return which blocks are of rows that are in the answer."""
        frame = self._layout.row_frame_of_block
        is_kept: BoolArray = opened[frame] & (frame != NO_FRAME)
        return is_kept

    def messages(self, source: int, opened: BoolArray, text_of: TextOf) -> tuple[Message, ...]:
        """Return one chat's rows with their new texts; runs of dropped ones are marked."""
        is_kept = opened[self._layout.row_frame]
        gaps = dict(self._gaps(is_kept)) if self._marking.tokens else {}
        is_said = is_kept.copy()
        is_said[list(gaps)] = True
        rows = np.flatnonzero(is_said & (self._layout.row_source == source)).tolist()
        return tuple(
            gap_row(self._marking.of_rows(row, gaps[row]))
            if row in gaps
            else self._with_texts(row, text_of)
            for row in rows
        )

    def _gaps(self, is_kept: BoolArray) -> list[tuple[int, int]]:
        """Return the runs of dropped rows of one chat each: the first row, and how many."""
        source = self._layout.row_source
        is_break = (source[1:] != source[:-1]) | (is_kept[1:] != is_kept[:-1])
        breaks = is_break.nonzero()[0] + 1
        first = np.concatenate(([0], breaks))
        count = np.concatenate((breaks, [len(is_kept)])) - first
        dropped = ~is_kept[first]
        return list(zip(first[dropped].tolist(), count[dropped].tolist(), strict=True))

    def _message(self, row: int) -> Message:
        place = self._intake.rows[row]
        chat = self._sources[place.source]
        assert isinstance(chat, MessagesSource)  # only chats have rows
        return chat.messages[place.message]

    def _with_texts(self, row: int, text_of: TextOf) -> Message:
        message = self._message(row)
        texts = {
            self._intake.blocks[b].origin.part: text_of(b) or ""
            for b in self._layout.blocks_of_row[row]
        }
        if not texts:
            return message
        if isinstance(message.content, str):
            text = texts[None]
            return message if text == message.content else message.with_content(text)
        parts = tuple(
            replace(part, text=texts[index])
            if isinstance(part, TextPart) and index in texts
            else part
            for index, part in enumerate(message.content or ())
        )
        return message.with_content(parts)
