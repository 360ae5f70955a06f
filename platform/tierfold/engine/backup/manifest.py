"""The backup's own object: what it is of, and the objects that have the rest."""

from dataclasses import dataclass

import orjson

from tierfold.engine.backup.envelope import (
    HASH_BYTES,
    DamagedBackupError,
    ObjectKind,
    sealed,
    unsealed,
)
from tierfold.engine.backup.reports import BackupInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list."""

    hashed: bytes
    count: int  # of contexts that begin in it, or of packs


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """All that a backup is, page by page."""

    info: BackupInfo
    records: tuple[Page, ...]
    packs: tuple[Page, ...]

    def encode(self) -> bytes:
        """Return the object."""
        info = self.info
        said = {
            "id": info.id,
            "tenant": info.tenant,
            "name": info.name,
            "created_ms": info.created_ms,
            "contexts": info.contexts,
            "items": info.items,
            "size_bytes": info.size_bytes,
            "stored_bytes": info.stored_bytes,
            "records": [[page.hashed.hex(), page.count] for page in self.records],
            "packs": [[page.hashed.hex(), page.count] for page in self.packs],
        }
        return sealed(ObjectKind.MANIFEST, orjson.dumps(said))

    @classmethod
    def decode(cls, data: bytes, *, url: str, tenant: str, backup: str) -> "BackupManifest":
        """Return the manifest of an object; raises CorruptError or FormatTooNewError."""
        what = f"backup {backup}"
        payload = unsealed(ObjectKind.MANIFEST, data, what=what)
        try:
            said = orjson.loads(payload)
            info = BackupInfo(
                id=str(said["id"]),
                url=url,
                tenant=str(said["tenant"]),
                name=str(said["name"]),
                created_ms=int(said["created_ms"]),
                contexts=int(said["contexts"]),
                items=int(said["items"]),
                size_bytes=int(said["size_bytes"]),
                stored_bytes=int(said["stored_bytes"]),
            )
            records, packs = _pages(said["records"]), _pages(said["packs"])
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedBackupError(what=what, problem="it is garbled") from error
        if (info.id, info.tenant) != (backup, tenant):
            problem = f"it is backup {info.id} of tenant {info.tenant!r}, put in another place"
            raise DamagedBackupError(what=what, problem=problem)
        return cls(info=info, records=records, packs=packs)


def _pages(said: list[tuple[str, int]]) -> tuple[Page, ...]:
    pages = tuple(Page(hashed=bytes.fromhex(text), count=int(count)) for text, count in said)
    if any(len(page.hashed) != HASH_BYTES for page in pages):
        raise ValueError(said)
    return pages
