"""What callers see of a stored context."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tierfold.context.manifest import Head

Consistency = Literal["session", "latest", "any"]


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
    def etag(self) -> str:
        """The version as HTTP's entity tag."""
        return f'"{self.head.version}"'
