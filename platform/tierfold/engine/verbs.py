"""What callers can do with stored contexts, written once for every way to reach a shard.

A verb is a generator: it yields what it needs (an operation for a shard, the same operation for
all shards, some computing) and is sent the result. `Store` drives verbs against shards in this
process, the gateway against actors, a test against a dict.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tierfold.config import Limits, StoreLimits
from tierfold.context import Source, Tokenizer
from tierfold.context.handle import Handle
from tierfold.context.identity import ContextKey, require_tenant
from tierfold.context.manifest import NO_CHAIN, Shape, chained
from tierfold.context.segment import Item, Segment, joined
from tierfold.context.source import ContextSource
from tierfold.context.stored import Consistency, ContextInfo
from tierfold.engine.contents import Contents
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
    Operation,
    Patch,
    ReadHandle,
    ReadItems,
    ReadSince,
    Replace,
    Result,
    Search,
    TiersReport,
    Version,
)
from tierfold.engine.working import Loaded, WorkingSets, build, extended, map_shared
from tierfold.errors import CorruptError, TierfoldError, TooLargeError, UnknownContextError
from tierfold.ports import Clock


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this to the shard of a slot; the driver sends back its result or throws its error."""

    slot: int
    operation: Operation


@dataclass(frozen=True, slots=True)
class AskAll:
    """Send this to every shard; the driver sends back all results, in the order of shards."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Compute:
    """Do this somewhere; the driver sends back what it returns, or throws what it raises."""

    work: Callable[[], Any]
    size_bytes: int  # of text it is about: how long it will take


Step = Ask | AskAll | Compute


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAccount:
    """Where a stored context was found for a question."""

    id: str
    version: int
    tier: str  # the lowest tier that had to be read: L0 to L4
    checked_ms_ago: float | None  # since home confirmed the version; None where it never was


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Sources with every stored context in them read."""

    sources: tuple[Source, ...]
    working: Loaded | None  # of the one stored context, where there is nothing else
    accounts: tuple[ReadAccount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a stored context may be for this caller."""

    consistency: Consistency = "session"
    version_seen: int = 0  # never older than this


ANY_CONDITION = Condition()
SESSION = Freshness()


class Verbs:
    """The verbs of one process: its working sets, its clock, its limits."""

    def __init__(
        self,
        *,
        working_sets: WorkingSets,
        clock: Clock,
        limits: Limits,
        store_limits: StoreLimits,
    ) -> None:
        self.working_sets = working_sets
        self._clock = clock
        self._limits = limits
        self._store = store_limits

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
        changed: Changed = yield Ask(
            key.slot,
            Create(
                context=key,
                shape=contents.shape,
                items=contents.items,
                about=about,
                ttl_ms=life.ttl_ms or 0,
                pinned_until_ms=life.pinned_until_ms or 0,
                keyed=keyed,
            ),
        )
        return changed

    def append(
        self, key: ContextKey, added: Contents, condition: Condition = ANY_CONDITION
    ) -> Generator[Step, Any, Changed]:
        """Add items; raises UnknownContextError, VersionConflictError or KeyReusedError."""
        items = added.items
        self._require_storable(items)
        changed: Changed = yield Ask(
            key.slot,
            Append(
                context=key,
                shape=added.shape,
                items=items,
                if_version=condition.if_version,
                keyed=condition.keyed,
            ),
        )
        yield from self._follow(key, changed, items)
        return changed

    def replace(
        self, key: ContextKey, contents: Contents, condition: Condition = ANY_CONDITION
    ) -> Generator[Step, Any, Changed]:
        """Make the list these items, creating the context where there is none.

        Only what the shard does not have is sent to it.
        """
        self._require_storable(contents.items)
        try:
            version: Version = yield Ask(key.slot, GetVersion(context=key))
        except UnknownContextError:
            if condition.if_version:
                raise
            return (yield from self.create(key, contents, keyed=condition.keyed))
        added = contents.items[version.items :]
        is_longer = chained(NO_CHAIN, contents.names[: version.items]) == version.chain
        changed = yield from self._replaced(key, contents, condition, added if is_longer else ())
        if is_longer:
            yield from self._follow(key, changed, added)
        return changed

    def _replaced(
        self,
        key: ContextKey,
        contents: Contents,
        condition: Condition,
        sent: tuple[Item, ...],
    ) -> Generator[Step, Any, Changed]:
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
            answer: Changed | Need = yield Ask(key.slot, operation)
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
        changed: Changed = yield Ask(
            key.slot,
            Patch(
                context=key,
                about=about,
                ttl_ms=life.ttl_ms,
                pinned_until_ms=life.pinned_until_ms,
                if_version=condition.if_version,
                keyed=condition.keyed,
            ),
        )
        return changed

    def delete(self, key: ContextKey, if_version: int | None = None) -> Generator[Step, Any, None]:
        """Remove the context from every tier; raises UnknownContextError."""
        self.working_sets.drop(key)
        yield Ask(key.slot, Delete(context=key, if_version=if_version))
        self.working_sets.drop(key)  # a question may have brought it back meanwhile

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
        operation = ReadItems(context=key, start=start, stop=stop, bytes_max=bytes_max)
        items: Items = yield Ask(key.slot, operation)
        return items

    def handle(self, tenant: str, text: str) -> Generator[Step, Any, Items]:
        """Read the items a handle points into; raises UnknownHandleError."""
        require_tenant(tenant)
        slot = Handle.decode(text).slot
        items: Items = yield Ask(slot, ReadHandle(tenant=tenant, handle=text))
        return items

    def listing(
        self, tenant: str, *, after: str = "", limit: int = 20, descending: bool = False
    ) -> Generator[Step, Any, Listed]:
        """List a tenant's contexts by id; one page."""
        require_tenant(tenant)
        limit = min(limit, self._store.page_max)
        pages: list[Listed] = yield AskAll(
            ListContexts(tenant=tenant, after=after, limit=limit, descending=descending)
        )
        found = sorted(
            (info for page in pages for info in page.contexts),
            key=lambda info: info.id,
            reverse=descending,
        )
        has_more = len(found) > limit or any(page.has_more for page in pages)
        return Listed(contexts=tuple(found[:limit]), has_more=has_more)

    def search(self, tenant: str, query: str, limit: int = 10) -> Generator[Step, Any, Hits]:
        """Find a tenant's segments by the words of a query."""
        require_tenant(tenant)
        limit = min(limit, self._store.page_max)
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
    ) -> Generator[Step, Any, Ready]:
        """Read every stored context among the sources; one alone comes with its working set."""
        read: list[Source] = []
        accounts: list[ReadAccount] = []
        loaded = None
        for source in sources:
            if not isinstance(source, ContextSource):
                read.append(source)
                continue
            key = ContextKey(tenant, source.id)
            loaded, account = yield from self.working(key, tokenizer, freshness)
            accounts.append(account)
            read.append(_weighted(loaded.prepared.sources[0], source.priority))
        if len(sources) == 1 and loaded is not None:
            return Ready(sources=loaded.prepared.sources, working=loaded, accounts=tuple(accounts))
        return Ready(sources=tuple(read), working=None, accounts=tuple(accounts))

    def working(
        self, key: ContextKey, tokenizer: Tokenizer, freshness: Freshness = SESSION
    ) -> Generator[Step, Any, tuple[Loaded, ReadAccount]]:
        """Return a context's working set, as fresh as asked; the account says where it was."""
        held = self.working_sets.get(key, tokenizer)
        if held is None:
            return (yield from self._read(key, tokenizer, None))
        age_ms = self._clock.now_ms() - held.checked_ms
        if self._is_fresh(held.loaded, age_ms, freshness):
            return held.loaded, _account(held.loaded, "L0", age_ms)
        began_ms = self._clock.now_ms()
        try:
            version: Version = yield Ask(key.slot, GetVersion(context=key))
        except UnknownContextError:
            self.working_sets.drop(key)
            raise
        if (version.version, version.chain) == _state(held.loaded):
            self.working_sets.confirm(key, tokenizer, began_ms)
            return held.loaded, _account(held.loaded, "L0", 0.0)
        return (yield from self._read(key, tokenizer, held.loaded))

    def _is_fresh(self, loaded: Loaded, age_ms: float, freshness: Freshness) -> bool:
        if loaded.info.version < freshness.version_seen:
            return False
        if freshness.consistency == "any":
            return True
        return freshness.consistency == "session" and age_ms <= self._store.session_age_ms_max

    def _read(
        self, key: ContextKey, tokenizer: Tokenizer, held: Loaded | None
    ) -> Generator[Step, Any, tuple[Loaded, ReadAccount]]:
        """Bring a working set up from below, or up to date where one is held."""
        began_ms = self._clock.now_ms()
        known = (held.info.head.items, held.info.head.chain) if held else (0, b"")
        items: Items = yield Ask(key.slot, _read_since(key, known, shared=tokenizer))
        loaded = None
        if items.shared:
            try:
                loaded = yield Compute(lambda: map_shared(Path(items.shared), items.info), 0)
            except CorruptError:  # gone or damaged: what lies below is sound
                items = yield Ask(key.slot, _read_since(key, known, shared=""))
        tier = items.tier if loaded is None else "L1"
        if loaded is None:
            size_bytes = sum(map(len, items.bodies))
            loaded = yield Compute(lambda: self._loaded(key, held, items, tokenizer), size_bytes)
        self.working_sets.put(key, tokenizer, loaded, checked_ms=began_ms)
        return loaded, _account(loaded, tier, 0.0)

    def _loaded(
        self, key: ContextKey, held: Loaded | None, items: Items, tokenizer: Tokenizer
    ) -> Loaded:
        if held is not None and items.start == held.info.head.items:
            return extended(held, items.info, items.bodies, limits=self._limits)
        return build(
            items.info,
            items.bodies,
            tokenizer=tokenizer,
            digest=key.digest,
            limits=self._limits,
        )

    def _follow(
        self, key: ContextKey, changed: Changed, items: tuple[Item, ...]
    ) -> Generator[Step, Any, None]:
        """Extend the working sets held here by what was just appended."""
        if changed.was_made_before:
            return
        bodies = tuple(_body(item) for item in items)
        names = [item.segment.name for item in items]
        for tokenizer, held in self.working_sets.of(key):
            if chained(held.info.head.chain, names) != changed.info.head.chain:
                continue
            if changed.info.head.shape is Shape.TEXT:
                self.working_sets.drop(key)  # all of it is cut anew, when somebody asks
                return
            began_ms = self._clock.now_ms()
            work = _extension(held, changed.info, bodies, self._limits)
            loaded = yield Compute(work, sum(map(len, bodies)))
            self.working_sets.put(key, tokenizer, loaded, checked_ms=began_ms)

    def _require_storable(self, items: tuple[Item, ...]) -> None:
        for index, item in enumerate(items):
            if item.size_bytes > self._store.item_bytes_max:
                raise TooLargeError(
                    what=f"bytes of item {index}",
                    size=item.size_bytes,
                    limit=self._store.item_bytes_max,
                )


