"""The rows of a chat: which stand or fall together, which stay verbatim, what each costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tierfold.context import Message, OpaquePart
from tierfold.errors import InvalidInputError
from tierfold.text.pairing import Pairing
from tierfold.text.table import Role
from tierfold.text.tokens import TokenCounter, message_overhead

ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "system": Role.SYSTEM,
        "developer": Role.DEVELOPER,
        "user": Role.USER,
        "assistant": Role.ASSISTANT,
        "tool": Role.TOOL,
        "function": Role.TOOL,
    }
)
RESULT_MARKER_TOKENS = 1  # a result whose text is gone still says that it is


@dataclass(slots=True, kw_only=True)
class Chat:
    """What is known of m rows before their texts are cut; frames and groups count from 0.

    All but what is verbatim stays as it is when rows are added: a longer chat is read from where
    the shorter one ends.
    """

    pairing: Pairing
    frames: list[int] = field(default_factory=list)  # (m,) a call and its results share one
    groups: list[int] = field(default_factory=list)  # (m,) an exchange, or one tool result
    titles: list[str] = field(default_factory=list)  # (g,) name of a result's tool, else ""
    frame_tokens: list[int] = field(default_factory=list)
    overheads: list[int] = field(default_factory=list)  # (m,) tokens of a row besides its texts
    verbatim: set[int] = field(default_factory=set)  # rows
    instructions: list[int] = field(default_factory=list)  # rows of system and developer
    last_user: int | None = None
    exchange: int = -1  # group of the exchange that goes on

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frames)

    def frame_pinned(self) -> list[bool]:
        """Return for each frame whether one of its rows is verbatim."""
        pinned = [False] * len(self.frame_tokens)
        for row in self.verbatim:
            pinned[self.frames[row]] = True
        return pinned

    def copy(self) -> "Chat":
        """Return the same chat, to be made longer without changing this one."""
        return replace(
            self,
            pairing=self.pairing.copy(),
            frames=self.frames.copy(),
            groups=self.groups.copy(),
            titles=self.titles.copy(),
            frame_tokens=self.frame_tokens.copy(),
            overheads=self.overheads.copy(),
            instructions=self.instructions.copy(),
        )

    def add(self, messages: Sequence[Message], counter: TokenCounter) -> None:
        """Read on: `messages` are all rows, of which the first len(self) are known."""
        first = len(self)
        self.pairing.walk(messages[first:])
        open_rows = self.pairing.open_rows()
        self._number(first)
        self._group(messages, first)
        for row in range(first, len(messages)):
            self._add_overhead(row, messages[row], counter)
            if messages[row].role == "user":
                self.last_user = row
            elif messages[row].role in {"system", "developer"}:
                self.instructions.append(row)
        self.verbatim = {*self.instructions, *open_rows}
        if self.last_user is not None:
            self.verbatim.add(self.last_user)

    def _number(self, first: int) -> None:
        """Give each row its frame: a row that answers a call has the caller's."""
        callers = self.pairing.callers
        for row in range(first, len(callers)):
            if callers[row] == row:
                self.frames.append(len(self.frame_tokens))
                self.frame_tokens.append(0)
            else:
                self.frames.append(self.frames[callers[row]])

    def _group(self, messages: Sequence[Message], first: int) -> None:
        """Give each row its group: an exchange from one user row to the next, or one result."""
        for row in range(first, len(messages)):
            message = messages[row]
            if ROLES[message.role] is Role.TOOL:
                self.groups.append(len(self.titles))
                self.titles.append(_tool_name(message, messages[self.pairing.callers[row]]))
                continue
            if self.exchange < 0 or message.role == "user":
                self.exchange = len(self.titles)
                self.titles.append("")
            self.groups.append(self.exchange)

    def _add_overhead(self, row: int, message: Message, counter: TokenCounter) -> None:
        own = _overhead(message, counter, f"{self.pairing.path}[{row}]")
        self.overheads.append(own)
        is_result = self.pairing.callers[row] != row
        self.frame_tokens[self.frames[row]] += own + is_result * RESULT_MARKER_TOKENS


def read_chat(
    messages: Sequence[Message], *, path: str, strict: bool, counter: TokenCounter
) -> Chat:
    """Return how the rows hang together; raises InvalidInputError where strict rules are broken."""
    chat = Chat(pairing=Pairing(path=path, strict=strict))
    chat.add(messages, counter)
    return chat


def require_unicode(text: str, path: str) -> None:
    """Refuse lone surrogates, which no encoding and no tokenizer has bytes for."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = (
            f"lone surrogate U+{ord(text[error.start]):04X} at position {error.start}: "
            "send valid Unicode"
        )
        raise InvalidInputError(msg, path=path) from error


def _tool_name(result: Message, caller: Message) -> str:
    names = (call.name for call in caller.tool_calls if call.id == result.tool_call_id)
    return next(names, None) or result.name or ""


def _overhead(message: Message, counter: TokenCounter, path: str) -> int:
    try:
        return message_overhead(message, counter)
    except UnicodeEncodeError:
        for name, text in _counted_texts(message):
            require_unicode(text, f"{path}.{name}")
        raise  # a text is counted that is not listed


def _counted_texts(message: Message) -> Iterator[tuple[str, str]]:
    yield "name", message.name or ""
    for index, call in enumerate(message.tool_calls):
        yield f"tool_calls[{index}].function.name", call.name
        yield f"tool_calls[{index}].function.arguments", call.arguments
    yield "refusal", str(message.raw.get("refusal"))
    older = message.raw.get("function_call")
    if isinstance(older, Mapping):
        yield "function_call.name", str(older.get("name"))
        yield "function_call.arguments", str(older.get("arguments"))
    for index, part in enumerate(message.content or ()):
        if isinstance(part, OpaquePart):
            yield f"content[{index}].refusal", str(part.raw.get("refusal"))
