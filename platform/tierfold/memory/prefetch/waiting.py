"""Contexts that wait to be brought up: whose hints are followed, in which turn, what came of it.

Pure. Each tenant has a prefetcher of its own: one whose hints are wrong loses no reading ahead but
his own.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum

from tierfold.context import Tokenizer
from tierfold.memory.prefetch.prefetcher import Batch, Hint, Prefetcher
from tierfold.memory.prefetch.record import PrefetchFigures
from tierfold.memory.prefetch.settings import Evidence, PrefetchSettings

Context = tuple[str, bytes]  # tenant and digest

# Outcomes are contexts here, not blocks: a tenant with this many has said enough.
OF_CONTEXTS = PrefetchSettings(
    bytes_min=0, outcomes_min=32, window_outcomes=256, probe_outcomes_min=4, keys_max=1_024
)

_UP, _BELOW = 0, 1


class SkipReason(StrEnum):
    """Why a context is not brought up."""

    UNKNOWN = "unknown"  # there is no such context
    DAMAGED = "damaged"  # what is said of it cannot be read
    OFF = "off"  # too few of the contexts hinted at before were read
    NO_ROOM = "no_room"  # its working set would not fit
    BUSY = "busy"  # enough of this tenant's, or of all, wait already


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLimits:
    """How many may wait, and whose prefetchers are remembered."""

    contexts_max: int = 256
    of_tenant_max: int = 64
    tenants_max: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A context to bring up."""

    context: Context
    tokenizer: Tokenizer  # of the working set to make
    size_bytes: int
    evidence: Evidence
    until_ms: float  # later nobody needs it


@dataclass(frozen=True, slots=True)
class _Planned:
    wanted: Wanted
    batch: Batch


class WaitingContexts:
    """What is hinted at and not brought up yet; bounded, and tenants take turns."""

    def __init__(
        self, settings: PrefetchSettings = OF_CONTEXTS, limits: WaitingLimits | None = None
    ) -> None:
        self._settings = settings
        self._limits = limits or WaitingLimits()
        self._prefetchers: OrderedDict[str, Prefetcher] = OrderedDict()
        self._waiting: OrderedDict[str, OrderedDict[Context, _Planned]] = OrderedDict()
        self._taken: dict[Context, _Planned] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    def hint(self, wanted: Wanted, *, is_up: bool, now_ms: float) -> SkipReason | None:
        """Let a context wait to be brought up; None where it does, is on its way, or is up."""
        tenant, context = wanted.context[0], wanted.context
        if is_up or self.is_waiting(context):
            return None
        limits = self._limits
        waiting = len(self._waiting.get(tenant, ()))
        if self._count >= limits.contexts_max or waiting >= limits.of_tenant_max:
            return SkipReason.BUSY
        prefetcher = self._prefetcher(tenant)
        prefetcher.left([context])  # where it was up and was not read
        hint = Hint(
            evidence=wanted.evidence,
            context=context,
            keys=(context,),
            sizes=(wanted.size_bytes,),
        )
        batch = prefetcher.plan(hint, lambda _: _BELOW, now_ms)
        if batch is None:
            is_on = prefetcher.figures()[wanted.evidence].is_on
            return SkipReason.BUSY if is_on else SkipReason.OFF
        self._waiting.setdefault(tenant, OrderedDict())[context] = _Planned(wanted, batch)
        self._count += 1
        return None

    def is_waiting(self, context: Context) -> bool:
        """Return whether a context waits or is on its way."""
        return context in self._taken or context in self._waiting.get(context[0], ())

    def take(self, now_ms: float) -> Wanted | None:
        """Return the next one to bring up, of each tenant in turn; those that are late are left."""
        while self._waiting:
            tenant, planned = self._waiting.popitem(last=False)
            context, each = planned.popitem(last=False)
            self._count -= 1
            if planned:
                self._waiting[tenant] = planned  # behind the other tenants
            self._taken[context] = each
            if each.wanted.until_ms >= now_ms:
                return each.wanted
            self.ended(context, is_up=False)
        return None

    def ended(self, context: Context, *, is_up: bool) -> None:
        """Note what became of one that was taken."""
        planned = self._taken.pop(context, None)
        if planned is not None:
            failed = () if is_up else (context,)
            self._prefetcher(context[0]).ended(planned.batch, failed=failed)

    def read(self, context: Context, *, is_up: bool) -> None:
        """Note that a context was read as a whole, and whether it was up."""
        prefetcher = self._prefetchers.get(context[0])
        if prefetcher is not None:
            prefetcher.read(None, [context], [0], [_UP if is_up else _BELOW])

    def left(self, contexts: Iterable[Context]) -> None:
        """Note that contexts are up no more."""
        for context in contexts:
            prefetcher = self._prefetchers.get(context[0])
            if prefetcher is not None:
                prefetcher.left([context])

    def is_unread(self, context: Context) -> bool:
        """Return whether a context is brought up, or is being, and was not read yet."""
        prefetcher = self._prefetchers.get(context[0])
        return prefetcher is not None and prefetcher.is_unread(context)

    def figures(self) -> dict[Evidence, PrefetchFigures]:
        """Return what came of each kind of evidence, of all tenants; on where it is for any."""
        every = [each.figures() for each in self._prefetchers.values()]
        return {evidence: _sum([each[evidence] for each in every]) for evidence in Evidence}

    @property
    def coverage(self) -> float | None:
        """Of the reads that were not up before, the share that was brought up in time."""
        used = sum(each.used_keys for each in self.figures().values())
        reads = used + sum(each.missed_keys for each in self._prefetchers.values())
        return used / reads if reads else None

    def _prefetcher(self, tenant: str) -> Prefetcher:
        """Return the tenant's own; the one unused longest is forgotten for a new one."""
        found = self._prefetchers.pop(tenant, None)
        if found is None:
            found = Prefetcher(self._settings, level=_UP)
            if len(self._prefetchers) >= self._limits.tenants_max:
                self._forget_idle()
        self._prefetchers[tenant] = found
        return found

    def _forget_idle(self) -> None:
        """Forget the tenant who has hinted least lately, but none for whom something is brought."""
        prefetchers = self._prefetchers
        idle = next((name for name, each in prefetchers.items() if not each.in_flight_bytes), None)
        if idle is not None:
            del prefetchers[idle]


def _sum(figures: list[PrefetchFigures]) -> PrefetchFigures:
    counted = {
        field.name: sum(getattr(each, field.name) for each in figures)
        for field in fields(PrefetchFigures)
    }
    counted["is_on"] = not figures or any(each.is_on for each in figures)
    return PrefetchFigures(**counted)
