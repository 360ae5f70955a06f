"""What callers learn of backups."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something that cannot be read, and what it means."""

    context: str  # "" where it is not known which
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupProgress:
    """How far it is."""

    contexts: int  # done
    contexts_total: int | None  # None where nobody knows yet
    size_bytes: int  # of the items of those that are done


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupInfo:
    """A backup as the list shows it."""

    id: str
    url: str  # of the object store it is in
    tenant: str
    name: str = ""  # what its maker calls it
    created_ms: int = 0  # Unix time
    contexts: int = 0
    items: int = 0
    size_bytes: int = 0  # of all items' canonical content
    stored_bytes: int = 0  # of the packs it needs, which others may need too
    problem: str = ""  # why it cannot be read; then nothing above but the id is known


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What making a backup came to."""

    backup: BackupInfo
    new_bytes: int  # put into the object store, lists included
    new_packs: int
    reused_packs: int  # that were there already
    read_bytes: int  # of items, from the store: the others are as they were in the backup before
    gone: int  # contexts that were deleted meanwhile, or had ended
    damaged: tuple[Damage, ...]  # contexts that cannot be read
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What restoring came to."""

    backup: str
    restored: int  # contexts that were not there
    replaced: int  # contexts that had other contents
    identical: int  # there already
    skipped: int  # there with other contents, and left so
    expired: int  # whose time was over, and that were not asked for
    items: int  # of those that were written
    size_bytes: int  # of those items
    damaged: tuple[Damage, ...]
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What reading all of a backup came to."""

    backup: str
    contexts: int  # whole ones
    items: int
    size_bytes: int
    damaged: tuple[Damage, ...]
    elapsed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteReport:
    """What deleting a backup came to."""

    backup: str
    removed: int  # objects that no other backup needs
    kept_because: str  # why objects that nobody needs were left, "" where none were
