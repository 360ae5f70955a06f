"""Handles: names under which what was left out of a stored context can be brought back.

A handle says where: the context, a run of items, and in them a run of characters. Characters are
counted from the begin of the first item's text: in a row of a chat, that of its content or of one
text in its content list; parts and pieces of a text are one text, the items' texts joined. A
check over the items' names keeps it from ever bringing back something else; where a context was
written anew and its items stand elsewhere, they are found by it.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tierfold.context.identity import DIGEST_BYTES, slot_of
from tierfold.errors import MalformedHandleError

CHECK_BYTES = 4

_PREFIX = "h_"
_MORE = 0x80
_LOW = 0x7F
_VARINT_BYTES_MAX = 9
_FIELDS = 5
_SHOWN_MAX = 80  # characters of what is no handle
_SHORT = tuple(bytes((value,)) for value in range(_MORE))
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A run of items of one context, or of characters in their text."""

    digest: bytes  # of the context
    first: int  # index of the first item
    count: int  # items; 1 where it points into a row of a chat
    part: int | None = None  # index in the row's content list; None is the content itself
    start: int = 0  # first character of the items' text
    end: int = 0  # one past the last; 0 is all of the items
    check: bytes  # of the items' names

    @property
    def slot(self) -> int:
        """Where its context lives."""
        return slot_of(self.digest)

    def encode(self) -> str:
        """Return the handle as callers see it: 22 to 40 characters that fit a path."""
        return encoded_handle(
            self.digest, self.first, self.count, self.part, (self.start, self.end), self.check
        )

    def behind(self, *, first: int, items: int, characters: int, check: bytes) -> "Handle":
        """Return the handle of what is left when some items are taken from its front.

        They stand at `first` now and have so many characters; the check is of the names behind.
        """
        return replace(
            self,
            first=first + items,
            count=self.count - items,
            start=max(self.start - characters, 0),
            end=self.end and self.end - characters,
            check=check,
        )

    @classmethod
    def decode(cls, text: str) -> "Handle":
        """Return the handle a caller sent; raises MalformedHandleError for what never was one."""
        try:
            packed = _unpacked(text)
            fields, at = _fields(packed)
        except (ValueError, binascii.Error, IndexError) as error:
            raise MalformedHandleError(text[:_SHOWN_MAX]) from error
        first, count, part, start, end = fields
        if len(packed) - at != CHECK_BYTES or count < 1 or start > end:
            raise MalformedHandleError(text[:_SHOWN_MAX])
        return cls(
            digest=packed[:DIGEST_BYTES],
            first=first,
            count=count,
            part=part - 1 if part else None,
            start=start,
            end=end,
            check=packed[at:],
        )


def encoded_handle(
    digest: bytes, first: int, count: int, part: int | None, span: tuple[int, int], check: bytes
) -> str:
    """Return a handle as callers see it, of what a `Handle` holds, without making one."""
    fields = (first, count, 0 if part is None else part + 1, *span)
    packed = b"".join((digest, *map(_varint, fields), check))
    # An answer has a hundred of them: `base64.urlsafe_b64encode` costs twice as much.
    encoded = binascii.b2a_base64(packed, newline=False).translate(_URL_SAFE)
    return _PREFIX + encoded.decode("ascii").rstrip("=")


def check_of(names: Sequence[bytes]) -> bytes:
    """Return the check of some items' names."""
    return hashlib.blake2b(b"".join(names), digest_size=CHECK_BYTES).digest()


def _unpacked(text: str) -> bytes:
    if not text.startswith(_PREFIX):
        raise ValueError(text)
    encoded = text[len(_PREFIX) :].encode("ascii")
    return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)


def _fields(packed: bytes) -> tuple[list[int], int]:
    fields: list[int] = []
    at = DIGEST_BYTES
    for _ in range(_FIELDS):
        value = shift = 0
        while True:
            byte = packed[at]
            at += 1
            value |= (byte & _LOW) << shift
            shift += 7
            if not byte & _MORE:
                break
            if shift > 7 * _VARINT_BYTES_MAX:
                raise ValueError(value)
        fields.append(value)
    return fields, at


def _varint(value: int) -> bytes:
    if value <= _LOW:
        return _SHORT[value]
    if value < 1 << 14:
        return bytes((value & _LOW | _MORE, value >> 7))
    if value < 1 << 21:
        return bytes((value & _LOW | _MORE, value >> 7 & _LOW | _MORE, value >> 14))
    encoded = bytearray()
    while value > _LOW:
        encoded.append(value & _LOW | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
