"""Stored contexts made ready for questions: held in this process, and as fresh as is asked.

What is held is extended by the appends that are made from here. No answer is older than a change
that was made from here; those made elsewhere are seen when home is asked. Where there is no time
or no memory to make a working set, the newest items are read alone.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tierfold.config import Limits
from tierfold.context import Budget, Source, Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Shape, chained
from tierfold.context.segment import Item, joined
from tierfold.context.source import ContextSource
from tierfold.context.stored import Consistency, ContextInfo
from tierfold.engine.request_memory import Reading, ReadLease, RequestMemory
from tierfold.engine.shard.heads import is_over
from tierfold.engine.shard.operations import (
    Changed,
    GetInfo,
    GetVersion,
    Items,
    NewestItems,
    ReadNewest,
    ReadSince,
    Version,
)
from tierfold.engine.sources import Found, SourceRead, newest_of
from tierfold.engine.steps import Ask, Build, Compute, Step
from tierfold.engine.working import (
    Held,
    Loaded,
    Partial,
    WorkingSets,
    extended,
    map_shared,
    partial_of,
)
from tierfold.errors import CorruptError, TierfoldError, UnknownContextError
from tierfold.memory.lifecycle.acquisition import Claim, split
from tierfold.ports import Clock, WallClock
from tierfold.processing import Newest, may_read_less

_MAPPED_HERE_BYTES_MAX = 4 << 20  # of a context: mapping the set of a larger one is felt
_MAPPED_PER_BUILT = 100  # bytes are mapped in the time that one takes to build
_DECODED_PER_BUILT = 8  # likewise
_TEXT_EXTENDED_BYTES_MAX = 64 << 10  # a text is cut anew when it grows: a larger one is built


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
    part: Newest | None = None  # what the sources are of the whole, where not all was read


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a stored context may be for this caller."""

    consistency: Consistency = "session"
    version_seen: int = 0  # never older than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Hurry:
    """A question's deadline, and what can be done till then."""

    deadline_ms: float  # on the monotonic clock
    characters_in_time: Callable[[float], int]  # that can be read and ranked in so many ms

    @classmethod
    def of(
        cls,
        budget: Budget,
        *,
        began_ms: float,
        stages: Sequence[str],
        bypass: bool,
        characters_in_time: Callable[[float], int],
    ) -> "Hurry | None":
        """Return the hurry of a question that began then; None where all is to be read."""
        if budget.latency_ms is None or not may_read_less(budget, stages=stages, bypass=bypass):
            return None
        return cls(deadline_ms=began_ms + budget.latency_ms, characters_in_time=characters_in_time)


SESSION = Freshness()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    """How much of a context is to be read."""

    bytes_max: int | None = None  # that there is time for; None where all is to be read
    may_read_less: bool = False  # where there is no memory for all


