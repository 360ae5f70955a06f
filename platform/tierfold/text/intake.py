"""The caller's sources into blocks, rows and units."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tierfold.config import Limits
from tierfold.context import (
    Document,
    DocumentSource,
    Message,
    MessagesSource,
    Source,
    TextPart,
    TextSource,
    Tokenizer,
)
from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.text.blocks import Block, Intake, Origin, Row
from tierfold.text.chat import ROLES, read_chat, require_unicode
from tierfold.text.gather import RowFrames, count_texts, gather
from tierfold.text.table import Role, UnitTable
from tierfold.text.tokens import TOKENS_REPLY, TokenCounter, token_counter

_LIMITS = Limits()


def read(
    sources: tuple[Source, ...],
    *,
    tokenizer: Tokenizer,
    strict: bool = True,
    limits: Limits = _LIMITS,
) -> Intake:
    """Return the sources cut into units.

    Strict refuses chats that a provider would refuse; lenient takes every well-formed row.
    Raises InvalidInputError with the path of the value, TooLargeError when a limit is passed.
    """
    _require_size(sources, limits)
    _require_priorities(sources)
    reading = _Reading(counter=token_counter(tokenizer), strict=strict)
    for index, source in enumerate(sources):
        reading.add_source(index, source)
    return reading.intake([source.priority for source in sources])


def _require_size(sources: tuple[Source, ...], limits: Limits) -> None:
    if len(sources) > limits.sources_max:
        what = "sources"
        raise TooLargeError(what, size=len(sources), limit=limits.sources_max)
    rows = 0
    for source in sources:
        if isinstance(source, MessagesSource):
            rows += len(source.messages)
        elif isinstance(source, DocumentSource):
            rows += len(source.document.parts or ())
    if rows > limits.messages_max:
        what = "messages and document parts of all sources"
        raise TooLargeError(what, size=rows, limit=limits.messages_max)


def _require_priorities(sources: tuple[Source, ...]) -> None:
    for index, source in enumerate(sources):
        if not (math.isfinite(source.priority) and source.priority >= 0):
            problem = f"must be a finite number of at least 0, not {source.priority!r}"
            raise InvalidInputError(problem, path=f"sources[{index}].priority")


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What the sources read so far have given."""

    counter: TokenCounter
    strict: bool
    blocks: list[Block] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    row_is_pinned: list[bool] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    frame_tokens: list[int] = field(default_factory=list)
    frame_pinned: list[bool] = field(default_factory=list)
    overhead: int = 0
    reply: int = 0

    def add_source(self, index: int, source: Source) -> None:
        """Read one source."""
        match source:
            case TextSource(text=text):
                _require_unicode(text, f"sources[{index}].text")
                group = self._open_group("")
                self._add(Block(text=text, origin=Origin(source=index), group=group))
            case DocumentSource(document=document):
                self._add_document(index, document)
            case MessagesSource(messages=messages):
                self._add_chat(index, messages)

    def intake(self, priorities: list[float]) -> Intake:
        """Return everything read, cut into units."""
        rows = RowFrames(tokens=self.frame_tokens, pinned=self.frame_pinned)
        units, block_start = gather(
            self.blocks, rows=rows, titles=tuple(self.titles), counter=self.counter
        )
        weights = np.array([priorities[b.origin.source] for b in self.blocks], np.float32)
        return Intake(
            blocks=tuple(self.blocks),
            block_start=block_start,
            units=units,
            weight=weights[units.block],
            rows=tuple(self.rows),
            row_is_pinned=np.array(self.row_is_pinned, np.bool_),
            tokens=self.overhead + self.reply + self._count(units),
        )

    def _add_document(self, index: int, document: Document) -> None:
        path = f"sources[{index}].document"
        _require_unicode(document.title, f"{path}.title")
        group = self._open_group(document.title)
        if document.parts is None:
            _require_unicode(document.text, f"{path}.text")
            self._add(Block(text=document.text, origin=Origin(source=index), group=group))
            return
        for number, part in enumerate(document.parts):
            _require_unicode(part.text, f"{path}.parts[{number}].text")
            self._add(
                Block(
                    text=part.text,
                    origin=Origin(source=index, part=number),
                    group=group,
                    role=_part_role(part.role, f"{path}.parts[{number}].role"),
                    whole=True,
                )
            )

    def _add_chat(self, index: int, messages: tuple[Message, ...]) -> None:
        path = f"sources[{index}].messages"
        chat = read_chat(messages, path=path, strict=self.strict, counter=self.counter)
        frame_offset, group_offset = len(self.frame_tokens), len(self.titles)
        for number, message in enumerate(messages):
            frame = chat.frames[number] + frame_offset
            self.rows.append(Row(source=index, message=number, frame=frame))
            for part, text in _texts(message, f"{path}[{number}].content"):
                self._add(
                    Block(
                        text=text,
                        origin=Origin(source=index, message=number, part=part),
                        group=chat.groups[number] + group_offset,
                        role=ROLES[message.role],
                        pinned=chat.verbatim[number],
                        frame=frame,
                    )
                )
        self.row_is_pinned.extend(chat.verbatim)
        self.titles.extend(chat.titles)
        self.frame_tokens.extend(chat.frame_tokens)
        self.frame_pinned.extend(chat.frame_pinned)
        self.overhead += chat.overhead
        self.reply = TOKENS_REPLY

    def _add(self, block: Block) -> None:
        if block.text:  # an empty text has no units, so nothing can happen to it
            self.blocks.append(block)

    def _open_group(self, title: str) -> int:
        self.titles.append(title)
        return len(self.titles) - 1

    def _count(self, units: UnitTable) -> int:
        """Return the exact tokens of all texts; parts of one document are one text."""
        previous = -1
        begins = np.zeros(len(units), np.bool_)
        first_unit = np.flatnonzero(np.diff(units.block, prepend=-1))
        for block, unit in zip(self.blocks, first_unit.tolist(), strict=True):
            begins[unit] = not block.whole or block.origin.source != previous
            previous = block.origin.source
        return count_texts(units, begins, self.counter)


def _part_role(role: str | None, path: str) -> Role:
    if role is None:
        return Role.NONE
    if role not in ROLES:
        problem = f"unknown role {role!r}; use one of: {', '.join(sorted(ROLES))}"
        raise InvalidInputError(problem, path=path)
    return ROLES[role]


def _require_unicode(text: str, path: str) -> None:
    if not text.isascii():
        require_unicode(text, path)


def _texts(message: Message, path: str) -> Iterator[tuple[int | None, str]]:
    """Yield the texts of a message, each with its index in the content list."""
    if isinstance(message.content, str):
        _require_unicode(message.content, path)
        yield None, message.content
        return
    for index, part in enumerate(message.content or ()):
        if isinstance(part, TextPart):
            _require_unicode(part.text, f"{path}[{index}].text")
            yield index, part.text
