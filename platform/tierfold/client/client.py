"""The client itself: requests out over httpx, documents or errors back."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from httpx import BaseTransport

from tierfold.client import backups, calls, documents, prefetching
from tierfold.client.address import require_url
from tierfold.client.backups import IfExists, ToldProgress
from tierfold.client.calls import Call, Contents, Question
from tierfold.client.connection import Connection
from tierfold.client.documents import (
    BroughtBack,
    ContextObject,
    Found,
    HandlePage,
    Item,
    ItemsPage,
    ListPage,
)
from tierfold.client.exchange import Retries
from tierfold.client.paging import each_context, each_item, each_page, joined_pages
from tierfold.client.prefetching import HintName
from tierfold.client.problems import KEY_VARIABLE
from tierfold.client.replies import SeenVersions, document_of, new_key, require_sendable
from tierfold.config import Limits
from tierfold.context import UNLIMITED, Budget, Markers, Tokenizer
from tierfold.context.stored import Consistency


class Client:
    """The contexts of one tenant on a server; safe to use from many threads.

    Methods raise what a `Store` raises: UnknownContextError, VersionConflictError,
    InvalidInputError and their like (`tierfold.errors`), and ServerUnreachableError. What failed
    for a moment is tried again; a change carries an idempotency key, so it is never made twice.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        dice: random.Random | None = None,
        transport: BaseTransport | None = None,
    ) -> None:
        self.url = require_url(url)
        self._retries = retries or Retries()
        self._dice = dice or random.Random()
        self._versions = SeenVersions()
        self._request_bytes_max = Limits().body_bytes_max
        key = key or os.environ.get(KEY_VARIABLE)
        self._connection = Connection(self.url, key=key, timeout_s=timeout_s, transport=transport)

    def create(  # noqa: PLR0913  # a change's own fields, keyword-only
        self,
        id: str | None = None,  # noqa: A002  # the word callers know
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        document: Mapping[str, Any] | None = None,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> ContextObject:
        """Store a new context; without an id it gets one.

        With `ttl_s` it ends that long after its last change.
        """
        call = calls.create(
            id,
            Contents(messages=messages, text=text, document=document),
            title=title,
            metadata=metadata,
            ttl_s=ttl_s,
            idempotency_key=idempotency_key or new_key(),
        )
        return self._changed(call)

    def append(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        parts: Sequence[Item] | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> ContextObject:
        """Add to the end; with `if_version` only at that version."""
        contents = Contents(messages=messages, text=text, parts=parts)
        key = idempotency_key or new_key()
        return self._changed(calls.append(id, contents, if_version=if_version, idempotency_key=key))

    def put(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        document: Mapping[str, Any] | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> ContextObject:
        """Make the context exactly this, creating it where there is none."""
        contents = Contents(messages=messages, text=text, document=document)
        key = idempotency_key or new_key()
        return self._changed(calls.put(id, contents, if_version=if_version, idempotency_key=key))

    def get(self, id: str) -> ContextObject:  # noqa: A002  # as above
        """Return what is known of a context without its items."""
        return self._changed(calls.get(id))

    def update(  # noqa: PLR0913  # as above
        self,
        id: str,  # noqa: A002  # as above
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
        pinned_s: float | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> ContextObject:
        """Change title, metadata, life (`ttl_s`, 0 is for ever) or pin (`pinned_s` from now)."""
        call = calls.update(
            id,
            title=title,
            metadata=metadata,
            ttl_s=ttl_s,
            pinned_s=pinned_s,
            if_version=if_version,
            idempotency_key=idempotency_key or new_key(),
        )
        return self._changed(call)

    def delete(self, id: str, *, if_version: int | None = None) -> None:  # noqa: A002  # as above
        """Remove the context from every tier and index."""
        self._asked(calls.delete(id, if_version=if_version))
        self._versions.forget(id)

    def items_page(self, id: str, start: int = 0, limit: int = 100) -> ItemsPage:  # noqa: A002  # as above
        """Return up to `limit` items from `start` on; a negative start counts from the end."""
        return documents.items_page(self._asked(calls.items(id, start=start, limit=limit)))

    def items(self, id: str, start: int = 0, stop: int | None = None) -> Iterator[Item]:  # noqa: A002  # as above
        """Yield items `start` to `stop` as slices count them, a page at a time.

        Raises VersionConflictError when the context changes between two pages.
        """
        return (item for page in each_item(self.items_page, id, start, stop) for item in page.items)

    def list_page(self, *, after: str = "", limit: int = 20, descending: bool = False) -> ListPage:
        """Return one page of contexts in the order of their ids."""
        call = calls.listing(after=after, limit=limit, descending=descending)
        return documents.list_page(self._asked(call))

    def list(self) -> Iterator[ContextObject]:
        """Yield every context in the order of their ids."""
        return each_context(self.list_page)

    def process(  # noqa: PLR0913  # as above
        self,
        id: str,  # noqa: A002  # as above
        *,
        ask: str = "",
        budget: Budget = UNLIMITED,
        stages: Sequence[str] = (),
        markers: Markers = "short",
        tokenizer: Tokenizer = "o200k",
        model: str = "none",
        consistency: Consistency = "session",
    ) -> dict[str, Any]:
        """Fold a context to what the question needs; returns the answer document.

        Never from a state older than what this client has seen of the context.
        """
        question = Question(
            ask=ask,
            budget=budget,
            stages=stages,
            markers=markers,
            tokenizer=tokenizer,
            model=model,
            consistency=consistency,
        )
        return self._asked(calls.process(id, question, version_seen=self._versions.of(id)))

    def handle(self, text: str) -> BroughtBack:
        """Return what a handle names, byte for byte: a text, or whole rows of a chat."""
        return joined_pages(page.value for page in each_page(self.handle_page, text))

    def handle_page(self, text: str, *, limit: int | None = None) -> HandlePage:
        """Return the first part of what a handle names, at most `limit` items and 16 MiB."""
        return documents.handle_page(self._asked(calls.handle(text, limit=limit)))

    def search(self, query: str, *, limit: int = 10) -> Found:
        """Find items by the words of a query, the best first."""
        return documents.found(self._asked(calls.search(query, limit=limit)))

    def prefetch(
        self,
        ids: str | Sequence[str],
        *,
        hint: HintName = "asked",
        tokenizer: Tokenizer | None = None,
        deadline_ms: float | None = None,
    ) -> dict[str, Any]:
        """Say that contexts will be asked soon: the server brings them up in the background.

        Returns at once: `accepted`, those `ready` already, and `skipped` with reasons. Of several
        ids unknown ones are skipped, a single one raises UnknownContextError.
        """
        return self._asked(
            prefetching.prefetch(ids, hint=hint, tokenizer=tokenizer, deadline_ms=deadline_ms)
        )

    def tiers(self) -> dict[str, Any]:
        """Return what the server's tiers hold, per shard and in all."""
        return self._asked(calls.tiers())

    def backup(
        self, *, name: str = "", full: bool = False, progress: ToldProgress | None = None
    ) -> dict[str, Any]:
        """Back all contexts up to the server's object store; returns what it came to.

        `progress` is called with a document every few seconds at the least.
        """
        return self._followed(backups.make(name=name, full=full), progress)

    def backups(self) -> Sequence[Mapping[str, Any]]:
        """Return all backups, the oldest first."""
        return backups.listed(self._asked(backups.listing()))

    def verify_backup(
        self,
        id: str,  # noqa: A002  # as above
        *,
        progress: ToldProgress | None = None,
    ) -> dict[str, Any]:
        """Have all of a backup read and checked."""
        return self._followed(backups.verify(id), progress)

    def restore(
        self,
        id: str,  # noqa: A002  # as above
        *,
        only: Sequence[str] = (),
        if_exists: IfExists = "fail",
        expired: bool = False,
        progress: ToldProgress | None = None,
    ) -> dict[str, Any]:
        """Bring contexts back from a backup, each as one change; `only` some of them."""
        call = backups.restore(id, only=only, if_exists=if_exists, expired=expired)
        return self._followed(call, progress)

    def delete_backup(self, id: str) -> dict[str, Any]:  # noqa: A002  # as above
        """Delete a backup, and what no other one needs."""
        return self._asked(backups.delete(id))

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _changed(self, call: Call) -> ContextObject:
        """Return the context of the reply, and remember how new it is."""
        return self._versions.seen(documents.context_object(self._asked(call)))

    def _followed(self, call: Call, progress: ToldProgress | None) -> dict[str, Any]:
        return document_of(self._connection.followed(call, progress), call, self.url)

    def _asked(self, call: Call) -> dict[str, Any]:
        """Return the document of the reply; raises the error it stands for."""
        require_sendable(call, self._request_bytes_max)
        came = self._connection.exchange(call, self._retries, self._dice)
        return document_of(came, call, self.url)
