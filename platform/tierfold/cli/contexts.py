"""What the store's commands need of stored contexts, so that each command is written once."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tierfold.client.documents import (
    BroughtBack,
    ContextObject,
    Found,
    HandlePage,
    Item,
    ItemsPage,
    ListPage,
)
from tierfold.client.prefetching import HintName
from tierfold.context import Budget, Markers, Tokenizer


class Contexts(Protocol):
    """A store opened here, or a server: what both can do, as `tierfold.client.Client` says it."""

    def create(
        self,
        id: str | None = None,  # noqa: A002  # the word callers know
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        document: Mapping[str, Any] | None = None,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
    ) -> ContextObject:
        """Store a new context; without an id it gets one."""
        ...

    def append(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        parts: Sequence[Item] | None = None,
        if_version: int | None = None,
    ) -> ContextObject:
        """Add to the end."""
        ...

    def put(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        document: Mapping[str, Any] | None = None,
        if_version: int | None = None,
    ) -> ContextObject:
        """Make the context exactly this, creating it where there is none."""
        ...

    def get(self, id: str) -> ContextObject:  # noqa: A002  # as above
        """Return what is known of a context without its items."""
        ...

    def update(
        self,
        id: str,  # noqa: A002  # as above
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
    ) -> ContextObject:
        """Change title, metadata or life."""
        ...

    def delete(self, id: str, *, if_version: int | None = None) -> None:  # noqa: A002  # as above
        """Remove a context."""
        ...

    def items_page(self, id: str, start: int = 0, limit: int = 100) -> ItemsPage:  # noqa: A002  # as above
        """Return up to `limit` items from `start` on; a negative start counts from the end."""
        ...

    def list_page(self, *, after: str = "", limit: int = 20, descending: bool = False) -> ListPage:
        """Return one page of contexts in the order of their ids."""
        ...

    def process(
        self,
        id: str,  # noqa: A002  # as above
        *,
        ask: str,
        budget: Budget,
        stages: Sequence[str],
        markers: Markers,
        tokenizer: Tokenizer,
        model: str,
    ) -> dict[str, Any]:
        """Fold a context; returns the answer document."""
        ...

    def handle(self, text: str) -> BroughtBack:
        """Return what a handle names."""
        ...

    def handle_page(self, text: str) -> HandlePage:
        """Return the first part of what a handle names."""
        ...

    def search(self, query: str, *, limit: int = 10) -> Found:
        """Find items by the words of a query."""
        ...

    def tiers(self) -> dict[str, Any]:
        """Return what the tiers hold, per shard and in all."""
        ...

    def prefetch(
        self,
        ids: Sequence[str],
        *,
        hint: HintName,
        tokenizer: Tokenizer | None,
        deadline_ms: float | None,
    ) -> dict[str, Any]:
        """Say that contexts will be asked soon; returns what becomes of that."""
        ...

    def storage(self, id: str) -> dict[str, Any]:  # noqa: A002  # as above
        """Return how and where a context is stored; nothing where a server keeps it."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
