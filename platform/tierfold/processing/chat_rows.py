"""Rows of a chat: which are in an answer, where dropped ones are marked, what they cost."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

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
        self._rows_of_source: dict[int, list[int]] = defaultdict(list)
        self.blocks_of_row: list[list[int]] = [[] for _ in intake.rows]
        self._messages: list[Message] = []
        for index, row in enumerate(intake.rows):
            chat = sources[row.source]
            assert isinstance(chat, MessagesSource)  # only chats have rows
            self._rows_of_source[row.source].append(index)
            self._messages.append(chat.messages[row.message])
        self._place_blocks()
        self._overheads = [message_overhead(message, counter) for message in self._messages]
        self._gap_tokens = message_overhead(GAP_ROW, counter) + counter.count(MARKER)

    def tokens(self, opened: BoolArray) -> int:
        """Return what the rows cost besides their texts, marker rows included."""
        return sum(
            self._gap_tokens if row is None else self._overheads[row]
            for source in self._rows_of_source
            for row in self._plan(source, opened)
        )

    def messages(self, source: int, opened: BoolArray, text_of: TextOf) -> tuple[Message, ...]:
        """Return one chat's rows with their new texts."""
        return tuple(
            GAP_ROW if row is None else self._with_texts(row, text_of)
            for row in self._plan(source, opened)
        )

    def _plan(self, source: int, opened: BoolArray) -> list[int | None]:
        """Return the rows kept, and None for every run of dropped ones that is marked."""
        plan: list[int | None] = []
        for index in self._rows_of_source[source]:
            if opened[self._intake.rows[index].frame]:
                plan.append(index)
            elif self._marks_gaps and (not plan or plan[-1] is not None):
                plan.append(None)
        return plan

    def _place_blocks(self) -> None:
        row_of = {(row.source, row.message): index for index, row in enumerate(self._intake.rows)}
        for block, each in enumerate(self._intake.blocks):
            if each.origin.message is not None:
                row = row_of[each.origin.source, each.origin.message]
                self.blocks_of_row[row].append(block)

    def _with_texts(self, row: int, text_of: TextOf) -> Message:
        message = self._messages[row]
        texts = {
            self._intake.blocks[b].origin.part: text_of(b) or "" for b in self.blocks_of_row[row]
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
