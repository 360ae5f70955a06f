"""Items as canonical bytes and back: equal items have equal bytes, and nothing is lost.

Messages become JSON with sorted keys: text fields and tool arguments come back byte for byte, the
JSON around them equal as JSON. Parts and texts are UTF-8 as they came.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tierfold.context.message import Message
from tierfold.context.segment import PIECE_BYTES_MAX, Item, SegmentKind, item
from tierfold.context.source import Part
from tierfold.errors import CorruptError, InvalidInputError

_NUL = b"\x00"
_EXACT = b" "  # in front of JSON with an integer beyond 64 bits, of which orjson makes a float
_BORDERS = ("\n\n", "\n", " ")  # where a text is cut, the best first
_CUT_EARLIEST = 0.5  # of a piece's size: no piece is smaller for the sake of a better border
_UTF8_BYTES_MAX = 4  # of one character


def message_item(message: Message, *, path: str = "") -> Item:
    """Return the item of a chat row; raises InvalidInputError for what has no bytes."""
    return item(SegmentKind.MESSAGE, canonical_json(message.to_dict(), path=path))


def part_item(part: Part, *, path: str = "") -> Item:
    """Return the item of a document's part; raises InvalidInputError for what has no bytes."""
    role = utf8(part.role or "", path=f"{path}.role")
    if _NUL in role:
        problem = "a role has no NUL in it: name a chat role, or none"
        raise InvalidInputError(problem, path=f"{path}.role")
    return item(SegmentKind.PART, role + _NUL + utf8(part.text, path=f"{path}.text"))


def text_items(text: str, *, path: str = "text") -> Iterator[Item]:
    """Yield a text's pieces; cut at a blank line, a line or a space where one is near."""
    utf8(text, path=path)
    start = 0
    while start < len(text):
        stop = _cut(text, start)
        yield item(SegmentKind.TEXT, text[start:stop].encode())
        start = stop


def json_of(body: bytes) -> Any:
    """Return the JSON value of a MESSAGE or ABOUT body; raises ValueError for what is none."""
    content = body[1:]
    return json.loads(content) if content.startswith(_EXACT) else orjson.loads(content)


def part_of(body: bytes) -> Part:
    """Return the part of a PART body."""
    role, found, text = body[1:].partition(_NUL)
    if not found:
        raise CorruptError(what="a document's part", problem="its role has no end")
    return Part(text=text.decode(), role=role.decode() or None)


def text_of(body: bytes) -> str:
    """Return the text of a TEXT body."""
    return body[1:].decode()


def canonical_json(value: Mapping[str, Any], *, path: str = "") -> bytes:
    """Return the one spelling of a JSON value; raises InvalidInputError where it has none."""
    _require_finite(value, path)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _slow_json(value, path)


def utf8(text: str, *, path: str) -> bytes:
    """Return a text's bytes; raises InvalidInputError for a lone surrogate, with its place."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        problem = (
            f"lone surrogate U+{ord(text[error.start]):04X} at position {error.start}: "
            "send valid Unicode"
        )
        raise InvalidInputError(problem, path=path) from error


def _slow_json(value: Mapping[str, Any], path: str) -> bytes:
    """Spell what orjson cannot: integers beyond 64 bits; or say what no JSON can."""
    try:
        text = json.dumps(
            value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"is no JSON: {error}"
        raise InvalidInputError(problem, path=path) from error
    return _EXACT + utf8(text, path=path)


def _require_finite(value: Any, path: str) -> None:
    """Refuse NaN and infinity, which orjson would silently write as null."""
    match value:
        case float() if not math.isfinite(value):
            problem = f"must be a finite number, not {value}"
            raise InvalidInputError(problem, path=path)
        case dict():
            for key, inner in value.items():
                if not isinstance(inner, str):
                    _require_finite(inner, f"{path}.{key}" if path else f"{key}")
        case list() | tuple():
            for index, inner in enumerate(value):
                if not isinstance(inner, str):
                    _require_finite(inner, f"{path}[{index}]")


def _cut(text: str, start: int) -> int:
    """Return where the piece that begins at `start` ends."""
    stop = start + PIECE_BYTES_MAX
    if not text.isascii():
        stop = start + _characters_within(text[start:stop], PIECE_BYTES_MAX)
    if stop >= len(text):
        return len(text)
    earliest = start + max(1, int((stop - start) * _CUT_EARLIEST))
    for border in _BORDERS:
        at = text.rfind(border, earliest, stop)
        if at >= 0:
            return at + len(border)
    return stop


def _characters_within(text: str, size_bytes: int) -> int:
    """Return how many characters fit into so many bytes of UTF-8."""
    encoded = text.encode()
    if len(encoded) <= size_bytes:
        return len(text)
    return len(encoded[:size_bytes].decode(errors="ignore"))
