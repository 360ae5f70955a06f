"""Making a backup: every context at one version, and of its items only what is new is read.

The list of contexts and the list of the backup before are in the same order, so both are read once,
side by side. A context with the same chain is taken over without reading it; one that has grown is
read from where it had ended.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tierfold.context.identity import ContextKey
from tierfold.context.manifest import NO_CHAIN, chained
from tierfold.context.segment import Item, item, kind_of
from tierfold.context.stored import ContextInfo
from tierfold.engine.backup.claims import Claim
from tierfold.engine.backup.layout import made_ms, manifest_object
from tierfold.engine.backup.manifest import BackupManifest, Page
from tierfold.engine.backup.packing import BodyPacker, Putting, RecordPacker, put_table
from tierfold.engine.backup.reading import BackupReader, backup_ids, newest_readable
from tierfold.engine.backup.records import ContextRecord, Runs, record_of
from tierfold.engine.backup.reports import BackupInfo, BackupProgress, BackupReport, Damage
from tierfold.engine.backup.table import PackEntry, PackTable, SeenItems
from tierfold.engine.backup.world import BackupWorld
from tierfold.engine.shard.operations import Items, Listed
from tierfold.engine.verbs import Step
from tierfold.errors import (
    BackupBusyError,
    CorruptError,
    ObjectStoreError,
    TierfoldError,
    UnknownContextError,
)

_TOGETHER_BYTES_MAX: Final = 64 * 1024  # contexts up to this are read with their neighbours
_READ_BYTES_MAX: Final = 4 << 20  # of items, at a time
_TRIES_MAX: Final = 8  # of a context that is written anew while it is read

BackupSteps = Generator[BackupProgress, None, BackupReport]


class _ChangedError(Exception):
    """What was read is not what the context had."""


@dataclass(slots=True)
class _Counts:
    contexts: int = 0
    items: int = 0
    size_bytes: int = 0
    read_bytes: int = 0
    gone: int = 0


def create(world: BackupWorld, *, name: str = "", full: bool = False) -> BackupSteps:
    """Make a backup, step by step; returns what it came to.

    `full` takes nothing over from the backup before, and reads what the object store has already.
    Raises BackupBusyError where one is just being deleted, ObjectStoreError; then there is no
    backup, and what was put is used by the next one.
    """
    claim = Claim(world.objects, world.source, "create", world.wall)
    claim.begin(world.new_id())
    try:
        if claim.others("delete"):
            problem = (
                "a backup is being deleted, or its deletion broke off less than 10 minutes ago: "
                "try again then"
            )
            raise BackupBusyError(problem)
        creation = _Creation(world, claim, full=full)
        try:
            return (yield from creation.steps(name))
        finally:
            creation.close()
    finally:
        _end(claim)


def _end(claim: Claim) -> None:
    """Take the claim back; where the object store is away it is forgotten by its age."""
    try:
        claim.end()
    except ObjectStoreError:
        return


class _Creation:
    """One backup in the making."""

    def __init__(self, world: BackupWorld, claim: Claim, *, full: bool) -> None:
        self._world = world
        self._claim = claim
        self._began_ms = world.clock.now_ms()
        self._created_ms = world.wall.unix_ms()
        there = world.data.listed()
        before = None if full else newest_readable(world)
        self._before = _Before(before)
        self._table = PackTable(_present(before, there))
        self._seen = SeenItems()
        self._putting = Putting(world.data, there, checks=full)
        self._bodies = BodyPacker(self._putting, self._table, self._seen)
        self._records = RecordPacker(self._putting)
        self._counts = _Counts()
        self._damaged: list[Damage] = []

    def steps(self, name: str) -> BackupSteps:
        """Read everything, put it, and put the manifest last."""
        for page in self._pages():
            yield from self._take(page)
            self._stay_claimed()
            yield self._progress()
        self._bodies.flush()
        records = self._records.finish()
        packs = put_table(self._putting, self._table)
        info = self._put_manifest(name, records, packs)
        return self._report(info)

    def close(self) -> None:
        """Leave what is under way."""
        self._putting.close()

    def _pages(self) -> Iterator[Listed]:
        """Yield the tenant's contexts in the order of their ids."""
        world, after = self._world, ""
        while True:
            listing = world.verbs.listing(world.tenant, after=after, limit=world.page_max)
            page = world.driver.run(listing)
            yield page
            if not page.has_more or not page.contexts:
                return
            after = page.contexts[-1].id

    def _stay_claimed(self) -> None:
        if self._claim.is_old:
            self._claim.renew(self._world.new_id())

    def _take(self, page: Listed) -> Iterator[BackupProgress]:
        """Add the contexts of a page in their order."""
        waiting: list[tuple[ContextInfo, ContextRecord | None]] = []
        contexts: list[ContextInfo | str] = [*page.contexts, *page.damaged]
        for each in sorted(contexts, key=_id_of):
            before = self._before.of(_id_of(each), self._table)
            if isinstance(each, str):
                yield from self._take_together(waiting)
                waiting = []
                self._lose(each, before, "its head cannot be read")
            else:
                waiting.append((each, before))
        yield from self._take_together(waiting)

    def _take_together(
        self, wanted: Sequence[tuple[ContextInfo, ContextRecord | None]]
    ) -> Iterator[BackupProgress]:
        """Add contexts, those that are small read in one go."""
        small = [
            (info, before)
            for info, before in wanted
            if not _is_unchanged(info, before)
            and _unread_bytes(info, before) <= _TOGETHER_BYTES_MAX
        ]
        reads = [self._reading(info, _items_of(before)) for info, before in small]
        found = self._world.driver.run_all(reads)
        read = {info.id: items for (info, _), items in zip(small, found, strict=True)}
        told_bytes = self._counts.read_bytes
        for info, before in wanted:
            self._take_one(info, before, read.get(info.id))
            if self._counts.read_bytes - told_bytes > _READ_BYTES_MAX:
                told_bytes = self._counts.read_bytes
                yield self._progress()

    def _take_one(
        self,
        info: ContextInfo,
        before: ContextRecord | None,
        read: Items | TierfoldError | None,
    ) -> None:
        try:
            record = self._record(info, before, read)
        except UnknownContextError:
            self._counts.gone += 1
        except CorruptError as error:
            self._lose(info.id, before, f"{error.what}: {error.problem}")
        else:
            self._add(record)

    def _record(
        self,
        info: ContextInfo,
        before: ContextRecord | None,
        read: Items | TierfoldError | None,
    ) -> ContextRecord:
        """Return a context's record with its items in packs."""
        if before is not None and _is_unchanged(info, before):
            self._remember(before)
            return replace(record_of(info), names=before.names, runs=before.runs)
        for _ in range(_TRIES_MAX):
            try:
                return self._packed(info, before, self._bodies_of(info, before, read))
            except _ChangedError:
                pass
            key = ContextKey(self._world.tenant, info.id)
            if before is None and read is None:
                info = self._world.driver.run(self._world.verbs.info(key))
            before = read = None
        problem = "it was written anew each time it was read: back up once more"
        raise CorruptError(what=f"context {info.id!r}", problem=problem)

    def _bodies_of(
        self,
        info: ContextInfo,
        before: ContextRecord | None,
        read: Items | TierfoldError | None,
    ) -> Iterator[bytes]:
        """Yield bodies from where the record before ends."""
        if isinstance(read, TierfoldError):
            raise read
        start, end = _items_of(before), info.head.items
        if read is not None:
            yield from read.bodies
            start += len(read.bodies)
            if start < end and not read.bodies:
                raise _ChangedError
        while start < end:
            found = self._world.driver.run(self._reading(info, start))
            self._stay_claimed()
            if not found.bodies:
                raise _ChangedError
            yield from found.bodies
            start += len(found.bodies)

    def _reading(self, info: ContextInfo, start: int) -> Generator[Step, Any, Items]:
        key = ContextKey(self._world.tenant, info.id)
        return self._world.verbs.items(key, start, info.head.items, bytes_max=_READ_BYTES_MAX)

    def _packed(
        self, info: ContextInfo, before: ContextRecord | None, bodies: Iterator[bytes]
    ) -> ContextRecord:
        """Pack bodies and return the record; raises _ChangedError where they are others.

        What was packed by then stays in its pack: the next try finds it there.
        """
        names = bytearray(b"" if before is None else before.names)
        runs = Runs(() if before is None else before.runs)
        chain = NO_CHAIN if before is None else before.chain
        if before is not None:
            self._remember(before)
        for body in bodies:
            each = _item_of(body)
            runs.add(self._bodies.add(each))
            names += each.segment.name
            chain = chained(chain, (each.segment.name,))
            self._counts.read_bytes += len(body) - 1
        if chain != info.head.chain:
            raise _ChangedError
        return replace(record_of(info), names=bytes(names), runs=runs.taken())

    def _remember(self, record: ContextRecord) -> None:
        for name, place in record.places():
            self._seen.add(name, place)

    def _lose(self, context: str, before: ContextRecord | None, problem: str) -> None:
        """Note a context that cannot be read, and keep what the backup before has of it."""
        if before is not None:
            problem = f"{problem}; version {before.version} of the backup before is kept"
            self._add(before)
        self._damaged.append(Damage(context=context, problem=problem))

    def _add(self, record: ContextRecord) -> None:
        self._table.use(record)
        self._records.add(record, ContextKey(self._world.tenant, record.id).digest)
        self._counts.contexts += 1
        self._counts.items += record.items
        self._counts.size_bytes += record.size_bytes

    def _put_manifest(
        self, name: str, records: tuple[Page, ...], packs: tuple[Page, ...]
    ) -> BackupInfo:
        world, counts = self._world, self._counts
        others = backup_ids(world)
        after_ms = made_ms(others[-1]) + 1 if others else 0
        info = BackupInfo(
            id=world.new_id(after_ms=after_ms),
            url=world.objects.url,
            tenant=world.source,
            name=name,
            created_ms=self._created_ms,
            contexts=counts.contexts,
            items=counts.items,
            size_bytes=counts.size_bytes,
            stored_bytes=sum(pack.size_bytes for pack in self._table.used),
        )
        data = BackupManifest(info=info, records=records, packs=packs).encode()
        self._claim.renew(world.new_id())
        key = manifest_object(world.source, info.id)
        if not world.objects.put_new(key, data) and world.objects.get(key) != data:
            problem = "somebody else put something in the place of the backup: run it again"
            raise ObjectStoreError(url=info.url, problem=problem)
        self._putting.new_bytes += len(data)
        return info

    def _progress(self) -> BackupProgress:
        total = self._before.contexts
        done = self._counts.contexts
        return BackupProgress(
            contexts=done,
            contexts_total=None if total is None else max(total, done),
            size_bytes=self._counts.size_bytes,
        )

    def _report(self, info: BackupInfo) -> BackupReport:
        used = {pack.hashed for pack in self._table.used}
        return BackupReport(
            backup=info,
            new_bytes=self._putting.new_bytes,
            new_packs=self._putting.new_packs,
            reused_packs=max(len(used) - self._putting.new_packs, 0),
            read_bytes=self._counts.read_bytes,
            gone=self._counts.gone,
            damaged=tuple(self._damaged),
            elapsed_ms=self._world.clock.now_ms() - self._began_ms,
        )


