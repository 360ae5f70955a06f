"""One row of a file of contexts: an item, and the context it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tierfold.client.documents import ContextObject, Item
from tierfold.context.canonical import canonical_json
from tierfold.errors import InvalidInputError

FORMAT = 1
FORMAT_KEY = b"tierfold.contexts"  # in the file's metadata
COLUMNS = (
    "context",
    "index",
    "shape",
    "role",
    "content",
    "title",
    "metadata",
    "ttl_s",
    "version",
    "items",
    "created_at",
    "updated_at",
)

_SHAPES = frozenset({"messages", "parts", "text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An item; `index` and `content` are None in the one row of a context without items."""

    context: str
    index: int | None
    shape: str
    role: str | None
    content: bytes | None = field(repr=False)  # canonical JSON, as `get --json` prints it
    title: str
    metadata: bytes  # canonical JSON
    ttl_s: float
    version: int
    items: int  # of the whole context: what a cut file lacks shows
    created_at: float
    updated_at: float

    @property
    def size_bytes(self) -> int:
        """Bytes of its content."""
        return len(self.content or b"")

    def item(self) -> Item:
        """Return the item; raises InvalidInputError for content that is none."""
        value = _json(self.content or b"", f"content of {self.context}[{self.index}]")
        if self.shape != "messages" and not isinstance(value.get("text"), str):
            problem = "it has no text"
            raise InvalidInputError(problem, path=f"{self.context}[{self.index}]")
        return value

    def about(self) -> Mapping[str, Any]:
        """Return the caller's metadata."""
        return _json(self.metadata, f"metadata of {self.context}")


def row_of(context: ContextObject, index: int | None, item: Item | None) -> Row:
    """Return the row of an item, or of a context that has none."""
    role = None if item is None else item.get("role")
    return Row(
        context=context.id,
        index=index,
        shape=context.shape,
        role=role if isinstance(role, str) else None,
        content=None if item is None else canonical_json(item),
        title=context.title,
        metadata=canonical_json(context.metadata),
        ttl_s=context.ttl_s,
        version=context.version,
        items=context.items,
        created_at=context.created_at,
        updated_at=context.updated_at,
    )


def row_from(values: Mapping[str, Any], number: int) -> Row:
    """Return the row of a file's values; raises InvalidInputError with the row's number."""
    row = Row(**{name: values[name] for name in COLUMNS})
    complete = (row.context, row.title, row.metadata, row.ttl_s, row.items)
    if row.shape not in _SHAPES or None in complete or (row.index is None) != (row.content is None):
        problem = "it is no item of a context: a value is missing or unknown"
        raise InvalidInputError(problem, path=f"row {number:,}")
    return row


def _json(content: bytes, path: str) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        problem = "it is not JSON"
        raise InvalidInputError(problem, path=path) from error
    if not isinstance(value, dict):
        problem = "it is no JSON object"
        raise InvalidInputError(problem, path=path)
    return value