_ALL = _Extent()


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
        memory: RequestMemory | None,
    ) -> None:
        self.working_sets = working_sets
        self._memory = memory
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
        hurry: Hurry | None = None,
        may_read_less: bool = False,
    ) -> Generator[Step, Any, Ready]:
        """Read every stored context among the sources; one alone comes with its working set.

        In a hurry, each has its share of the time that is left, by its priority. Where there is no
        memory for all of a context, its newest part is read if `may_read_less`; else it raises
        OverloadError, or TooLargeError where there never could be.
        """
        read: list[SourceRead] = []
        accounts: list[ReadAccount] = []
        loaded = None
        is_for_memory = False
        waiting = [source.priority for source in sources if isinstance(source, ContextSource)]
        for source in sources:
            if not isinstance(source, ContextSource):
                read.append(SourceRead.of(source))
                continue
            bytes_max = None if hurry is None else self._bytes_in_time(hurry, waiting)
            extent = _Extent(bytes_max=bytes_max, may_read_less=may_read_less)
            del waiting[0]
            key = ContextKey(tenant, source.id)
            found, account = yield from self._found(key, tokenizer, freshness, extent)
            accounts.append(account)
            read.append(SourceRead.found(found, source.priority))
            loaded = found if isinstance(found, Loaded) else None
            is_for_memory |= isinstance(found, Partial) and found.is_for_memory
        if len(sources) == 1 and loaded is not None:
            return Ready(sources=loaded.prepared.sources, working=loaded, accounts=tuple(accounts))
        part = newest_of(read)
        return Ready(
            sources=tuple(each.excerpt.source for each in read),
            working=None,
            accounts=tuple(accounts),
            part=part and replace(part, is_for_memory=is_for_memory),
        )

    def working(
        self, key: ContextKey, tokenizer: Tokenizer, freshness: Freshness = SESSION
    ) -> Generator[Step, Any, tuple[Loaded, ReadAccount]]:
        """Return a context's working set, as fresh as asked; the account says where it was."""
        found, account = yield from self._found(key, tokenizer, freshness, _ALL)
        assert isinstance(found, Loaded), "without haste all is read"
        return found, account

    def _bytes_in_time(self, hurry: Hurry, waiting: Sequence[float]) -> int:
        """Return how much may be read of the first that waits, by the priorities of all that do.

        Most texts have one byte a character.
        """
        remaining_us = max(0, int(1000 * (hurry.deadline_ms - self._clock.now_ms())))
        claims = [Claim(size=remaining_us, priority=priority) for priority in waiting]
        return hurry.characters_in_time(split(remaining_us, claims)[0] / 1000)

    def _found(
        self, key: ContextKey, tokenizer: Tokenizer, freshness: Freshness, extent: _Extent
    ) -> Generator[Step, Any, tuple[Found, ReadAccount]]:
        held = self.working_sets.get(key, tokenizer)
        if held is None:
            return (yield from self._read(key, tokenizer, None, extent))
        age_ms = self._clock.now_ms() - held.checked_ms
        if self._is_fresh(held, age_ms, freshness):
            return held.loaded, _account(held.loaded.info, "L0", age_ms)
        began_ms = self._clock.now_ms()
        try:
            version: Version = yield Ask(key.slot, GetVersion(context=key))
        except UnknownContextError:
            self.working_sets.drop(key)
            raise
        if version == _state(held.loaded):
            self.working_sets.confirm(key, tokenizer, began_ms)
            return held.loaded, _account(held.loaded.info, "L0", 0.0)
        return (yield from self._read(key, tokenizer, held.loaded, extent))

    def _is_fresh(self, held: Held, age_ms: float, freshness: Freshness) -> bool:
        head = held.loaded.info.head
        if head.version < freshness.version_seen or is_over(head, self._wall.unix_ms()):
            return False
        if freshness.consistency == "any":
            return True
        is_young = held.is_current and age_ms <= self._session_age_ms_max
        return is_young and freshness.consistency == "session"

    def _read(
        self, key: ContextKey, tokenizer: Tokenizer, held: Loaded | None, extent: _Extent
    ) -> Generator[Step, Any, tuple[Found, ReadAccount]]:
        """Bring a working set up from below, or up to date where one is held.

        The memory for it is leased before; what is held already is extended within its own.
        """
        began_ms = self._clock.now_ms()
        if self._memory is None or (held is not None and not _is_cut_anew(held)):
            found, account = yield from self._brought(key, tokenizer, held, extent)
            if isinstance(found, Loaded):
                self.working_sets.put(key, tokenizer, found, checked_ms=began_ms)
            return found, account
        info: ContextInfo = yield Ask(key.slot, GetInfo(context=key))
        lease, extent = _leased(self._memory, info, extent)
        try:
            found, account = yield from self._brought(key, tokenizer, held, extent)
        except BaseException:
            lease.release()
            raise
        is_kept = isinstance(found, Loaded) and not self.working_sets.put(
            key, tokenizer, found, checked_ms=began_ms
        )
        _settle(lease, found, account, is_kept=is_kept)
        if isinstance(found, Partial):
            found = replace(found, is_for_memory=lease.is_degraded)
        return found, account

    def _brought(
        self, key: ContextKey, tokenizer: Tokenizer, held: Loaded | None, extent: _Extent
    ) -> Generator[Step, Any, tuple[Found, ReadAccount]]:
        asked = self._asked(key, held, tokenizer, extent.bytes_max)
        items: Items | NewestItems = yield Ask(key.slot, asked)
        if isinstance(items, Items) and items.shared:
            loaded = yield from _mapped(items)
            if loaded is not None:
                return loaded, _account(loaded.info, "L1", 0.0)
            asked = replace(asked, shared="")  # gone or damaged: what lies below is sound
            items = yield Ask(key.slot, asked)
        if isinstance(items, NewestItems):
            part = yield from _partial(key, items)
            return part, _account(items.info, items.tier, 0.0)
        is_hurried = extent.bytes_max is not None
        loaded = yield from self._loaded(key, held, items, tokenizer, is_hurried=is_hurried)
        return loaded, _account(loaded.info, items.tier, 0.0)

    def _asked(
        self, key: ContextKey, held: Loaded | None, tokenizer: Tokenizer, bytes_max: int | None
    ) -> ReadSince | ReadNewest:
        known = None if held is None or _is_cut_anew(held) else held.info.head
        items, chain = (known.items, known.chain) if known else (0, b"")
        if bytes_max is None:
            return ReadSince(context=key, items=items, chain=chain, shared=tokenizer)
        return ReadNewest(
            context=key,
            items=items,
            chain=chain,
            size_bytes=known.size_bytes if known else 0,
            shared=tokenizer,
            bytes_max=bytes_max,
            items_max=self._limits.messages_max,
        )

    def _loaded(
        self,
        key: ContextKey,
        held: Loaded | None,
        items: Items,
        tokenizer: Tokenizer,
        *,
        is_hurried: bool,
    ) -> Generator[Step, Any, Loaded]:
        if held is not None and 0 < items.start == held.info.head.items:
            work = _extension(held, items.info, items.bodies, self._limits)
            loaded: Loaded = yield Compute(work, sum(map(len, items.bodies)))
            return loaded
        job = Build(
            info=items.info,
            bodies=items.bodies,
            tokenizer=tokenizer,
            digest=key.digest,
            limits=self._limits,
        )
        # There is time for it, but none to wait behind others that take seconds.
        built: Loaded = yield Compute(job.here, job.size_bytes) if is_hurried else job
        return built

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


