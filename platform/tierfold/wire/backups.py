"""Backups over HTTP: what is asked and what is answered."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tierfold.config import Limits
from tierfold.errors import InvalidInputError
from tierfold.wire.body import Model, load_json, unknown_fields, validate

_ONLY_MAX = 10_000
_ADDRESSES = ("at", "from", "objects", "to", "url")


class MakeBackupModel(BaseModel):
    """The body of `POST /v1/backups`; it may be left out."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(default="", description="what you call it")
    full: bool = Field(
        default=False, description="read everything anew, and what the object store has too"
    )


class RestoreBackupModel(BaseModel):
    """The body of `POST /v1/backups/{id}/restore`; it may be left out."""

    model_config = ConfigDict(extra="allow")

    only: list[str] = Field(
        default_factory=list, max_length=_ONLY_MAX, description="ids; [] is all"
    )
    if_exists: Literal["fail", "skip", "replace"] = Field(
        default="fail", description="what becomes of contexts with other contents"
    )
    expired: bool = Field(default=False, description="also what has outlived its time")


class BackupModel(BaseModel):
    """A backup."""

    object: Literal["backup"] = "backup"
    id: str
    url: str = Field(description="of the object store, where the server asks for no key")
    name: str
    created_at: float
    contexts: int
    items: int
    size_bytes: int = Field(description="of all items")
    stored_bytes: int = Field(description="of the packs it needs, which others may need too")
    problem: str = Field(description="why it cannot be read, empty where it can")


class BackupListModel(BaseModel):
    """The answer of `GET /v1/backups`, the oldest first."""

    object: Literal["list"] = "list"
    data: list[BackupModel]


class DamageModel(BaseModel):
    """A context that cannot be read."""

    context: str = Field(description="empty where it is not known which")
    problem: str


class BackupMadeModel(BaseModel):
    """What making a backup came to; as NDJSON after lines of `backup.progress`."""

    object: Literal["backup.made"] = "backup.made"
    backup: BackupModel
    new_bytes: int
    new_packs: int
    reused_packs: int
    read_bytes: int
    gone: int = Field(description="contexts that were deleted meanwhile")
    damaged: list[DamageModel]
    elapsed_ms: float


class BackupRestoredModel(BaseModel):
    """What restoring came to; as NDJSON after lines of `backup.progress`."""

    object: Literal["backup.restored"] = "backup.restored"
    id: str
    restored: int
    replaced: int
    identical: int
    skipped: int
    expired: int
    items: int
    size_bytes: int
    damaged: list[DamageModel]
    elapsed_ms: float


class BackupVerifiedModel(BaseModel):
    """What reading all of a backup came to; as NDJSON after lines of `backup.progress`."""

    object: Literal["backup.verified"] = "backup.verified"
    id: str
    contexts: int
    items: int
    size_bytes: int
    damaged: list[DamageModel]
    elapsed_ms: float


class BackupDeletedModel(BaseModel):
    """A backup was deleted."""

    object: Literal["backup.deleted"] = "backup.deleted"
    id: str
    removed: int = Field(description="objects that no other backup needs")
    kept_because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedBackup:
    """A backup to make."""

    name: str
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRestore:
    """What to bring back."""

    only: tuple[str, ...]
    if_exists: Literal["fail", "skip", "replace"]
    expired: bool


def parse_backup(body: bytes, limits: Limits) -> ParsedBackup:
    """Return the backup to make; raises InvalidInputError or TooLargeError."""
    model = _validated(MakeBackupModel, body, limits)
    return ParsedBackup(name=model.name, full=model.full)


def parse_restore(body: bytes, limits: Limits) -> ParsedRestore:
    """Return what to bring back; raises InvalidInputError or TooLargeError."""
    model = _validated(RestoreBackupModel, body, limits)
    return ParsedRestore(only=tuple(model.only), if_exists=model.if_exists, expired=model.expired)


def require_no_address(fields: Any) -> None:
    """Raise InvalidInputError for who names an object store: that is the server's to choose."""
    named = next((name for name in _ADDRESSES if name in fields), None)
    if named is not None:
        problem = "a server's backups are in its own object store: it goes to no address of yours"
        raise InvalidInputError(problem, path=named)


def _validated(kind: type[Model], body: bytes, limits: Limits) -> Model:
    model = validate(kind, load_json(body, limits) if body.strip() else {})
    unknown = list(unknown_fields(model))
    require_no_address(unknown)
    if unknown:  # a misspelt option would quietly do something else
        problem = "is no field of this request"
        raise InvalidInputError(problem, path=unknown[0])
    return model