class _Before:
    """The list of the backup before, read along; what is damaged of it is not used."""

    def __init__(self, reader: BackupReader | None) -> None:
        self._records: Iterator[ContextRecord] = iter(()) if reader is None else _whole(reader)
        self._next: ContextRecord | None = next(self._records, None)
        self.contexts = None if reader is None else reader.manifest.info.contexts

    def of(self, context: str, table: PackTable) -> ContextRecord | None:
        """Return what it has of a context; ids must come in their order."""
        while self._next is not None and self._next.id < context:
            self._next = next(self._records, None)
        record = self._next
        if record is None or record.id != context or not table.has(record):
            return None
        return record


def _whole(reader: BackupReader) -> Iterator[ContextRecord]:
    return (each for each in reader.records() if isinstance(each, ContextRecord))


def _present(reader: BackupReader | None, there: set[bytes]) -> list[PackEntry | None]:
    """Return the packs of the backup before that the object store still has."""
    packs = [] if reader is None else reader.packs()
    return [pack if pack is not None and pack.hashed in there else None for pack in packs]


def _is_unchanged(info: ContextInfo, before: ContextRecord | None) -> bool:
    return before is not None and (before.chain, before.items) == (info.head.chain, info.items)


def _unread_bytes(info: ContextInfo, before: ContextRecord | None) -> int:
    return info.head.size_bytes - (0 if before is None else before.size_bytes)


def _items_of(before: ContextRecord | None) -> int:
    return 0 if before is None else before.items


def _item_of(body: bytes) -> Item:
    return item(kind_of(body), body[1:])


def _id_of(context: ContextInfo | str) -> str:
    return context if isinstance(context, str) else context.id
