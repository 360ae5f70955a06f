"""Bringing contexts back out of a backup: every byte is checked before it counts.

Each context is one change: it is there as it was, or as it is now, never half of it. What is there
already and equal is left alone, so a restore that broke off goes on when it is begun again.
"""

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tierfold.context.identity import ContextKey
from tierfold.context.segment import Item
from tierfold.context.stored import ContextInfo
from tierfold.engine.backup.reading import BackupReader, read_manifest
from tierfold.engine.backup.records import ContextRecord, is_same, record_of
from tierfold.engine.backup.reports import BackupProgress, Damage, RestoreReport
from tierfold.engine.backup.world import BackupWorld
from tierfold.engine.contents import Contents
from tierfold.engine.shard.operations import Changed, Restored
from tierfold.engine.verbs import Life, Step
from tierfold.errors import (
    CallerError,
    ContextExistsError,
    CorruptError,
    InvalidInputError,
    RestoreConflictError,
    TierfoldError,
    UnknownContextError,
    VersionConflictError,
)

IfExists = Literal["fail", "skip", "replace"]
IF_EXISTS: Final[tuple[IfExists, ...]] = ("fail", "skip", "replace")

_TOGETHER_MAX: Final = 512  # contexts that are written with one call
_TOGETHER_BYTES_MAX: Final = 4 << 20
_LOOKED_AT_MAX: Final = 256  # contexts whose state is asked for with one call
_NAMED_MAX: Final = 5
_TRIES_MAX: Final = 8  # while others change the context

