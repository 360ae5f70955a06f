"""Rows of a chat: which are in an answer, where dropped ones are marked, what they cost."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tierfold.context import Message, MessagesSource, Source, TextPart
from tierfold.text import MARKER, BoolArray, Intake, TokenCounter, message_overhead

GAP_ROW = Message(role="user", content=MARKER, raw={"role": "user", "content": MARKER})

TextOf = Callable[[int], str | None]  # text of a block in the answer, None where it has none


class ChatRows:
    """The rows of every chat of one intake."""

    def __init__(
        self, sources: tuple[Source, ...], intake: Intake, counter: TokenCounter, *, marker: str
    ) -> None:
        self._intake = intake
        self._marks_gaps = bool(marker)
        self._blocks_of_row: list[list[int]] = [[] for _ in intake.rows]
        self._messages: list[Message] = []
        for row in intake.rows:
            chat = sources[row.source]
            assert isinstance(chat, MessagesSource)  # only chats have rows
            self._messages.append(chat.messages[row.message])
        self._place_blocks()
        overheads = [message_overhead(message, counter) for message in self._messages]
        self._overhead = np.array(overheads, np.int64)
        self._frame = np.array([row.frame for row in intake.rows], np.int32)
        self._source = np.array([row.source for row in intake.rows], np.int32)
        self._gap_tokens = message_overhead(GAP_ROW, counter) + counter.count(MARKER)

    def tokens(self, opened: BoolArray) -> int:
        """Return what the rows cost besides their texts, marker rows included."""
        is_kept = opened[self._frame]
        gaps = int((self._opens_gap(is_kept)).sum()) if self._marks_gaps else 0
        return int(self._overhead[is_kept].sum()) + gaps * self._gap_tokens

    def kept_blocks(self, opened: BoolArray) -> Iterator[int]:
        """Yield the blocks of the rows that are in the answer."""
        for row in np.flatnonzero(opened[self._frame]).tolist():
            yield from self._blocks_of_row[row]

    def messages(self, source: int, opened: BoolArray, text_of: TextOf) -> tuple[Message, ...]:
        """Return one chat's rows with their new texts."""
        return tuple(
            GAP_ROW if row is None else self._with_texts(row, text_of)
            for row in self._plan(source, opened)
        )

    def _plan(self, source: int, opened: BoolArray) -> list[int | None]:
        """Return the rows kept, and None for every run of dropped ones that is marked."""
        is_kept = opened[self._frame]
        opens_gap = self._opens_gap(is_kept)
        plan: list[int | None] = []
        for index in np.flatnonzero(self._source == source).tolist():
            if is_kept[index]:
                plan.append(index)
            elif self._marks_gaps and opens_gap[index]:
                plan.append(None)
        return plan

    def _opens_gap(self, is_kept: BoolArray) -> BoolArray:
        """Return the dropped rows whose predecessor in the same chat is not dropped."""
        opens = ~is_kept
        same_chat = self._source[1:] == self._source[:-1]
        opens[1:] &= ~(same_chat & ~is_kept[:-1])
        return opens

    def _place_blocks(self) -> None:
        row_of = {(row.source, row.message): index for index, row in enumerate(self._intake.rows)}
        for block, each in enumerate(self._intake.blocks):
            if each.origin.message is not None:
                row = row_of[each.origin.source, each.origin.message]
                self._blocks_of_row[row].append(block)

    def _with_texts(self, row: int, text_of: TextOf) -> Message:
        message = self._messages[row]
        texts = {
            self._intake.blocks[b].origin.part: text_of(b) or "" for b in self._blocks_of_row[row]
        }
        if not texts:
            return message
        if isinstance(message.content, str):
            return message.with_content(texts[None])
        parts = tuple(
            replace(part, text=texts[index])
            if isinstance(part, TextPart) and index in texts
            else part
            for index, part in enumerate(message.content or ())
        )
        return message.with_content(parts)
