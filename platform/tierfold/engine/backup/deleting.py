"""Deleting a backup, and what no other one needs."""

from itertools import islice
from typing import Final

from tierfold.engine.backup.claims import Claim
from tierfold.engine.backup.layout import is_backup_id, manifest_object
from tierfold.engine.backup.reading import BackupReader, backup_ids, read_manifest
from tierfold.engine.backup.reports import DeleteReport
from tierfold.engine.backup.world import BackupWorld
from tierfold.errors import (
    CorruptError,
    FormatTooNewError,
    ObjectStoreError,
    UnknownBackupError,
)

_AT_ONCE: Final = 500


def delete(world: BackupWorld, backup: str) -> DeleteReport:
    """Delete a backup; raises UnknownBackupError, ObjectStoreError.

    Its manifest goes first, so that nothing torn is ever listed. What a deletion leaves that broke
    off, or that met a backup in the making, the next one removes.
    """
    key = manifest_object(world.source, backup)
    if not is_backup_id(backup) or world.objects.get(key) is None:
        raise UnknownBackupError(backup, tenant=world.source)
    claim = Claim(world.objects, world.source, "delete", world.wall)
    claim.begin(world.new_id())
    try:
        world.objects.delete([key])
        removed, kept_because = _sweep(world, claim)
    finally:
        _end(claim)
    return DeleteReport(backup=backup, removed=removed, kept_because=kept_because)


def _end(claim: Claim) -> None:
    try:
        claim.end()
    except ObjectStoreError:  # it is forgotten by its age
        return


def _sweep(world: BackupWorld, claim: Claim) -> tuple[int, str]:
    """Remove what no backup needs; returns how many objects, or why none."""
    if claim.others("create"):
        return 0, _MEANWHILE
    try:
        needed = _needed(world)
    except (CorruptError, FormatTooNewError) as error:
        return 0, f"{error} (nobody can tell what that backup needs)"
    free = iter(sorted(world.data.listed() - needed - {b""}))
    removed = 0
    while together := list(islice(free, _AT_ONCE)):
        if claim.is_old:
            claim.renew(world.new_id())
            if claim.others("create"):
                return removed, _MEANWHILE
        world.data.delete(together)
        removed += len(together)
    return removed, ""


_MEANWHILE = "a backup of this tenant is being made, or broke off less than 10 minutes ago"


def _needed(world: BackupWorld) -> set[bytes]:
    """Return the hashes of all that backups need; raises what reading one of them raises."""
    needed: set[bytes] = set()
    for backup in backup_ids(world):
        try:
            manifest = read_manifest(world, backup)
        except UnknownBackupError:  # deleted meanwhile
            continue
        needed |= {page.hashed for page in (*manifest.records, *manifest.packs)}
        packs = BackupReader(world, manifest).packs()
        needed |= {pack.hashed for pack in packs if pack is not None}
    return needed
