"""Segments: immutable stored pieces, named by what they are.

A body begins with a byte that says its kind; the name is the BLAKE2b hash of the whole body, so
that equal content has one name and a damaged body can never pass for a sound one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NewType

from tierfold.errors import CorruptError

NAME_BYTES = 16
PIECE_BYTES_MAX = 64 * 1024  # of one segment's content; what is larger is split

Name = NewType("Name", bytes)  # 128-bit BLAKE2b of the body


class SegmentKind(IntEnum):
    """The first byte of a body: what the rest of it is. Numbers are on disk and never change."""

    MESSAGE = 1  # canonical JSON of one chat row
    PART = 2  # a document's part with borders of the caller's: role, NUL, UTF-8 text
    TEXT = 3  # a piece of a whole text: UTF-8; the pieces joined are the text
    SPLIT = 4  # an item too large for one segment: the names of its pieces
    PIECE = 5  # bytes of a split item's body
    PAGE = 6  # 64 names of items
    BRANCH = 7  # 256 names of pages
    SPINE = 8  # names of all branches, then of the pages after them
    ABOUT = 9  # JSON: title and the caller's metadata


@dataclass(frozen=True, slots=True)
class Segment:
    """One body and its name."""

    name: Name
    body: bytes

    @property
    def kind(self) -> SegmentKind:
        """What the body holds."""
        return kind_of(self.body)


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a context's list: its own segment, and those it is split into."""

    segment: Segment
    pieces: tuple[Segment, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of the item's canonical content."""
        if self.pieces:
            return sum(len(piece.body) - 1 for piece in self.pieces) - 1
        return len(self.segment.body) - 1

    def segments(self) -> tuple[Segment, ...]:
        """All segments, the item's own first."""
        return (self.segment, *self.pieces)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel flat, in a fifth of the time: a history may be a hundred thousand items."""
        return _item, (self.segment.name, self.segment.body, self.pieces)


def _item(name: Name, body: bytes, pieces: tuple[Segment, ...]) -> Item:
    """Return the item that arrived."""
    return Item(Segment(name, body), pieces)


def name_of(body: bytes) -> Name:
    """Return the name a body has."""
    return Name(hashlib.blake2b(body, digest_size=NAME_BYTES).digest())


def kind_of(body: bytes) -> SegmentKind:
    """Return a body's kind; raises CorruptError when it has none we know."""
    try:
        return SegmentKind(body[0])
    except (IndexError, ValueError) as error:
        problem = "it begins with no kind that this tierfold knows"
        raise CorruptError(what="a segment", problem=problem) from error


def segment(kind: SegmentKind, content: bytes) -> Segment:
    """Return the segment of some content."""
    body = bytes((kind,)) + content
    return Segment(name_of(body), body)


def item(kind: SegmentKind, content: bytes) -> Item:
    """Return the item of some content, split where it is too large for one segment."""
    whole = bytes((kind,)) + content
    if len(content) <= PIECE_BYTES_MAX:
        return Item(Segment(name_of(whole), whole))
    pieces = tuple(
        segment(SegmentKind.PIECE, whole[at : at + PIECE_BYTES_MAX])
        for at in range(0, len(whole), PIECE_BYTES_MAX)
    )
    names = b"".join(piece.name for piece in pieces)
    return Item(segment(SegmentKind.SPLIT, names), pieces)


def item_name(body: bytes) -> Name:
    """Return the name of the item whose whole body this is, pieces joined."""
    if len(body) - 1 <= PIECE_BYTES_MAX:
        return name_of(body)
    return item(kind_of(body), body[1:]).segment.name


def joined(pieces: Sequence[bytes]) -> bytes:
    """Return the body of a split item, given the bodies of its pieces in order."""
    return b"".join(piece[1:] for piece in pieces)


def names_in(content: bytes) -> tuple[Name, ...]:
    """Return the names that stand one after another; raises CorruptError for a torn list."""
    if len(content) % NAME_BYTES:
        raise CorruptError(
            what="a list of names", problem=f"{len(content)} bytes are no whole names"
        )
    return tuple(Name(content[at : at + NAME_BYTES]) for at in range(0, len(content), NAME_BYTES))


def pieces_in(body: bytes) -> tuple[Name, ...]:
    """Return the names of an item's pieces; most items have none."""
    return names_in(body[1:]) if body[0] == SegmentKind.SPLIT else ()
