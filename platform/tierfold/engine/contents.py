"""What callers hand over, as items of a context."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tierfold.context import Document, Message, Part
from tierfold.context.canonical import (
    message_item,
    part_item,
    text_items,
)
from tierfold.context.manifest import Shape
from tierfold.context.segment import Item, Name
from tierfold.engine.shard.operations import Keyed
from tierfold.errors import InvalidInputError

KEY_CHARACTERS_MAX = 255
_HASH_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Items of one shape, ready to be stored."""

    shape: Shape
    items: tuple[Item, ...]

    @property
    def names(self) -> tuple[Name, ...]:
        """The items' names."""
        return tuple(item.segment.name for item in self.items)

    @property
    def size_bytes(self) -> int:
        """Bytes of their canonical content."""
        return sum(item.size_bytes for item in self.items)


def chat_contents(messages: Sequence[Message]) -> Contents:
    """Return a chat's rows as items; raises InvalidInputError for what has no bytes."""
    items = tuple(message_item(m, path=f"messages[{i}]") for i, m in enumerate(messages))
    return Contents(shape=Shape.MESSAGES, items=items)


def document_contents(document: Document) -> Contents:
    """Return a document's parts, or its text cut into pieces, as items."""
    if document.parts is None:
        return text_contents(document.text, path="document.text")
    return part_contents(document.parts, path="document.parts")


def text_contents(text: str, *, path: str = "text") -> Contents:
    """Return a text cut into pieces as items."""
    return Contents(shape=Shape.TEXT, items=tuple(text_items(text, path=path)))


def part_contents(parts: Sequence[Part], *, path: str = "parts") -> Contents:
    """Return parts as items."""
    items = tuple(part_item(part, path=f"{path}[{i}]") for i, part in enumerate(parts))
    return Contents(shape=Shape.PARTS, items=items)


def keyed(
    key: str | None, verb: str, names: Sequence[bytes] = (), *conditions: object
) -> Keyed | None:
    """Return an idempotency key and the request it came with as hashes; None without a key.

    Two requests are the same when verb, names of all that is written, and conditions are.
    """
    if key is None:
        return None
    if not key or len(key) > KEY_CHARACTERS_MAX or not key.isprintable():
        problem = f"must be 1 to {KEY_CHARACTERS_MAX} printable characters"
        raise InvalidInputError(problem, path="Idempotency-Key")
    said = "\x00".join((verb, *map(repr, conditions))).encode()
    fingerprint = _hash(said + b"\x00" + b"".join(names))
    return Keyed(key=_hash(key.encode("utf-8", "surrogatepass")), fingerprint=fingerprint)


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_HASH_BYTES).digest()