Present = ContextInfo | CorruptError | None  # what stands under the id of a context to restore
RestoreSteps = Generator[BackupProgress, None, RestoreReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """What is brought back, and what happens to what stands in its way."""

    only: Collection[str] = ()  # ids; empty is all
    if_exists: IfExists = "fail"
    expired: bool = False  # also what has outlived its time: its life begins anew


def restore(world: BackupWorld, backup: str, options: RestoreOptions) -> RestoreSteps:
    """Restore a backup, step by step; returns what it came to.

    Raises RestoreConflictError and UnknownContextError before anything is written, and
    UnknownBackupError, CorruptError or FormatTooNewError for a backup that cannot be read at all.
    """
    if options.if_exists not in IF_EXISTS:
        problem = f"must be one of {', '.join(IF_EXISTS)}, not {options.if_exists!r}"
        raise InvalidInputError(problem, path="if_exists")
    return (yield from _Restoration(world, backup, options).steps())


@dataclass(slots=True)
class _Counts:
    restored: int = 0
    replaced: int = 0
    identical: int = 0
    skipped: int = 0
    expired: int = 0
    items: int = 0
    size_bytes: int = 0
    damaged: list[Damage] = field(default_factory=list)

    @property
    def contexts(self) -> int:
        """All that were dealt with."""
        written = self.restored + self.replaced + self.identical
        return written + self.skipped + self.expired + len(self.damaged)


class _Restoration:
    """One restore."""

    def __init__(self, world: BackupWorld, backup: str, options: RestoreOptions) -> None:
        self._world = world
        self._options = options
        self._began_ms = world.clock.now_ms()
        self._reader = BackupReader(world, read_manifest(world, backup))
        self._reader.packs()
        self._only = set(options.only)
        self._counts = _Counts()

    def steps(self) -> RestoreSteps:
        """Look whether it can be done, then do it."""
        if self._only or self._options.if_exists == "fail":
            for _ in self._looked_through():
                yield self._progress()
        for together in self._batches():
            self._bring_back(together)
            yield self._progress()
        return self._report()

    def _looked_through(self) -> Iterator[None]:
        """Raise where it cannot be done as asked."""
        missing = set(self._only)
        conflicts, example = 0, ""
        for records in _cut(self._wanted(), _LOOKED_AT_MAX):
            missing -= {record.id for record in records}
            if self._options.if_exists == "fail":
                for record, present in zip(records, self._present(records), strict=True):
                    is_free = present is None or self._is_there(record, present)
                    if not is_free:
                        conflicts, example = conflicts + 1, example or record.id
            yield
        if missing:
            named = ", ".join(repr(each) for each in sorted(missing)[:_NAMED_MAX])
            problem = f"the backup has no context {named}; nothing was restored"
            raise InvalidInputError(problem, path="only")
        if conflicts:
            raise RestoreConflictError(contexts=conflicts, example=example)

    def _wanted(self, damaged: list[Damage] | None = None) -> Iterator[ContextRecord]:
        """Yield the records that are asked for; where some cannot be read, that is noted."""
        for each in self._reader.records():
            if isinstance(each, Damage):
                if damaged is not None:
                    damaged.append(each)
            elif not self._only or each.id in self._only:
                yield each

    def _batches(self) -> Iterator[list[ContextRecord]]:
        """Yield records that are written together; a large one is alone."""
        together: list[ContextRecord] = []
        size_bytes = 0
        for record in self._wanted(self._counts.damaged):
            size_bytes += record.size_bytes
            is_full = len(together) == _TOGETHER_MAX or size_bytes > _TOGETHER_BYTES_MAX
            if together and is_full:
                yield together
                together, size_bytes = [], record.size_bytes
            together.append(record)
        if together:
            yield together

    def _bring_back(self, records: Sequence[ContextRecord]) -> None:
        """Write those that are to be written."""
        writes: list[tuple[ContextRecord, Present, Contents]] = []
        for record, present in zip(records, self._present(records), strict=True):
            if not self._is_to_be_written(record, present):
                continue
            contents = self._read(record)
            if contents is not None:
                writes.append((record, present, contents))
        steps = [self._writing(*each) for each in writes]
        for (record, present, contents), outcome in zip(
            writes, self._world.driver.run_all(steps), strict=True
        ):
            self._note(record, present, contents, outcome)

    def _is_to_be_written(self, record: ContextRecord, present: Present) -> bool:
        """Decide what becomes of a context, and count it where nothing is done."""
        if self._is_there(record, present):
            self._counts.identical += 1
        elif self._is_over(record) and not self._options.expired:
            self._counts.expired += 1
        elif present is not None and self._options.if_exists != "replace":
            self._counts.skipped += 1
        else:
            return True
        return False

    def _read(self, record: ContextRecord) -> Contents | None:
        """Return a context's items; None where not all of them are whole."""
        items: list[Item] = []
        try:
            items.extend(self._reader.items(record))
        except CorruptError as error:
            problem = f"{error.what}: {error.problem}"
            self._counts.damaged.append(Damage(context=record.id, problem=problem))
            return None
        return Contents(shape=record.shape, items=tuple(items))

    def _writing(
        self, record: ContextRecord, present: Present, contents: Contents
    ) -> Generator[Step, Any, Changed]:
        """Return the verb that writes a context; of one that is damaged nothing is kept."""
        if isinstance(present, CorruptError):
            yield from self._world.verbs.delete(self._key(record))
            present = None
        now_ms = self._world.wall.unix_ms()
        is_pinned = record.pinned_until_ms > now_ms
        updated_ms = now_ms if self._is_over(record) else record.updated_ms
        steps = self._world.verbs.restore(
            self._key(record),
            contents,
            Restored(version=record.version, created_ms=record.created_ms, updated_ms=updated_ms),
            about=record.about_segment(),
            life=Life(
                ttl_ms=record.ttl_ms,
                pinned_until_ms=record.pinned_until_ms if is_pinned else 0,
            ),
            replaces=None if present is None else present.version,
        )
        return (yield from steps)

    def _note(
        self,
        record: ContextRecord,
        present: Present,
        contents: Contents,
        outcome: Changed | TierfoldError,
    ) -> None:
        """Count what became of a change; one that met another change is made again."""
        for _ in range(_TRIES_MAX):
            if not isinstance(outcome, _MET):
                break
            (present,) = self._present([record])
            if not self._is_to_be_written(record, present):
                return
            (outcome,) = self._world.driver.run_all([self._writing(record, present, contents)])
        if isinstance(outcome, CallerError):  # this store's limits are lower
            self._counts.damaged.append(Damage(context=record.id, problem=str(outcome)))
            return
        if isinstance(outcome, TierfoldError):
            raise outcome
        self._counts.restored += present is None
        self._counts.replaced += present is not None
        self._counts.items += record.items
        self._counts.size_bytes += record.size_bytes

    def _present(self, records: Sequence[ContextRecord]) -> list[Present]:
        """Return what stands under the ids of some records."""
        verbs = [self._world.verbs.info(self._key(record)) for record in records]
        return [_known(outcome) for outcome in self._world.driver.run_all(verbs)]

    def _is_there(self, record: ContextRecord, present: Present) -> bool:
        if present is None or isinstance(present, CorruptError):
            return False
        return is_same(record, present.head, record_of(present).about)

    def _is_over(self, record: ContextRecord) -> bool:
        return bool(record.ttl_ms) and record.expires_ms <= self._world.wall.unix_ms()

    def _key(self, record: ContextRecord) -> ContextKey:
        return ContextKey(self._world.tenant, record.id)

    def _progress(self) -> BackupProgress:
        info = self._reader.manifest.info
        return BackupProgress(
            contexts=self._counts.contexts,
            contexts_total=len(self._only) or info.contexts,
            size_bytes=self._counts.size_bytes,
        )

    def _report(self) -> RestoreReport:
        counts = self._counts
        return RestoreReport(
            backup=self._reader.manifest.info.id,
            restored=counts.restored,
            replaced=counts.replaced,
            identical=counts.identical,
            skipped=counts.skipped,
            expired=counts.expired,
            items=counts.items,
            size_bytes=counts.size_bytes,
            damaged=tuple(counts.damaged),
            elapsed_ms=self._world.clock.now_ms() - self._began_ms,
        )


_MET = (ContextExistsError, VersionConflictError, UnknownContextError)


def _known(outcome: ContextInfo | TierfoldError) -> Present:
    if isinstance(outcome, UnknownContextError):
        return None
    if isinstance(outcome, CorruptError):
        return outcome
    if isinstance(outcome, TierfoldError):
        raise outcome
    return outcome


def _cut(records: Iterator[ContextRecord], size: int) -> Iterator[list[ContextRecord]]:
    together: list[ContextRecord] = []
    for record in records:
        together.append(replace(record, names=b"", runs=()))  # only its head is looked at
        if len(together) == size:
            yield together
            together = []
    if together:
        yield together
