"""The rows of a chat: which stand or fall together, which stay verbatim, what each costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tierfold.context import Message, OpaquePart
from tierfold.errors import InvalidInputError
from tierfold.text.pairing import pair
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """What is known of m rows before their texts are cut; frames and groups count from 0."""

    frames: list[int]  # (m,) a call and its results share one
    groups: list[int]  # (m,) an exchange from one user row to the next, or one tool result
    verbatim: list[bool]  # (m,)
    titles: list[str]  # (g,) name of the tool whose result a group is, else ""
    frame_tokens: list[int]
    frame_pinned: list[bool]
    overhead: int  # tokens of all rows besides their texts


def read_chat(
    messages: Sequence[Message], *, path: str, strict: bool, counter: TokenCounter
) -> Chat:
    """Return how the rows hang together; raises InvalidInputError where strict rules are broken."""
    callers, open_rows = pair(messages, path=path, strict=strict)
    frames = _number(callers)
    verbatim = _verbatim(messages, open_rows)
    groups, titles = _group(messages, callers)
    tokens = [0] * (max(frames, default=-1) + 1)
    pinned = [False] * len(tokens)
    overhead = 0
    for row, message in enumerate(messages):
        own = _overhead(message, counter, f"{path}[{row}]")
        overhead += own
        frame = frames[row]
        tokens[frame] += own if callers[row] == row else own + RESULT_MARKER_TOKENS
        pinned[frame] |= verbatim[row]
    return Chat(
        frames=frames,
        groups=groups,
        verbatim=verbatim,
        titles=titles,
        frame_tokens=tokens,
        frame_pinned=pinned,
        overhead=overhead,
    )


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


def _number(callers: Sequence[int]) -> list[int]:
    """Return the frame of each row: a row that answers a call has the caller's."""
    frames: list[int] = []
    count = 0
    for row, caller in enumerate(callers):
        if caller == row:
            frames.append(count)
            count += 1
        else:
            frames.append(frames[caller])
    return frames


def _verbatim(messages: Sequence[Message], open_rows: set[int]) -> list[bool]:
    """Instructions, the last user row, and a call whose results are still to come."""
    verbatim = [
        message.role in {"system", "developer"} or row in open_rows
        for row, message in enumerate(messages)
    ]
    users = (row for row in range(len(messages) - 1, -1, -1) if messages[row].role == "user")
    last_user = next(users, None)
    if last_user is not None:
        verbatim[last_user] = True
    return verbatim


def _group(messages: Sequence[Message], callers: Sequence[int]) -> tuple[list[int], list[str]]:
    groups: list[int] = []
    titles: list[str] = []
    exchange = -1
    for row, message in enumerate(messages):
        if ROLES[message.role] is Role.TOOL:
            groups.append(len(titles))
            titles.append(_tool_name(message, messages[callers[row]]))
            continue
        if exchange < 0 or message.role == "user":
            exchange = len(titles)
            titles.append("")
        groups.append(exchange)
    return groups, titles


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
