"""The manifest: one small versioned register per context, and sealed pages of names.

The head is all that changes when a context does. It holds the newest names itself; every 64 of
them are sealed into a page, and 256 pages into a branch. The spine lists the branches and the pages
after them. Pages, branches and the spine are segments: immutable, named, shared.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from tierfold.context.segment import (
    NAME_BYTES,
    Name,
    Segment,
    SegmentKind,
    names_in,
    segment,
)
from tierfold.errors import CorruptError, FormatTooNewError

FORMAT: Final = 1
PAGE_NAMES: Final = 64
BRANCH_PAGES: Final = 256
CHANGES_KEPT: Final = 32  # changes whose idempotency keys are remembered
HEAD_BYTES_MAX: Final = 2048
NO_CHAIN: Final = bytes(NAME_BYTES)

_FIXED = struct.Struct(">BBBQQQ16sQQQQBBB")
_CHANGE = struct.Struct(">8s8sQ")
_COUNT = struct.Struct(">I")
_FOUND = 1 << 63  # beside a change's version: nothing had to be made


class Shape(IntEnum):
    """What a context is a list of. Numbers are on disk and never change."""

    MESSAGES = 1  # chat rows
    PARTS = 2  # parts of a document, with the caller's borders
    TEXT = 3  # pieces that joined are one text


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that was asked for under an idempotency key; 64 bit each."""

    key: bytes  # hash of the key
    fingerprint: bytes  # hash of the request
    version: int  # what it made, or found to be so already
    was_made: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The register of one context; its encoding is at most HEAD_BYTES_MAX long."""

    id: str
    shape: Shape
    version: int = 0
    items: int = 0
    size_bytes: int = 0  # of all items' canonical content
    chain: bytes = NO_CHAIN  # hash over all names in order
    spine: Name | None = None
    tail: tuple[Name, ...] = ()  # fewer than PAGE_NAMES
    about: Name | None = None
    changes: tuple[Change, ...] = ()  # oldest first
    created_ms: int = 0  # Unix time
    updated_ms: int = 0
    ttl_ms: int = 0  # life after the last change; 0 is for ever
    pinned_until_ms: int = 0  # stays in the upper tiers till then

    @property
    def expires_ms(self) -> int:
        """When it ends; 0 is never."""
        return self.updated_ms + self.ttl_ms if self.ttl_ms else 0

    def change_of(self, key: bytes) -> Change | None:
        """Return what was done under an idempotency key, while that is remembered."""
        return next((each for each in self.changes if each.key == key), None)

    def encode(self) -> bytes:
        """Return the bytes that go to disk."""
        identity = self.id.encode()
        fixed = _FIXED.pack(
            FORMAT,
            self.shape,
            (self.spine is not None) | (self.about is not None) << 1,
            self.version,
            self.items,
            self.size_bytes,
            self.chain,
            self.created_ms,
            self.updated_ms,
            self.ttl_ms,
            self.pinned_until_ms,
            len(identity),
            len(self.tail),
            len(self.changes),
        )
        changes = (
            _CHANGE.pack(c.key, c.fingerprint, c.version if c.was_made else c.version | _FOUND)
            for c in self.changes
        )
        return b"".join(
            (fixed, identity, self.spine or b"", self.about or b"", *self.tail, *changes)
        )

    @classmethod
    def decode(cls, data: bytes) -> "Head":
        """Return the head of its bytes; raises CorruptError or FormatTooNewError."""
        if data[:1] and data[0] > FORMAT:
            raise FormatTooNewError(what="a manifest", found=data[0], known=FORMAT)
        try:
            return _decoded(data)
        except (struct.error, ValueError) as error:
            raise CorruptError(what="a manifest", problem="it is cut short or garbled") from error


def _decoded(data: bytes) -> Head:
    _, shape, flags, version, items, size_bytes, chain, *rest = _FIXED.unpack_from(data)
    created_ms, updated_ms, ttl_ms, pinned_until_ms, id_bytes, tail, changes = rest
    at = _FIXED.size + id_bytes
    lists = at + NAME_BYTES * ((flags & 1) + (flags >> 1 & 1) + tail)
    if len(data) != lists + _CHANGE.size * changes:
        raise ValueError(len(data))
    names = list(names_in(data[at:lists]))
    return Head(
        id=data[_FIXED.size : at].decode("ascii"),
        shape=Shape(shape),
        version=version,
        items=items,
        size_bytes=size_bytes,
        chain=chain,
        spine=names.pop(0) if flags & 1 else None,
        about=names.pop(0) if flags & 2 else None,
        tail=tuple(names),
        changes=tuple(
            Change(
                key=key,
                fingerprint=fingerprint,
                version=version & ~_FOUND,
                was_made=not version & _FOUND,
            )
            for key, fingerprint, version in _CHANGE.iter_unpack(data[lists:])
        ),
        created_ms=created_ms,
        updated_ms=updated_ms,
        ttl_ms=ttl_ms,
        pinned_until_ms=pinned_until_ms,
    )


@dataclass(frozen=True, slots=True)
class Spine:
    """The sealed pages of one context."""

    branches: tuple[Name, ...] = ()
    pages: tuple[Name, ...] = ()  # after the branches, fewer than BRANCH_PAGES

    @classmethod
    def decode(cls, body: bytes) -> "Spine":
        """Return the spine of a SPINE body; raises CorruptError."""
        if body[:1] != bytes((SegmentKind.SPINE,)) or len(body) < 1 + _COUNT.size:
            raise CorruptError(what="a spine", problem="it is cut short or something else")
        (branches,) = _COUNT.unpack_from(body, 1)
        names = names_in(body[1 + _COUNT.size :])
        return cls(names[:branches], names[branches:])

    def segment(self) -> Segment:
        """Return the spine as a segment."""
        names = b"".join((*self.branches, *self.pages))
        return segment(SegmentKind.SPINE, _COUNT.pack(len(self.branches)) + names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A head after names were added, and what that made and left behind."""

    head: Head
    made: tuple[Segment, ...]  # pages, branches and the spine, all new
    left: tuple[Name, ...]  # the spine before, and pages that went into a branch


