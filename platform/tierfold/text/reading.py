"""The caller's sources into blocks and rows, one after another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tierfold.context import (
    Document,
    DocumentSource,
    Message,
    MessagesSource,
    Part,
    Source,
    TextPart,
    TextSource,
)
from tierfold.errors import InvalidInputError
from tierfold.text.blocks import Block, Intake, Origin, Row
from tierfold.text.chat import ROLES, Chat, read_chat, require_unicode
from tierfold.text.gather import RowFrames, count_texts, gather
from tierfold.text.table import BoolArray, Role, UnitTable
from tierfold.text.tokens import TOKENS_REPLY, TokenCounter


@dataclass(slots=True, kw_only=True)
class Reading:
    """What the sources read so far have given."""

    counter: TokenCounter
    strict: bool
    blocks: list[Block] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    row_is_pinned: list[bool] = field(default_factory=list)
    row_overhead: list[int] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    frame_tokens: list[int] = field(default_factory=list)
    frame_pinned: list[bool] = field(default_factory=list)
    chat: Chat | None = None  # the last one read

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
                path = path_of(index)
                chat = read_chat(messages, path=path, strict=self.strict, counter=self.counter)
                self.add_chat(index, messages, chat)

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
            row_overhead=np.array(self.row_overhead, np.int32),
            tokens=self.tokens_of_rows
            + count_texts(units, begins(self.blocks, units), self.counter),
            chat=self.chat if len(priorities) == 1 else None,
        )

    @property
    def tokens_of_rows(self) -> int:
        """What the rows cost besides their texts, the reply included."""
        return sum(self.row_overhead) + (TOKENS_REPLY if self.chat is not None else 0)

    def _add_document(self, index: int, document: Document) -> None:
        path = f"sources[{index}].document"
        _require_unicode(document.title, f"{path}.title")
        group = self._open_group(document.title)
        if document.parts is None:
            _require_unicode(document.text, f"{path}.text")
            self._add(Block(text=document.text, origin=Origin(source=index), group=group))
            return
        self.add_parts(index, document.parts, group=group)

    def add_parts(self, index: int, parts: Sequence[Part], *, group: int, first: int = 0) -> None:
        """Add a document's parts from `first` on."""
        path = f"sources[{index}].document.parts"
        for number in range(first, len(parts)):
            part = parts[number]
            _require_unicode(part.text, f"{path}[{number}].text")
            self._add(
                Block(
                    text=part.text,
                    origin=Origin(source=index, part=number),
                    group=group,
                    role=_part_role(part.role, f"{path}[{number}].role"),
                    whole=True,
                )
            )

    def add_chat(
        self, index: int, messages: Sequence[Message], chat: Chat, *, first: int = 0
    ) -> None:
        """Add the rows of a chat from `first` on."""
        path = path_of(index)
        frame_offset, group_offset = len(self.frame_tokens), len(self.titles)
        for number in range(first, len(messages)):
            frame = chat.frames[number] + frame_offset
            self.rows.append(Row(source=index, message=number, frame=frame))
            for part, text in _texts(messages[number], f"{path}[{number}].content"):
                self._add(
                    Block(
                        text=text,
                        origin=Origin(source=index, message=number, part=part),
                        group=chat.groups[number] + group_offset,
                        role=ROLES[messages[number].role],
                        pinned=number in chat.verbatim,
                        frame=frame,
                    )
                )
        self.row_is_pinned.extend(row in chat.verbatim for row in range(len(chat)))
        self.row_overhead.extend(chat.overheads)
        self.titles.extend(chat.titles)
        self.frame_tokens.extend(chat.frame_tokens)
        self.frame_pinned.extend(chat.frame_pinned())
        self.chat = chat

    def _add(self, block: Block) -> None:
        if block.text:  # an empty text has no units, so nothing can happen to it
            self.blocks.append(block)

    def _open_group(self, title: str) -> int:
        self.titles.append(title)
        return len(self.titles) - 1


def begins(blocks: Sequence[Block], units: UnitTable) -> BoolArray:
    """Return which units begin a text that is counted by itself; parts of a document are one."""
    previous = -1
    begin = np.zeros(len(units), np.bool_)
    first_unit = np.flatnonzero(np.diff(units.block, prepend=-1))
    for block, unit in zip(blocks, first_unit.tolist(), strict=True):
        begin[unit] = not block.whole or block.origin.source != previous
        previous = block.origin.source
    return begin


def path_of(index: int) -> str:
    """Return the path of a chat's rows in a request."""
    return f"sources[{index}].messages"


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
