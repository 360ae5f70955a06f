"""What callers can do with stored contexts, written once for every way to reach a shard.

A verb is a generator: it yields what it needs (an operation for a shard, the same operation for
all shards, some computing) and is sent the result. `Store` drives verbs against shards in this
process, the gateway against actors, a test against a dict.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tierfold.config import Limits, StoreLimits
from tierfold.context import Source, Tokenizer
from tierfold.context.canonical import utf8
from tierfold.context.handle import Handle
from tierfold.context.identity import ContextKey, require_tenant
from tierfold.context.manifest import NO_CHAIN, chained
from tierfold.context.segment import NAME_BYTES, Item, Segment
from tierfold.context.source import ContextSource
from tierfold.context.stored import ContextInfo
from tierfold.engine.clock import UnixClock
from tierfold.engine.contents import Contents
from tierfold.engine.questions import SESSION, Freshness, Hurry, Questions, ReadAccount, Ready
from tierfold.engine.request_memory import RequestMemory
from tierfold.engine.shard.operations import (
    Append,
    Audit,
    AuditReport,
    Changed,
    Compact,
    Create,
    Delete,
    GetInfo,
    GetTiers,
    GetVersion,
    Hit,
    Hits,
    Items,
    Keyed,
    ListContexts,
    Listed,
    Need,
    Patch,
    ReadHandle,
    ReadItems,
    Replace,
    Restored,
    Search,
    TiersReport,
    Version,
)
from tierfold.engine.steps import Ask, AskAll, Build, Compute, Step, require_result
from tierfold.engine.working import Loaded, WorkingSets
from tierfold.errors import (
    ContextExistsError,
    InvalidInputError,
    OverloadError,
    TooLargeError,
    UnknownContextError,
)
from tierfold.ports import Clock, WallClock

__all__ = [
    "ANY_CONDITION",
    "SESSION",
    "Ask",
    "AskAll",
    "Build",
    "Compute",
    "Condition",
    "Freshness",
    "Hurry",
    "Life",
    "ReadAccount",
    "Ready",
    "Step",
    "Verbs",
    "require_result",
]

_WALL = UnixClock()
_REPLACE_TRIES = 8  # while others make and delete the context
_RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a change may be made, and under which key."""

    if_version: int | None = None
    keyed: Keyed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How long a context lives and how long it stays in the upper tiers; None changes nothing."""

    ttl_ms: int | None = None  # after its last change; 0 is for ever
    pinned_until_ms: int | None = None  # Unix time; 0 unpins


ANY_CONDITION = Condition()


class Verbs:
    """The verbs of one process: its working sets, its clock, its limits."""

    def __init__(
        self,
        *,
        working_sets: WorkingSets,
        clock: Clock,
        limits: Limits,
        store_limits: StoreLimits,
        wall: WallClock = _WALL,
        memory: RequestMemory | None = None,
    ) -> None:
        self.working_sets = working_sets
        self._clock = clock
        self._store = store_limits
        self._questions = Questions(
            working_sets,
            clock=clock,
            wall=wall,
            limits=limits,
            session_age_ms_max=store_limits.session_age_ms_max,
            memory=memory,
        )

    def create(
        self,
        key: ContextKey,
        contents: Contents,
        *,
        about: Segment | None = None,
        life: Life | None = None,
        keyed: Keyed | None = None,
    ) -> Generator[Step, Any, Changed]:
        """Store a new context; raises ContextExistsError."""
        self._require_storable(contents.items)
        life = life or Life()
        create = Create(
            context=key,
            shape=contents.shape,
            items=contents.items,
            about=about,
            ttl_ms=life.ttl_ms or 0,
            pinned_until_ms=life.pinned_until_ms or 0,
            keyed=keyed,
        )
        changed: Changed = yield from self._change(create, self._clock.now_ms())
        return changed

    def restore(
        self,
        key: ContextKey,
        contents: Contents,
        restored: Restored,
        *,
        about: Segment | None = None,
        life: Life,
        replaces: int | None = None,
    ) -> Generator[Step, Any, Changed]:
        """Store a context as it was before, in the place of a version or where there is none.

        Raises ContextExistsError, or VersionConflictError where `replaces` is not there any more.
        """
        operation = Create(
            context=key,
            shape=contents.shape,
            items=contents.items,
            about=about,
            ttl_ms=life.ttl_ms or 0,
            pinned_until_ms=life.pinned_until_ms or 0,
            replaces=replaces,
            restored=restored,
        )
        changed: Changed = yield from self._change(operation, self._clock.now_ms())
        return changed

    def append(
        self, key: ContextKey, added: Contents, condition: Condition = ANY_CONDITION
    ) -> Generator[Step, Any, Changed]:
        """Add items; raises UnknownContextError, VersionConflictError or KeyReusedError."""
        items = added.items
        self._require_storable(items)
        append = Append(
            context=key,
            shape=added.shape,
            items=items,
            if_version=condition.if_version,
            keyed=condition.keyed,
        )
        asked_ms = self._clock.now_ms()
        changed: Changed = yield from self._change(append, asked_ms)
        if items:
            yield from self._questions.follow(key, changed, items, asked_ms)
        return changed

    def replace(
        self,
        key: ContextKey,
        contents: Contents,
        condition: Condition = ANY_CONDITION,
        *,
        about: Segment | None = None,
    ) -> Generator[Step, Any, Changed]:
        """Make the list these items, creating the context where there is none.

        Only what the shard does not have is sent to it. `about` counts where it is created. Raises
        OverloadError where others make and delete the context all the time.
        """
        self._require_storable(contents.items)
        if condition.if_version:
            return (yield from self._replaced(key, contents, condition, about))
        for _ in range(_REPLACE_TRIES):
            with suppress(UnknownContextError, ContextExistsError):  # deleted or made meanwhile
                return (yield from self._replaced(key, contents, condition, about))
        raise OverloadError(retry_after_s=_RETRY_AFTER_S)

    def _replaced(
        self,
        key: ContextKey,
        contents: Contents,
        condition: Condition,
        about: Segment | None,
    ) -> Generator[Step, Any, Changed]:
        """Make the list these items, of the context as it is found now."""
        asked_ms = self._clock.now_ms()
        try:
            version: Version = yield Ask(key.slot, GetVersion(context=key))
        except UnknownContextError:
            if condition.if_version:
                raise
            return (yield from self.create(key, contents, about=about, keyed=condition.keyed))
        added = contents.items[version.items :]
        names = contents.names[: version.items]
        is_longer: bool = yield Compute(
            lambda: chained(NO_CHAIN, names) == version.chain, NAME_BYTES * len(names)
        )
        sent = added if is_longer else ()
        changed = yield from self._sent(key, contents, condition, sent, asked_ms)
        if is_longer and added:
            yield from self._questions.follow(key, changed, added, asked_ms)
        return changed

    def _sent(
        self,
        key: ContextKey,
        contents: Contents,
        condition: Condition,
        sent: tuple[Item, ...],
        asked_ms: float,
    ) -> Generator[Step, Any, Changed]:
        """Send the list with these items; where the shard lacks others, once more with those."""
        while True:
            operation = Replace(
                context=key,
                shape=contents.shape,
                names=contents.names,
                items=sent,
                size_bytes=contents.size_bytes,
                if_version=condition.if_version,
                keyed=condition.keyed,
            )
            answer: Changed | Need = yield from self._change(operation, asked_ms)
            if isinstance(answer, Changed):
                return answer
            missing = set(answer.names)
            sent = (*sent, *(i for i in contents.items if i.segment.name in missing))

    def patch(
        self,
        key: ContextKey,
        *,
        about: Segment | None = None,
        life: Life | None = None,
        condition: Condition = ANY_CONDITION,
    ) -> Generator[Step, Any, Changed]:
        """Change title, metadata, life or pin."""
        life = life or Life()
        patch = Patch(
            context=key,
            about=about,
            ttl_ms=life.ttl_ms,
            pinned_until_ms=life.pinned_until_ms,
            if_version=condition.if_version,
            keyed=condition.keyed,
        )
        changed: Changed = yield from self._change(patch, self._clock.now_ms())
        return changed

    def _change(
        self, operation: Create | Append | Replace | Patch, asked_ms: float
    ) -> Generator[Step, Any, Any]:
        """Have a change made; no working set that is older answers a question here after it."""
        key = operation.context
        answer: Changed | Need = yield Ask(key.slot, operation)
        if isinstance(answer, Changed):
            made_ms, version = self._clock.now_ms(), answer.info.version
            self.working_sets.changed(key, version, asked_ms=asked_ms, made_ms=made_ms)
        return answer

    def delete(self, key: ContextKey, if_version: int | None = None) -> Generator[Step, Any, None]:
        """Remove the context from every tier; raises UnknownContextError."""
        self.working_sets.drop(key)
        yield Ask(key.slot, Delete(context=key, if_version=if_version))
        self.working_sets.deleted(key, self._clock.now_ms())

    def info(self, key: ContextKey) -> Generator[Step, Any, ContextInfo]:
        """Return what is known of a context without its items."""
        info: ContextInfo = yield Ask(key.slot, GetInfo(context=key))
        return info

    def items(
        self,
        key: ContextKey,
        start: int = 0,
        stop: int | None = None,
        *,
        bytes_max: int | None = None,
    ) -> Generator[Step, Any, Items]:
        """Read a range of items, and from the disk no more than that.

        With `bytes_max` the range ends before the item that would pass it, behind one at least.
        """
        if start < 0 or (stop is not None and stop < 0):
            problem = f"items are counted from 0, and there is none before that: {start}, {stop}"
            raise InvalidInputError(problem, path="start" if start < 0 else "stop")
        operation = ReadItems(context=key, start=start, stop=stop, bytes_max=bytes_max)
        items: Items = yield Ask(key.slot, operation)
        return items

    def handle(
        self,
        tenant: str,
        text: str,
        *,
        items_max: int | None = None,
        bytes_max: int | None = None,
    ) -> Generator[Step, Any, Items]:
        """Read the items a handle points into, or the first of them; raises UnknownHandleError."""
        require_tenant(tenant)
        slot = Handle.decode(text).slot
        operation = ReadHandle(tenant=tenant, handle=text, items_max=items_max, bytes_max=bytes_max)
        items: Items = yield Ask(slot, operation)
        return items

    def listing(
        self, tenant: str, *, after: str = "", limit: int = 20, descending: bool = False
    ) -> Generator[Step, Any, Listed]:
        """List a tenant's contexts by id, one page; `after` is the last id of the one before."""
        require_tenant(tenant)
        if after:
            ContextKey(tenant, after)  # what could not be an id is no place to go on from
        limit = self._page(limit)
        pages: list[Listed] = yield AskAll(
            ListContexts(tenant=tenant, after=after, limit=limit, descending=descending)
        )
        found = sorted(
            (info for page in pages for info in page.contexts),
            key=lambda info: info.id,
            reverse=descending,
        )
        has_more = len(found) > limit or any(page.has_more for page in pages)
        shown = tuple(found[:limit])
        damaged = sorted({each for page in pages for each in page.damaged}, reverse=descending)
        if has_more and shown:  # what lies behind the page comes with the next one
            last = shown[-1].id
            damaged = [each for each in damaged if (each > last if descending else each < last)]
        return Listed(contexts=shown, has_more=has_more, damaged=tuple(damaged))

    def search(self, tenant: str, query: str, limit: int = 10) -> Generator[Step, Any, Hits]:
        """Find a tenant's segments by the words of a query."""
        require_tenant(tenant)
        utf8(query, path="query")
        limit = self._page(limit)
        found: list[Hits] = yield AskAll(Search(tenant=tenant, query=query, limit=limit))
        return Hits(
            hits=tuple(sorted(_all_hits(found), key=_by_score)[:limit]),
            segments_waiting=sum(hits.segments_waiting for hits in found),
        )

    def tiers(self) -> Generator[Step, Any, list[TiersReport]]:
        """Return the report of every shard."""
        reports: list[TiersReport] = yield AskAll(GetTiers())
        return reports

    def audit(self, *, repair: bool = False) -> Generator[Step, Any, list[AuditReport]]:
        """Check every reference and checksum of every shard; mend what can be."""
        reports: list[AuditReport] = yield AskAll(Audit(repair=repair))
        return reports

    def compact(self) -> Generator[Step, Any, None]:
        """Seal, defragment and give disk space back now."""
        yield AskAll(Compact())

    def ready(
        self,
        tenant: str,
        sources: Sequence[Source | ContextSource],
        *,
        tokenizer: Tokenizer,
        freshness: Freshness = SESSION,
        hurry: Hurry | None = None,
        may_read_less: bool = False,
    ) -> Generator[Step, Any, Ready]:
        """Read every stored context among the sources; one alone comes with its working set.

        In a hurry only the newest part is read of what would take too long; with `may_read_less`
        also of what there is no memory for, which raises OverloadError or TooLargeError else.
        """
        return self._questions.ready(
            tenant,
            sources,
            tokenizer=tokenizer,
            freshness=freshness,
            hurry=hurry,
            may_read_less=may_read_less,
        )

    def working(
        self, key: ContextKey, tokenizer: Tokenizer, freshness: Freshness = SESSION
    ) -> Generator[Step, Any, tuple[Loaded, ReadAccount]]:
        """Return a context's working set, as fresh as asked; the account says where it was."""
        return self._questions.working(key, tokenizer, freshness)

    def _page(self, limit: int) -> int:
        """Return how many entries an answer has at most; raises InvalidInputError for none."""
        if limit < 1:
            problem = f"must be at least 1, not {limit}"
            raise InvalidInputError(problem, path="limit")
        return min(limit, self._store.page_max)

    def _require_storable(self, items: tuple[Item, ...]) -> None:
        for index, item in enumerate(items):
            if item.size_bytes > self._store.item_bytes_max:
                raise TooLargeError(
                    what=f"bytes of item {index}",
                    size=item.size_bytes,
                    limit=self._store.item_bytes_max,
                )


def _all_hits(found: Sequence[Hits]) -> Iterator[Hit]:
    return (hit for hits in found for hit in hits.hits)


def _by_score(hit: Hit) -> tuple[float, str, int]:
    return -hit.score, hit.context, hit.item
