"""`tierfold.open(path)`: stored contexts in this process, as an ordinary object.

with tierfold.open("contexts") as store:
    store.create("trip", messages=[{"role": "user", "content": "Find me a flight to Oslo."}])
    store.append("trip", messages=[{"role": "assistant", "content": "SK 463 leaves at 9:15."}])
    print(store.fold("trip", ask="When does the flight leave?", budget=Budget(max_tokens=50)).text)
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from tierfold.config import MEMORY_BYTES_MIN, Settings
from tierfold.context import (
    UNLIMITED,
    Answer,
    Budget,
    Markers,
    MessagesSource,
    Request,
    Source,
    Tokenizer,
)
from tierfold.context.identity import ContextKey, id_of_key
from tierfold.context.segment import Segment
from tierfold.context.source import ContextSource
from tierfold.context.stored import ContextInfo, about_segment, whole_milliseconds
from tierfold.engine.backups import BackedUp, BackupParts
from tierfold.engine.contents import Contents, keyed
from tierfold.engine.driving import LocalDriver
from tierfold.engine.engine import Engine
from tierfold.engine.fold import DocumentInput, document_of
from tierfold.engine.given import MessageInput, PartInput, given_contents
from tierfold.engine.memory_report import MemoryReport, memory_report
from tierfold.engine.prefetching import HintName, prefetch_of
from tierfold.engine.shard.operations import (
    AuditReport,
    Hits,
    Items,
    Listed,
    Prefetched,
    ShardLink,
    TiersReport,
)
from tierfold.engine.verbs import SESSION, Condition, Freshness, Hurry, Life, Step, Verbs
from tierfold.engine.working import HandlePage, bring_back, page_of, source_of
from tierfold.errors import InvalidInputError, VersionConflictError
from tierfold.ports import WallClock
from tierfold.processing import may_read_less
from tierfold.replication import Placement

T = TypeVar("T")

_UPDATE_TRIES = 8  # while others change the context: of two who change it, one always gets on


class ClosableLink(ShardLink, Protocol):
    """A shard of ours: whoever opened it closes it."""

    def close(self) -> None:
        """Finish what is being written and stop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParts:
    """What a store is made of."""

    shards: Sequence[ClosableLink]
    placement: Placement
    verbs: Verbs
    engine: Engine
    wall: WallClock
    new_id: Callable[[], str]
    random_bits: Callable[[], int]
    release: Callable[[], None]  # gives the folder free for others


