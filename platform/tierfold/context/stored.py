"""What callers see of a stored context."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tierfold.context.canonical import canonical_json, json_of
from tierfold.context.manifest import Head
from tierfold.context.segment import Segment, SegmentKind, segment
from tierfold.errors import TooLargeError

Consistency = Literal["session", "latest", "any"]

_SECOND_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the caller says of a context; stored beside it, never read by tierfold."""

    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextInfo:
    """A context without its items."""

    head: Head
    about: About

    @property
    def id(self) -> str:
        """Its id."""
        return self.head.id

    @property
    def version(self) -> int:
        """Goes up by one with every change."""
        return self.head.version

    @property
    def items(self) -> int:
        """How many items it has."""
        return self.head.items

    @property
    def title(self) -> str:
        """What the caller calls it."""
        return self.about.title

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the caller keeps with it."""
        return self.about.metadata

    @property
    def etag(self) -> str:
        """The version as HTTP's entity tag."""
        return f'"{self.head.version}"'


def whole_milliseconds(seconds: float) -> int:
    """Return a life or a pin in milliseconds: 0 means something else, so the least above is one."""
    return max(math.ceil(round(seconds * _SECOND_MS, 3)), 1) if seconds > 0 else 0


def about_segment(
    title: str, metadata: Mapping[str, Any], *, size_bytes_max: int, is_kept: bool = False
) -> Segment | None:
    """Return title and metadata as a segment; None where there is neither, unless it is kept."""
    if not (title or metadata or is_kept):
        return None
    content = canonical_json({"metadata": metadata, "title": title}, path="metadata")
    if len(content) > size_bytes_max:
        raise TooLargeError(
            what="bytes of title and metadata", size=len(content), limit=size_bytes_max
        )
    return segment(SegmentKind.ABOUT, content)


def about_of(body: bytes | None) -> About:
    """Return what an ABOUT body says."""
    if body is None:
        return About()
    value = json_of(body)
    return About(title=value["title"], metadata=value["metadata"])
