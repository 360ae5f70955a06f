"""What callers give to be stored, in Python's own types, as contents."""

from collections.abc import Mapping, Sequence
from typing import Any

from tierfold.context import Part
from tierfold.engine.contents import (
    Contents,
    chat_contents,
    document_contents,
    part_contents,
    text_contents,
)
from tierfold.engine.fold import DocumentInput, document_of
from tierfold.errors import InvalidInputError

MessageInput = Mapping[str, Any]
PartInput = str | Mapping[str, Any] | Part


def given_contents(
    *,
    messages: Sequence[MessageInput] | None = None,
    text: str | None = None,
    document: DocumentInput | None = None,
    parts: Sequence[PartInput] | None = None,
) -> Contents:
    """Return the one of these that is given; raises InvalidInputError."""
    given = [each for each in (messages, text, document, parts) if each is not None]
    if len(given) != 1:
        problem = f"give exactly one of messages, text, document, parts; got {len(given)}"
        raise InvalidInputError(problem)
    if messages is not None:
        from tierfold.wire import parse_messages  # noqa: PLC0415  # pydantic costs 70 ms

        return chat_contents(parse_messages(list(messages)))
    if document is not None:
        return document_contents(document_of(document))
    if parts is not None:
        return part_contents([_part(part, f"parts[{at}]") for at, part in enumerate(parts)])
    return text_contents(_text(text, "text"))


def _part(part: PartInput, path: str) -> Part:
    text: Any = part
    role: Any = None
    if isinstance(part, Part):
        text, role = part.text, part.role
    elif isinstance(part, Mapping):
        text, role = part.get("text"), part.get("role")
    return Part(text=_text(text, path), role=None if role is None else _text(role, f"{path}.role"))


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        problem = f"must be a text, not {type(value).__name__}"
        raise InvalidInputError(problem, path=path)
    return value