class Store(BackedUp):
    """The contexts of one tenant in a folder; safe to use from many threads.

    Every change is on the disk when the method returns. Methods raise UnknownContextError,
    VersionConflictError, InvalidInputError and their like (`tierfold.errors`).
    """

    def __init__(self, parts: StoreParts, *, tenant: str, path: str) -> None:
        self._parts = parts
        self.tenant = tenant
        self.path = path
        self._is_closed = False
        self._driver = LocalDriver(parts.shards, parts.placement, self._require_open)
        super().__init__(
            BackupParts(
                driver=self._driver,
                verbs=parts.verbs,
                tenant=tenant,
                wall=parts.wall,
                clock=parts.engine.clock,
                random_bits=parts.random_bits,
                page_max=self._page_max,
            )
        )

    def create(
        self,
        id: str | None = None,  # noqa: A002  # the word callers know
        *,
        messages: Sequence[MessageInput] | None = None,
        text: str | None = None,
        document: DocumentInput | None = None,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> ContextInfo:
        """Store a new context and return what is known of it; without an id it gets one.

        Give `messages` (an empty list begins a chat), `text` or `document`. With `ttl_s` it ends
        that long after its last change. With a key a repetition does nothing again.
        """
        contents = given_contents(messages=messages, text=text, document=document)
        about = self._about(title or _title_of(document), metadata)
        key = self._key(self._id(id, idempotency_key))
        steps = self._parts.verbs.create(
            key,
            contents,
            about=about,
            life=Life(ttl_ms=_milliseconds(ttl_s)),
            keyed=keyed(idempotency_key, "create", contents.names, about and about.name, ttl_s),
        )
        return self._written(contents, steps).info

    def append(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[MessageInput] | None = None,
        text: str | None = None,
        parts: Sequence[PartInput] | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> ContextInfo:
        """Add to the end: rows to a chat, text to a text, parts to a document in parts.

        With `if_version` only at that version; with a key a repetition does nothing again.
        """
        added = given_contents(messages=messages, text=text, parts=parts)
        condition = Condition(
            if_version=if_version,
            keyed=keyed(idempotency_key, "append", added.names, if_version),
        )
        steps = self._parts.verbs.append(self._key(id), added, condition)
        return self._written(added, steps).info

    def put(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[MessageInput] | None = None,
        text: str | None = None,
        document: DocumentInput | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> ContextInfo:
        """Make the context exactly this, creating it where there is none.

        The way to keep a history that is sent whole every turn: only what is new is stored. A
        document's title counts where the context is created; `update` changes it.
        """
        contents = given_contents(messages=messages, text=text, document=document)
        condition = Condition(
            if_version=if_version,
            keyed=keyed(idempotency_key, "put", contents.names, if_version),
        )
        about = self._about(_title_of(document), None)
        steps = self._parts.verbs.replace(self._key(id), contents, condition, about=about)
        return self._written(contents, steps).info

    def update(
        self,
        id: str,  # noqa: A002  # as above
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
        pinned_s: float | None = None,
        if_version: int | None = None,
    ) -> ContextInfo:
        """Change title, metadata, life (`ttl_s`, 0 is for ever) or pin (`pinned_s` from now)."""
        life = self._life(ttl_s, pinned_s)
        for _ in range(_UPDATE_TRIES - 1):
            try:
                return self._updated(id, title, metadata, life, if_version)
            except VersionConflictError:
                if if_version is not None:
                    raise
        return self._updated(id, title, metadata, life, if_version)

    def _updated(
        self,
        id: str,  # noqa: A002  # as above
        title: str | None,
        metadata: Mapping[str, Any] | None,
        life: Life,
        if_version: int | None,
    ) -> ContextInfo:
        """Make the change; title and metadata are stored as one, so one alone joins the other."""
        about = None
        if title is not None or metadata is not None:
            old = self.get(id)
            about = self._about(
                old.title if title is None else title,
                old.metadata if metadata is None else metadata,
                is_kept=True,
            )
            is_joined = title is None or metadata is None
            if_version = old.version if is_joined and if_version is None else if_version
        condition = Condition(if_version=if_version)
        steps = self._parts.verbs.patch(self._key(id), about=about, life=life, condition=condition)
        return self._run(steps).info

    def delete(self, id: str, *, if_version: int | None = None) -> None:  # noqa: A002  # as above
        """Remove the context from every tier and index."""
        self._run(self._parts.verbs.delete(self._key(id), if_version))

    def get(self, id: str) -> ContextInfo:  # noqa: A002  # as above
        """Return what is known of a context without its items."""
        return self._run(self._parts.verbs.info(self._key(id)))

    def items(self, id: str, start: int = 0, stop: int | None = None) -> Items:  # noqa: A002  # as above
        """Return items of a context as they are stored, and where they were found."""
        return self._run(self._parts.verbs.items(self._key(id), start, stop))

    def source(self, id: str, start: int = 0, stop: int | None = None) -> Source:  # noqa: A002  # as above
        """Return items of a context, as a chat, a text or a document; reads no more than asked."""
        items = self.items(id, start, stop)
        return source_of(items.info, items.bodies)

    def messages(
        self,
        id: str,  # noqa: A002  # as above
        start: int = 0,
        stop: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return rows of a chat as they were sent; raises InvalidInputError for another shape."""
        source = self.source(id, start, stop)
        if not isinstance(source, MessagesSource):
            problem = f"context {id!r} is no chat: use `source`"
            raise InvalidInputError(problem)
        return [message.to_dict() for message in source.messages]

    def fold(
        self,
        id: str,  # noqa: A002  # as above
        *,
        ask: str = "",
        budget: Budget = UNLIMITED,
        stages: Sequence[str] = (),
        markers: Markers = "short",
        tokenizer: Tokenizer = "o200k",
        model: str = "none",
        freshness: Freshness = SESSION,
    ) -> Answer:
        """Fold a context to what the question needs; `left_out` names handles to bring back more.

        Where a deadline leaves no time to read it whole, its newest part is folded, and the whole
        is made ready in the background for the next question; where there is no memory to read it
        whole, its newest part too. Raises BudgetTooSmallError, OverloadError where there is no
        memory for even that now, and what `tierfold.fold` raises.
        """
        parts = self._parts
        began_ms = parts.engine.clock.now_ms()
        source = ContextSource(id=id)
        hurry = Hurry.of(
            budget,
            began_ms=began_ms,
            stages=stages,
            bypass=False,
            characters_in_time=parts.engine.characters_in_time,
        )
        steps = parts.verbs.ready(
            self.tenant,
            [source],
            tokenizer=tokenizer,
            freshness=freshness,
            hurry=hurry,
            may_read_less=may_read_less(budget, stages=stages, bypass=False),
        )
        ready = self._run(steps)
        request = Request(
            sources=ready.sources,
            ask=ask,
            budget=budget,
            stages=tuple(stages),
            markers=markers,
            tokenizer=tokenizer,
            model=model,
        )
        prepared = ready.working.prepared if ready.working else None
        return parts.engine.answer(request, started_ms=began_ms, prepared=prepared, part=ready.part)

    def bring_back(self, handle: str) -> str | list[dict[str, Any]]:
        """Return what a handle names, byte for byte: a text, or whole rows of a chat."""
        items = self._run(self._parts.verbs.handle(self.tenant, handle))
        return bring_back(handle, items.info, items.bodies)

    def bring_back_page(self, handle: str, *, limit: int | None = None) -> HandlePage:
        """Return the first part of what a handle names: at most so many items, nor above 16 MiB.

        One item at least. `next` is the handle of what is behind, None at the end.
        """
        if limit is not None and limit < 1:
            problem = f"must be at least 1, not {limit}"
            raise InvalidInputError(problem, path="limit")
        bytes_max = self._settings.store.page_bytes_max
        steps = self._parts.verbs.handle(self.tenant, handle, items_max=limit, bytes_max=bytes_max)
        items = self._run(steps)
        return page_of(
            handle, items.info, items.bodies, first=items.start, rest_check=items.rest_check
        )

    def list(self, *, after: str = "", limit: int = 20, descending: bool = False) -> Listed:
        """Return one page of contexts in the order of their ids."""
        steps = self._parts.verbs.listing(
            self.tenant, after=after, limit=limit, descending=descending
        )
        return self._run(steps)

    def __iter__(self) -> Iterator[ContextInfo]:
        """Yield every context in the order of their ids."""
        page = self.list(limit=self._page_max)
        yield from page.contexts
        while page.has_more:
            page = self.list(after=page.contexts[-1].id, limit=self._page_max)
            yield from page.contexts

    def search(self, query: str, *, limit: int = 10) -> Hits:
        """Find items by the words of a query, the best first."""
        return self._run(self._parts.verbs.search(self.tenant, query, limit))

    def prefetch(
        self,
        ids: str | Sequence[str],
        *,
        hint: HintName = "asked",
        tokenizer: Tokenizer | None = None,
        deadline_ms: float | None = None,
    ) -> Prefetched:
        """Say that contexts will be asked soon: they are brought up in the background.

        Returns at once, with what is skipped and why. Of several ids unknown ones are skipped, a
        single one raises UnknownContextError.
        """
        steps = prefetch_of(
            self.tenant, ids, hint=hint, tokenizer=tokenizer, deadline_ms=deadline_ms
        )
        return self._run(steps)

    def tiers(self) -> Sequence[TiersReport]:
        """Return what each shard's tiers hold, and what waits to move down."""
        return self._run(self._parts.verbs.tiers())

    def memory(self) -> MemoryReport:
        """Return what this process may take above what it idles at, and what it takes."""
        return memory_report(self._parts.engine.memory.keeper)

    def limit_memory(self, size_bytes: int) -> int:
        """Change how much this process may take; returns the bytes that are above it still.

        What can be made again goes at once; nobody's memory is taken, and new requests wait for it.
        """
        if size_bytes < MEMORY_BYTES_MIN:
            problem = f"must be at least {MEMORY_BYTES_MIN:,}, not {size_bytes:,}"
            raise InvalidInputError(problem, path="size_bytes")
        return self._parts.engine.memory.keeper.resize(size_bytes)

    def audit(self, *, repair: bool = False) -> Sequence[AuditReport]:
        """Check every reference and every checksum; takes as long as reading everything.

        With `repair`, what can be mended is, and the reports have what is left.
        """
        return self._run(self._parts.verbs.audit(repair=repair))

    def compact(self) -> None:
        """Seal, defragment and give disk space back now instead of in the background."""
        self._run(self._parts.verbs.compact())

    def close(self) -> None:
        """Stop; whatever was acknowledged is on the disk already."""
        if self._is_closed:
            return
        self._is_closed = True
        for shard in self._parts.shards:
            shard.close()
        self._parts.verbs.working_sets.clear()
        self._parts.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _settings(self) -> Settings:
        return self._parts.engine.settings

    @property
    def _page_max(self) -> int:
        return self._settings.store.page_max

    def _run(self, steps: Generator[Step, Any, T]) -> T:
        return self._driver.run(steps)

    def _written(self, contents: Contents, steps: Generator[Step, Any, T]) -> T:
        with self._parts.engine.memory.write(contents.size_bytes):
            return self._run(steps)

    def _require_open(self) -> None:
        if self._is_closed:
            problem = f"the store {self.path} is closed"
            raise InvalidInputError(problem)

    def _key(self, id: str) -> ContextKey:  # noqa: A002  # as above
        return ContextKey(self.tenant, id)

    def _id(self, given: str | None, idempotency_key: str | None) -> str:
        if given is not None:
            return given
        if idempotency_key is None:
            return self._parts.new_id()
        return id_of_key(self.tenant, idempotency_key)  # asked again, it is the same context

    def _life(self, ttl_s: float | None, pinned_s: float | None) -> Life:
        pinned_ms = _milliseconds(pinned_s)
        until = pinned_ms and self._parts.wall.unix_ms() + pinned_ms
        return Life(ttl_ms=_milliseconds(ttl_s), pinned_until_ms=until)

    def _about(
        self, title: str, metadata: Mapping[str, Any] | None, *, is_kept: bool = False
    ) -> Segment | None:
        if metadata is not None and not isinstance(metadata, Mapping):
            problem = f"must be an object with names and values, not {type(metadata).__name__}"
            raise InvalidInputError(problem, path="metadata")
        size_max = self._settings.store.metadata_bytes_max
        return about_segment(title, metadata or {}, size_bytes_max=size_max, is_kept=is_kept)


def _title_of(document: DocumentInput | None) -> str:
    return "" if document is None else document_of(document).title


def _milliseconds(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not 0 <= seconds <= 1e9:  # noqa: PLR2004  # 30 years; NaN fails too
        problem = f"must be a number of seconds from 0 to 1e9, not {seconds!r}"
        raise InvalidInputError(problem, path="seconds")
    return whole_milliseconds(seconds)