def _leased(memory: RequestMemory, info: ContextInfo, extent: _Extent) -> tuple[ReadLease, _Extent]:
    """Lease what reading a context takes, or what can be read of it."""
    size_bytes, bytes_max = info.head.size_bytes, extent.bytes_max
    wanted = size_bytes if bytes_max is None else min(size_bytes, bytes_max)
    reading: Reading = "read/chat" if info.head.shape is Shape.MESSAGES else "read/text"
    wait_ms = memory.wait_ms(None if bytes_max is None else 0.0)
    lease = memory.read(reading, wanted, may_read_less=extent.may_read_less, wait_ms=wait_ms)
    if lease.is_degraded:
        extent = replace(extent, bytes_max=lease.characters)
    return lease, extent


def _settle(lease: ReadLease, found: Found, account: ReadAccount, *, is_kept: bool) -> None:
    """Account for what was read: L0 has a lease of its own, and what it does not hold has this."""
    if not isinstance(found, Loaded):
        lease.release()
        return
    if account.tier == "L1":  # it was made elsewhere
        lease.resize(found.size_bytes)
    else:
        lease.settle(found.size_bytes)
    if is_kept:
        lease.keep(found)
    else:
        lease.release()


def _extension(
    held: Loaded, info: ContextInfo, bodies: tuple[bytes, ...], limits: Limits
) -> Callable[[], Loaded]:
    return lambda: extended(held, info, bodies, limits=limits)


def _body(item: Item) -> bytes:
    """Return the item's whole body, joined where it is split."""
    return joined([piece.body for piece in item.pieces]) if item.pieces else item.segment.body


def _is_cut_anew(held: Loaded) -> bool:
    """Whether what is held does not help to make the next version."""
    head = held.info.head
    return head.shape is Shape.TEXT and head.size_bytes > _TEXT_EXTENDED_BYTES_MAX


def _mapped(items: Items) -> Generator[Step, Any, Loaded | None]:
    """Return the working set in the file that was named, or None where it is gone or damaged."""
    size_bytes = items.info.head.size_bytes
    cost = size_bytes // _MAPPED_PER_BUILT if size_bytes > _MAPPED_HERE_BYTES_MAX else 0
    try:
        loaded: Loaded = yield Compute(lambda: map_shared(Path(items.shared), items.info), cost)
    except CorruptError:
        return None
    return loaded


def _partial(key: ContextKey, found: NewestItems) -> Generator[Step, Any, Partial]:
    def work() -> Partial:
        return partial_of(
            found.info, found.indexes, found.bodies, names=found.names, digest=key.digest
        )

    part: Partial = yield Compute(work, sum(map(len, found.bodies)) // _DECODED_PER_BUILT)
    return part


def _state(loaded: Loaded) -> Version:
    return Version.of(loaded.info.head)


def _account(info: ContextInfo, tier: str, age_ms: float) -> ReadAccount:
    return ReadAccount(id=info.id, version=info.version, tier=tier, checked_ms_ago=age_ms)
