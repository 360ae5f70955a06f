"""The shard: everything stored of some slots, behind one method."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from threading import get_ident
from typing import Any, Protocol, get_args

from tierfold.engine.shard.changing import ChangeStep
from tierfold.engine.shard.core import Core
from tierfold.engine.shard.counting import ReadCounts
from tierfold.engine.shard.making import Maker
from tierfold.engine.shard.operations import (
    Audit,
    AuditReport,
    Changed,
    Changing,
    Compact,
    Deleted,
    Done,
    GetInfo,
    GetTiers,
    GetVersion,
    Hits,
    Items,
    ListContexts,
    NewestItems,
    Operation,
    Prefetch,
    Prefetched,
    ReadHandle,
    ReadItems,
    ReadNewest,
    ReadSince,
    Result,
    Search,
    TiersReport,
)
from tierfold.engine.shard.pending import is_tool_call_pending
from tierfold.engine.shard.pinning import PinLink, Pinning
from tierfold.engine.shard.upkeep.upkeep import ReadsOfTier
from tierfold.errors import SetupError, TierfoldError, TooLargeError
from tierfold.memory.prefetch import Evidence

OPERATIONS_MAX = 4096  # in one call

_CHANGING = get_args(Changing)


class PrefetchLink(Protocol):
    """Prefetching as the shard calls it."""

    def ask(self, operation: Prefetch) -> Prefetched:
        """Take hints, and say what becomes of them."""
        ...


class UpkeepLink(PinLink, Protocol):
    """Upkeep as the shard calls it."""

    def was_changed(self, tenant: str, digest: bytes, *, row_bytes: int, leaves: bool) -> bool:
        """Note a change; returns whether there is something to do at once."""
        ...

    def was_deleted(self, tenant: str, digest: bytes) -> None:
        """Note that a context is gone."""
        ...

    def hint(self, tenant: str, digest: bytes, evidence: Evidence) -> None:
        """Note that a context will be read soon, as a change of it shows."""
        ...

    @property
    def prefetching(self) -> PrefetchLink:
        """What takes hints."""
        ...

    def report(self, reads: Mapping[str, ReadsOfTier] | None = None) -> TiersReport:
        """Return what the tiers hold and what waits."""
        ...

    def audit(self, *, repair: bool = False) -> AuditReport:
        """Hold everything stored against everything else."""
        ...

    def compact(self) -> None:
        """Seal, defragment and give disk space back."""
        ...


class SearchLink(Protocol):
    """The search index as the shard calls it."""

    def find(self, tenant: str, query: str, limit: int) -> Hits:
        """Return the segments that have the words of a query, the best first."""
        ...

    def compact(self) -> None:
        """Remove what is dead; the database is compacted after that."""
        ...


class Shard:
    """Answers operations; safe to call from many threads.

    Changes wait for the disk together, reads for nobody. When a change's result is returned, it
    survives a crash of the machine.
    """

    def __init__(
        self,
        core: Core,
        *,
        upkeep: UpkeepLink,
        search: SearchLink | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """Take the parts; `wake` is called when upkeep has something to do at once."""
        self._core = core
        self._upkeep = upkeep
        self._search = search
        self._wake = wake
        self._reads = ReadCounts()
        self._readers: set[int] = set()  # threads that read now
        self._maker = Maker(core.change_parts, core.parts.committer, core.parts.values)
        self._answers: dict[type[Operation], Callable[[Any], Result]] = {
            GetVersion: core.reader.version,
            GetInfo: core.reader.info,
            ReadItems: core.reader.items,
            ReadSince: core.reader.since,
            ReadNewest: core.reader.newest,
            ReadHandle: core.reader.handle,
            ListContexts: core.listing.page,
            Search: self._found,
            Prefetch: self._prefetched,
            GetTiers: self._tiers,
            Audit: self._audited,
            Compact: self._compacted,
        }

    def call(self, operations: Sequence[Operation]) -> list[Result]:
        """Return one result per operation, in order; what was foreseen to fail is a result too."""
        if len(operations) > OPERATIONS_MAX:
            raise TooLargeError(
                what="operations in one call", size=len(operations), limit=OPERATIONS_MAX
            )
        results: list[Result] = []
        for changes, together in groupby(operations, key=_changes):
            if changes:
                results += self._change(list(together))
            else:
                results += [self._answer(operation) for operation in together]
        return results

    @property
    def reading(self) -> int:
        """How many reads are being answered now."""
        return len(self._readers)

    def close(self) -> None:
        """Refuse changes from now on, and return when those that wait are made."""
        self._core.parts.committer.close()

    def _change(self, operations: Sequence[Any]) -> list[Result]:
        """Make changes together, each on its own."""
        parts = self._core.parts
        pinning = Pinning(self._upkeep, self._core.reader, parts.wall)
        refusals = pinning.refusals(operations)
        asked = [each for at, each in enumerate(operations) if at not in refusals]
        try:
            made = self._maker.make(asked)
        finally:
            parts.blocks.mend(parts.committer)
        for operation, (step, outcome) in zip(asked, made, strict=True):
            pinning.made(operation, outcome)
            if isinstance(outcome, BaseException) and not isinstance(outcome, TierfoldError):
                raise outcome
            if step is not None and step.has_changed:
                self._tell(step, outcome)
        outcomes = iter([outcome for _, outcome in made])
        return [refusals[at] if at in refusals else next(outcomes) for at in range(len(operations))]

    def _tell(self, step: ChangeStep, outcome: Result) -> None:
        """Let upkeep know what was changed."""
        context = step.operation.context
        if isinstance(outcome, Deleted):
            self._upkeep.was_deleted(context.tenant, context.digest)
        elif isinstance(outcome, Changed):
            is_due = self._upkeep.was_changed(
                context.tenant, context.digest, row_bytes=step.rows_bytes, leaves=step.has_left
            )
            if is_tool_call_pending(step.operation):
                self._upkeep.hint(context.tenant, context.digest, Evidence.TOOL_CALL_PENDING)
            if is_due and self._wake is not None:
                self._wake()

    def _answer(self, operation: Operation) -> Result:
        clock, blocks = self._core.parts.clock, self._core.parts.blocks
        began_ms = clock.now_ms()
        reader = get_ident()
        self._readers.add(reader)
        try:
            result = self._answers[type(operation)](operation)
        except TierfoldError as error:
            return error
        finally:
            self._readers.discard(reader)
            blocks.mend(self._core.parts.committer)
        if isinstance(result, Items | NewestItems):
            self._reads.add(result.tier, clock.now_ms() - began_ms)
        return result

    def _found(self, operation: Search) -> Hits:
        if self._search is None:
            problem = "search is switched off in this store's settings"
            raise SetupError(problem)
        return self._search.find(operation.tenant, operation.query, operation.limit)

    def _prefetched(self, operation: Prefetch) -> Prefetched:
        prefetched = self._upkeep.prefetching.ask(operation)
        if prefetched.accepted and self._wake is not None:
            self._wake()
        return prefetched

    def _tiers(self, _: GetTiers) -> TiersReport:
        return self._upkeep.report(self._reads.by_tier())

    def _audited(self, operation: Audit) -> AuditReport:
        return self._upkeep.audit(repair=operation.repair)

    def _compacted(self, _: Compact) -> Done:
        if self._search is not None:
            self._search.compact()
        self._upkeep.compact()
        return Done()


def _changes(operation: Operation) -> bool:
    return isinstance(operation, _CHANGING)
