"""Bodies of a context back to the source they were stored from.

They were validated when they were written, so they are only taken apart here: 300 rows in less
than a millisecond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from tierfold.context import (
    CHAT_ROLES,
    Document,
    DocumentSource,
    Message,
    MessagesSource,
    OpaquePart,
    TextPart,
    ToolCall,
)
from tierfold.context.canonical import json_of, part_of, text_of
from tierfold.context.manifest import Shape
from tierfold.context.message import ChatRole
from tierfold.context.segment import SegmentKind
from tierfold.context.stored import ContextInfo
from tierfold.errors import CorruptError

StoredSource = MessagesSource | DocumentSource

_KINDS = {
    Shape.MESSAGES: SegmentKind.MESSAGE,
    Shape.PARTS: SegmentKind.PART,
    Shape.TEXT: SegmentKind.TEXT,
}


def source_of(info: ContextInfo, bodies: Sequence[bytes]) -> StoredSource:
    """Return the source that a context's items make; raises CorruptError."""
    require_kinds(info.head.shape, bodies)
    try:
        return _source_of(info, bodies)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"its items are no {info.head.shape.name.lower()} that tierfold stores"
        raise CorruptError(what=f"context {info.id}", problem=problem) from error


def more_of(source: StoredSource, info: ContextInfo, bodies: Sequence[bytes]) -> StoredSource:
    """Return a source with the items after it; raises CorruptError."""
    more = source_of(info, bodies)
    if isinstance(source, MessagesSource) and isinstance(more, MessagesSource):
        return MessagesSource(messages=(*source.messages, *more.messages))
    assert isinstance(source, DocumentSource)  # a context never changes its shape
    assert isinstance(more, DocumentSource)
    before, after = source.document, more.document
    if before.parts is None:
        document = Document(id=info.id, title=after.title, text=before.text + after.text)
    else:
        parts = (*before.parts, *(after.parts or ()))
        document = Document(id=info.id, title=after.title, parts=parts)
    return DocumentSource(document=document)


def require_kinds(shape: Shape, bodies: Sequence[bytes]) -> None:
    """Raise CorruptError where a body is not of its context's shape."""
    first = bytes((_KINDS[shape],))
    if not all(body.startswith(first) for body in bodies):
        raise CorruptError(what="an item", problem=f"it is not of the shape {shape.name}")


def message_of(raw: Mapping[str, Any]) -> Message:
    """Return the row of its JSON object."""
    role = raw["role"]
    if role not in CHAT_ROLES:
        raise ValueError(role)
    content = raw.get("content")
    if not isinstance(content, str) and content is not None:
        content = tuple(map(_part, content))
    calls = raw.get("tool_calls")
    return Message(
        role=cast("ChatRole", role),
        content=content,
        name=raw.get("name"),
        tool_calls=tuple(map(_tool_call, calls)) if calls else (),
        tool_call_id=raw.get("tool_call_id"),
        raw=raw,
    )


def _source_of(info: ContextInfo, bodies: Sequence[bytes]) -> StoredSource:
    if info.head.shape is Shape.MESSAGES:
        return MessagesSource(messages=tuple(message_of(json_of(body)) for body in bodies))
    document = Document(id=info.id, title=info.about.title)
    if info.head.shape is Shape.PARTS:
        document = replace(document, parts=tuple(map(part_of, bodies)))
    else:
        document = replace(document, text="".join(map(text_of, bodies)))
    return DocumentSource(document=document)


def _part(raw: Mapping[str, Any]) -> TextPart | OpaquePart:
    text = raw.get("text")
    return TextPart(text, raw) if raw["type"] == "text" and text is not None else OpaquePart(raw)


def _tool_call(raw: Mapping[str, Any]) -> ToolCall:
    custom = raw.get("custom")
    if custom is not None:
        return ToolCall(id=raw["id"], name=custom["name"], arguments=custom.get("input") or "")
    function = raw.get("function") or {"name": raw.get("type", "function")}
    return ToolCall(id=raw["id"], name=function["name"], arguments=function.get("arguments") or "")
