"""From the body of a change to items ready to be stored, in whichever process that happens."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tierfold.config import Limits
from tierfold.engine.contents import (
    Contents,
    chat_contents,
    document_contents,
    part_contents,
    text_contents,
)
from tierfold.wire import (
    ParsedCreate,
    ParsedItems,
    SentItems,
    parse_append,
    parse_create,
    parse_put,
)

WriteRoute = Literal["create", "append", "put"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A change that is parsed, hashed and cut into segments."""

    contents: Contents = field(repr=False)
    ignored_fields: tuple[str, ...]
    id: str | None = None
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ttl_s: float | None = None
    expected_version: int | None = None


def parse_write(route: WriteRoute, body: bytes, limits: Limits) -> Write:
    """Return the change; raises InvalidInputError or TooLargeError."""
    match route:
        case "create":
            return _created(parse_create(body, limits))
        case "append":
            return _changed(parse_append(body, limits))
        case "put":
            return _changed(parse_put(body, limits))


def packed_write(route: WriteRoute, body: bytes, limits: Limits) -> bytes:
    """Return the change as bytes for the process that asked; raises as `parse_write` does."""
    return pickle.dumps(parse_write(route, body, limits), protocol=5)


def unpacked_write(packed: bytes) -> Write:
    """Return the change that our own worker process sent."""
    write: Write = pickle.loads(packed)  # noqa: S301  # from our own child, through our own pipe
    return write


def contents_of(sent: SentItems) -> Contents:
    """Return items ready to be stored; raises InvalidInputError for what has no bytes."""
    if sent.messages is not None:
        return chat_contents(sent.messages)
    if sent.document is not None:
        return document_contents(sent.document)
    if sent.parts is not None:
        return part_contents(sent.parts)
    return text_contents(sent.text or "")


def _created(parsed: ParsedCreate) -> Write:
    return Write(
        contents=contents_of(parsed.sent),
        ignored_fields=parsed.ignored_fields,
        id=parsed.id,
        title=parsed.title,
        metadata=parsed.metadata,
        ttl_s=parsed.ttl_s,
    )


def _changed(parsed: ParsedItems) -> Write:
    return Write(
        contents=contents_of(parsed.sent),
        ignored_fields=parsed.ignored_fields,
        title=parsed.title,
        expected_version=parsed.expected_version,
    )
