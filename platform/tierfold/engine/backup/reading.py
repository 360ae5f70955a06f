"""Reading backups: which there are, what is in one, and its items."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from tierfold.compression.lossless import Codec
from tierfold.context.manifest import Shape
from tierfold.context.segment import Item, Name, Segment, SegmentKind, kind_of, name_of, pieces_in
from tierfold.engine.backup.envelope import DamagedBackupError, ObjectKind
from tierfold.engine.backup.layout import is_backup_id, manifest_object, manifests_folder
from tierfold.engine.backup.manifest import BackupManifest, Page
from tierfold.engine.backup.packs import Pack
from tierfold.engine.backup.records import ContextRecord, Place, RecordDecoder
from tierfold.engine.backup.reports import BackupInfo, Damage
from tierfold.engine.backup.table import PackEntry, packs_of
from tierfold.engine.backup.world import BackupWorld
from tierfold.errors import CorruptError, FormatTooNewError, TierfoldError, UnknownBackupError

KEPT_BYTES_MAX: Final = 64 << 20  # of packs, as they are stored

_KINDS: Final = {
    Shape.MESSAGES: SegmentKind.MESSAGE,
    Shape.PARTS: SegmentKind.PART,
    Shape.TEXT: SegmentKind.TEXT,
}


def backup_ids(world: BackupWorld) -> list[str]:
    """Return the ids of all backups, the oldest first."""
    folder = manifests_folder(world.source)
    names = (key.removeprefix(folder) for key in world.objects.keys(folder))
    return sorted(name for name in names if is_backup_id(name))


def listed(world: BackupWorld) -> Iterator[BackupInfo]:
    """Yield all backups, the oldest first; one that cannot be read says why."""
    for backup in backup_ids(world):
        try:
            yield read_manifest(world, backup).info
        except UnknownBackupError:  # deleted meanwhile
            continue
        except (CorruptError, FormatTooNewError) as error:
            url, tenant = world.objects.url, world.source
            yield BackupInfo(id=backup, url=url, tenant=tenant, problem=str(error))


def read_manifest(world: BackupWorld, backup: str) -> BackupManifest:
    """Return a backup's manifest; raises UnknownBackupError, CorruptError or FormatTooNewError."""
    url, tenant = world.objects.url, world.source
    data = None
    if is_backup_id(backup):
        data = world.objects.get(manifest_object(tenant, backup))
    if data is None:
        raise UnknownBackupError(backup, tenant=tenant)
    return BackupManifest.decode(data, url=url, tenant=tenant, backup=backup)


class BackupReader:
    """What is in one backup; holds a bounded part of it."""

    def __init__(self, world: BackupWorld, manifest: BackupManifest) -> None:
        self.manifest = manifest
        self._data = world.data
        self._codec = Codec()
        self._kept: OrderedDict[int, Pack] = OrderedDict()
        self._kept_bytes = 0
        self._lost: dict[int, CorruptError] = {}
        self._table: list[PackEntry | None] | None = None

    def packs(self) -> list[PackEntry | None]:
        """Return the packs by number; raises CorruptError or FormatTooNewError."""
        if self._table is None:
            pages = (self._pack(ObjectKind.PACKS, each) for each in self.manifest.packs)
            self._table = [pack for page in pages for pack in packs_of(_entries(page))]
        return self._table

    def records(self) -> Iterator[ContextRecord | Damage]:
        """Yield all contexts in the order of their ids, and where some cannot be read."""
        decoder = RecordDecoder()
        for page in self.manifest.records:
            try:
                entries = _entries(self._pack(ObjectKind.RECORDS, page))
            except CorruptError as error:
                decoder.forget()
                lost = f"up to {page.count + 1:,} contexts cannot be named"
                yield Damage(context="", problem=f"{error.what}: {error.problem}: {lost}")
                continue
            yield from _decoded(decoder, entries)
        if not decoder.is_between:
            yield Damage(context="", problem="the last context of the list is cut short")

    def items(self, record: ContextRecord) -> Iterator[Item]:
        """Yield a context's items; raises CorruptError where one is not what was backed up."""
        kind = _KINDS[record.shape]
        for name, place in record.places():
            yield self._item(name, place, kind)

    def _item(self, name: Name, place: Place, kind: SegmentKind) -> Item:
        pack = self._bodies(place.pack)
        body = pack.entry(place.entry)
        if name_of(body) != name:
            raise DamagedBackupError(what=f"item {name.hex()}", problem="it has other bytes")
        if kind_of(body) is kind:
            return Item(Segment(name, body))
        if kind_of(body) is not SegmentKind.SPLIT:
            raise DamagedBackupError(what=f"item {name.hex()}", problem="it is of another shape")
        names = pieces_in(body)
        first = place.entry + 1
        pieces = tuple(Segment(each, pack.entry(first + at)) for at, each in enumerate(names))
        if any(name_of(piece.body) != piece.name for piece in pieces):
            raise DamagedBackupError(what=f"item {name.hex()}", problem="a piece has other bytes")
        return Item(Segment(name, body), pieces)

    def _bodies(self, number: int) -> Pack:
        pack = self._kept.get(number)
        if pack is not None:
            self._kept.move_to_end(number)
            return pack
        if number in self._lost:  # many contexts may need it: it is fetched and said once
            raise self._lost[number].with_traceback(None)
        try:
            pack = self._read_bodies(number)
        except CorruptError as error:
            self._lost[number] = error
            raise
        self._keep(number, pack)
        return pack

    def _read_bodies(self, number: int) -> Pack:
        table = self.packs()
        entry = table[number] if number < len(table) else None
        if entry is None:
            problem = "the backup has no such pack"
            raise DamagedBackupError(what=f"pack {number}", problem=problem)
        what = f"pack {entry.hashed.hex()}"
        data = self._data.get(entry.hashed, what=what)
        return Pack(ObjectKind.BODIES, data, self._codec, what=what)

    def _keep(self, number: int, pack: Pack) -> None:
        self._kept[number] = pack
        self._kept_bytes += pack.size_bytes
        while self._kept_bytes > KEPT_BYTES_MAX and len(self._kept) > 1:
            _, left = self._kept.popitem(last=False)
            self._kept_bytes -= left.size_bytes

    def _pack(self, kind: ObjectKind, page: Page) -> Pack:
        what = f"page {page.hashed.hex()}"
        return Pack(kind, self._data.get(page.hashed, what=what), self._codec, what=what)


def newest_readable(world: BackupWorld) -> BackupReader | None:
    """Return the newest backup whose manifest and list of packs are whole."""
    for backup in reversed(backup_ids(world)):
        try:
            reader = BackupReader(world, read_manifest(world, backup))
            reader.packs()
        except (CorruptError, FormatTooNewError, UnknownBackupError):
            continue
        return reader
    return None


def _entries(pack: Pack) -> list[bytes]:
    return [pack.entry(at) for at in range(len(pack))]


def _decoded(decoder: RecordDecoder, entries: list[bytes]) -> Iterator[ContextRecord | Damage]:
    for entry in entries:
        record = None
        try:
            record = decoder.add(entry)
            if record is not None:
                record.require_whole()
        except TierfoldError as error:
            yield Damage(context="" if record is None else record.id, problem=str(error))
        else:
            if record is not None:
                yield record