def needs_spine(head: Head, added: int) -> bool:
    """Whether adding so many names takes the present spine (`Growth` has a new one then)."""
    return head.spine is not None and len(head.tail) + added >= PAGE_NAMES


def grown(head: Head, names: Sequence[Name], *, size_bytes: int, spine: Spine) -> Growth:
    """Return the head with names added at its end; `spine` is the present one, or an empty one.

    Costs what the new names cost, however many are there already.
    """
    tail = (*head.tail, *names)
    sealed = len(tail) // PAGE_NAMES * PAGE_NAMES
    pages = [
        segment(SegmentKind.PAGE, b"".join(tail[at : at + PAGE_NAMES]))
        for at in range(0, sealed, PAGE_NAMES)
    ]
    changed = replace(
        head,
        items=head.items + len(names),
        size_bytes=head.size_bytes + size_bytes,
        chain=chained(head.chain, names),
        tail=tail[sealed:],
    )
    if not pages:
        return Growth(head=changed, made=(), left=())
    branches, loose = list(spine.branches), [*spine.pages, *(page.name for page in pages)]
    made: list[Segment] = list(pages)
    while len(loose) >= BRANCH_PAGES:
        branch = segment(SegmentKind.BRANCH, b"".join(loose[:BRANCH_PAGES]))
        made.append(branch)
        branches.append(branch.name)
        del loose[:BRANCH_PAGES]
    new_spine = Spine(tuple(branches), tuple(loose)).segment()
    left = () if head.spine is None or head.spine == new_spine.name else (head.spine,)
    return Growth(head=replace(changed, spine=new_spine.name), made=(*made, new_spine), left=left)


def emptied(head: Head) -> Head:
    """Return the head without a single item; its pages are no longer needed."""
    return replace(head, items=0, size_bytes=0, chain=NO_CHAIN, spine=None, tail=())


def chained(chain: bytes, names: Sequence[bytes]) -> bytes:
    """Return the chain hash after some more names: each step hashes the chain and one name."""
    for name in names:
        chain = hashlib.blake2b(chain + name, digest_size=NAME_BYTES).digest()
    return chain


def remembered(head: Head, change: Change | None) -> Head:
    """Return the head with one more change in its memory, the oldest forgotten when it is full."""
    if change is None:
        return head
    return replace(head, changes=(*head.changes, change)[-CHANGES_KEPT:])