def require_result(result: Result) -> Any:
    """Return a result, or raise it where it is an error; for drivers."""
    if isinstance(result, TierfoldError):
        raise result
    return result


def _extension(
    held: Loaded, info: ContextInfo, bodies: tuple[bytes, ...], limits: Limits
) -> Callable[[], Loaded]:
    return lambda: extended(held, info, bodies, limits=limits)


def _body(item: Item) -> bytes:
    """Return the item's whole body, joined where it is split."""
    return joined([piece.body for piece in item.pieces]) if item.pieces else item.segment.body


def _read_since(key: ContextKey, known: tuple[int, bytes], *, shared: str) -> ReadSince:
    items, chain = known
    return ReadSince(context=key, items=items, chain=chain, shared=shared)


def _state(loaded: Loaded) -> tuple[int, bytes]:
    head = loaded.info.head
    return head.version, head.chain


def _account(loaded: Loaded, tier: str, age_ms: float) -> ReadAccount:
    info = loaded.info
    return ReadAccount(id=info.id, version=info.version, tier=tier, checked_ms_ago=age_ms)


def _weighted(source: Source, priority: float) -> Source:
    return source if source.priority == priority else replace(source, priority=priority)


def _all_hits(found: Sequence[Hits]) -> Iterator[Hit]:
    return (hit for hits in found for hit in hits.hits)


def _by_score(hit: Hit) -> tuple[float, str, int]:
    return -hit.score, hit.context, hit.item
