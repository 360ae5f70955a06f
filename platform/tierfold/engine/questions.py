"""Stored contexts made ready for questions: held in this process, and as fresh as is asked.

What is held is extended by the appends that are made from here. No answer is older than a change
that was made from here; those made elsewhere are seen when home is asked.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tierfold.config import Limits
from tierfold.context import Source, Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Shape, chained
from tierfold.context.segment import Item, joined
from tierfold.context.source import ContextSource
from tierfold.context.stored import Consistency, ContextInfo
from tierfold.engine.shard.heads import is_over
from tierfold.engine.shard.operations import Changed, GetVersion, Items, ReadSince, Version
from tierfold.engine.steps import Ask, Compute, Step
from tierfold.engine.working import Held, Loaded, WorkingSets, build, extended, map_shared
from tierfold.errors import CorruptError, TierfoldError, UnknownContextError
from tierfold.ports import Clock, WallClock


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


SESSION = Freshness()


class Questions:
    """The working sets of one process, read and kept up to date by steps."""

    def __init__(
        self,
        working_sets: WorkingSets,
        *,
        clock: Clock,
        wall: WallClock,
        limits: Limits,
        session_age_ms_max: float,
    ) -> None:
        self.working_sets = working_sets
        self._clock = clock
        self._wall = wall
        self._limits = limits
        self._session_age_ms_max = session_age_ms_max

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
        if self._is_fresh(held, age_ms, freshness):
            return held.loaded, _account(held.loaded, "L0", age_ms)
        began_ms = self._clock.now_ms()
        try:
            version: Version = yield Ask(key.slot, GetVersion(context=key))
        except UnknownContextError:
            self.working_sets.drop(key)
            raise
        if version == _state(held.loaded):
            self.working_sets.confirm(key, tokenizer, began_ms)
            return held.loaded, _account(held.loaded, "L0", 0.0)
        return (yield from self._read(key, tokenizer, held.loaded))

    def _is_fresh(self, held: Held, age_ms: float, freshness: Freshness) -> bool:
        head = held.loaded.info.head
        if head.version < freshness.version_seen or is_over(head, self._wall.unix_ms()):
            return False
        if freshness.consistency == "any":
            return True
        is_young = held.is_current and age_ms <= self._session_age_ms_max
        return is_young and freshness.consistency == "session"

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
        if held is not None and 0 < items.start == held.info.head.items:
            return extended(held, items.info, items.bodies, limits=self._limits)
        return build(
            items.info,
            items.bodies,
            tokenizer=tokenizer,
            digest=key.digest,
            limits=self._limits,
        )

    def follow(
        self, key: ContextKey, changed: Changed, items: tuple[Item, ...], asked_ms: float
    ) -> Generator[Step, Any, None]:
        """Extend the working sets held here by what was just appended.

        The change is made: what cannot be extended is read anew when somebody asks.
        """
        holding = self.working_sets.of(key)
        if changed.was_made_before or not holding:
            return
        bodies = tuple(_body(item) for item in items)
        names = [item.segment.name for item in items]
        for tokenizer, held in holding:
            if chained(held.info.head.chain, names) != changed.info.head.chain:
                continue
            if changed.info.head.shape is Shape.TEXT:
                self.working_sets.drop(key)  # all of it is cut anew, when somebody asks
                return
            work = _extension(held, changed.info, bodies, self._limits)
            try:
                loaded = yield Compute(work, sum(map(len, bodies)))
            except TierfoldError:
                self.working_sets.drop(key)
                return
            self.working_sets.put(key, tokenizer, loaded, checked_ms=asked_ms)


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


def _state(loaded: Loaded) -> Version:
    return Version.of(loaded.info.head)


def _account(loaded: Loaded, tier: str, age_ms: float) -> ReadAccount:
    info = loaded.info
    return ReadAccount(id=info.id, version=info.version, tier=tier, checked_ms_ago=age_ms)


def _weighted(source: Source, priority: float) -> Source:
    return source if source.priority == priority else replace(source, priority=priority)
