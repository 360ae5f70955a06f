"""Chat messages in OpenAI's shape, as values.

A message keeps the caller's own object in `raw`, so that what tierfold does not understand comes
back equal; only `content` is ever replaced, by `with_content`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

ChatRole = Literal["system", "developer", "user", "assistant", "tool", "function"]
CHAT_ROLES: frozenset[str] = frozenset(
    {"system", "developer", "user", "assistant", "tool", "function"}
)


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a message that is text and can be folded."""

    text: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OpaquePart:
    """An image, a sound, a file: passed through untouched, counted by its kind."""

    raw: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The part's own `type`."""
        return str(self.raw.get("type", "unknown"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call the assistant made; never folded, since providers check it against the result."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One row of a chat."""

    role: ChatRole
    content: str | tuple[TextPart | OpaquePart, ...] | None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    raw: Mapping[str, Any]

    def texts(self) -> tuple[str, ...]:
        """Return the foldable texts in order."""
        if isinstance(self.content, str):
            return (self.content,)
        return tuple(p.text for p in self.content or () if isinstance(p, TextPart))

    def with_content(self, content: str | tuple[TextPart | OpaquePart, ...] | None) -> "Message":
        """Return the same message saying something shorter."""
        return replace(self, content=content)

    def to_dict(self) -> dict[str, Any]:
        """Return the message in the caller's own shape."""
        content: Any = self.content
        if isinstance(content, tuple):
            content = [
                {**p.raw, "text": p.text} if isinstance(p, TextPart) else dict(p.raw)
                for p in content
            ]
        result = dict(self.raw)
        if "content" in result or content is not None:
            result["content"] = content
        return result
