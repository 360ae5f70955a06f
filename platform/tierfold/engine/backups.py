"""A store's backups, each verb from its first step to its last."""

from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tierfold.context.identity import require_tenant
from tierfold.engine import backup
from tierfold.engine.backup import (
    BackupInfo,
    BackupProgress,
    BackupReport,
    BackupWorld,
    DeleteReport,
    Driver,
    IfExists,
    RestoreOptions,
    RestoreReport,
    VerifyReport,
)
from tierfold.engine.verbs import Verbs
from tierfold.errors import InvalidInputError
from tierfold.ports import Clock, WallClock

T = TypeVar("T")
ToldProgress = Callable[[BackupProgress], None]

_NAME_CHARACTERS_MAX = 200
_TIMEOUT_S = 30.0  # of a call of the object store; nobody waits for an answer meanwhile
_RETRIES_MAX = 4
_FLEETING = "memory://"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupParts:
    """What a store's backups are made with."""

    driver: Driver
    verbs: Verbs
    tenant: str
    wall: WallClock
    clock: Clock
    random_bits: Callable[[], int]
    page_max: int


class Backups:
    """Makes, lists, checks, restores and deletes backups; for one thread at a time.

    `at` is the URL of the object store, None the one that the store follows.
    """

    def __init__(self, parts: BackupParts) -> None:
        self._parts = parts

    def create(
        self,
        at: str | None = None,
        *,
        name: str = "",
        full: bool = False,
        progress: ToldProgress | None = None,
    ) -> BackupReport:
        """Make a backup."""
        require_name(name)
        with self.world(at) as world:
            return _ended(backup.create(world, name=name, full=full), progress)

    def list(self, at: str | None = None, *, tenant: str | None = None) -> list[BackupInfo]:
        """Return all backups, the oldest first."""
        with self.world(at, tenant) as world:
            return list(backup.listed(world))

    def verify(
        self,
        id: str,  # noqa: A002  # the word callers know
        at: str | None = None,
        *,
        tenant: str | None = None,
        progress: ToldProgress | None = None,
    ) -> VerifyReport:
        """Read all of a backup."""
        with self.world(at, tenant) as world:
            return _ended(backup.verify(world, id), progress)

    def restore(
        self,
        id: str,  # noqa: A002  # as above
        at: str | None = None,
        *,
        options: RestoreOptions,
        tenant: str | None = None,
        progress: ToldProgress | None = None,
    ) -> RestoreReport:
        """Bring contexts back."""
        with self.world(at, tenant) as world:
            return _ended(backup.restore(world, id, options), progress)

    def delete(self, id: str, at: str | None = None, *, tenant: str | None = None) -> DeleteReport:  # noqa: A002  # as above
        """Delete a backup, and what no other one needs."""
        with self.world(at, tenant) as world:
            return backup.delete(world, id)

    @contextmanager
    def world(self, at: str | None = None, source: str | None = None) -> Iterator[BackupWorld]:
        """Open the object store; raises InvalidInputError where nobody says which."""
        from tierfold.storage import open_objects  # noqa: PLC0415  # start-up time

        parts = self._parts
        if source is not None:
            require_tenant(source)
        url = at or self._followed()
        if url.startswith(_FLEETING):
            problem = f"{_FLEETING} keeps nothing: name a place that lasts"
            raise InvalidInputError(problem, path="objects")
        objects = open_objects(url, timeout_s=_TIMEOUT_S, retries_max=_RETRIES_MAX)
        try:
            yield BackupWorld(
                driver=parts.driver,
                verbs=parts.verbs,
                objects=objects,
                tenant=parts.tenant,
                source=source or parts.tenant,
                wall=parts.wall,
                clock=parts.clock,
                random_bits=parts.random_bits,
                page_max=parts.page_max,
            )
        finally:
            objects.close()

    def _followed(self) -> str:
        """Return the URL of the object store that the store follows."""
        reports = self._parts.driver.run(self._parts.verbs.tiers())
        url = next((report.object_store for report in reports if report.object_store), "")
        if not url:
            problem = (
                "this store follows no object store: say where backups are, as a URL "
                "(file:///folder, s3://bucket/folder, gs://..., az://...); a server is started "
                "with one"
            )
            raise InvalidInputError(problem)
        return url


class BackedUp:
    """What a store can do with backups of its contexts.

    They lie in the object store of a URL, or in the one that the store follows. `tenant` names
    whose backups are meant, where that is another one than the store's.
    """

    def __init__(self, parts: BackupParts) -> None:
        self._backups = Backups(parts)

    def backup(
        self,
        to: str | None = None,
        *,
        name: str = "",
        full: bool = False,
        progress: ToldProgress | None = None,
    ) -> BackupReport:
        """Back all contexts up to an object store: its URL, or the store's own where it has one.

        What the backup before has already is neither read nor put again, but with `full`. Raises
        ObjectStoreError; then there is no backup, and the next one uses what was put.
        """
        return self._backups.create(to, name=name, full=full, progress=progress)

    def backups(self, at: str | None = None, *, tenant: str | None = None) -> list[BackupInfo]:
        """Return the backups in an object store, the oldest first."""
        return self._backups.list(at, tenant=tenant)

    def verify_backup(
        self,
        id: str,  # noqa: A002  # as above
        *,
        at: str | None = None,
        tenant: str | None = None,
        progress: ToldProgress | None = None,
    ) -> VerifyReport:
        """Read all of a backup and check it."""
        return self._backups.verify(id, at, tenant=tenant, progress=progress)

    def restore(  # noqa: PLR0913  # what one may ask for, keyword-only
        self,
        id: str,  # noqa: A002  # as above
        *,
        at: str | None = None,
        only: Collection[str] = (),
        if_exists: IfExists = "fail",
        expired: bool = False,
        tenant: str | None = None,
        progress: ToldProgress | None = None,
    ) -> RestoreReport:
        """Bring contexts back from a backup, each as one change; `only` some of them.

        Where others stand in their place nothing is done (RestoreConflictError), or they are
        skipped or replaced. What has outlived its time comes back with `expired` alone.
        """
        options = RestoreOptions(only=only, if_exists=if_exists, expired=expired)
        return self._backups.restore(id, at, options=options, tenant=tenant, progress=progress)

    def delete_backup(
        self,
        id: str,  # noqa: A002  # as above
        *,
        at: str | None = None,
        tenant: str | None = None,
    ) -> DeleteReport:
        """Delete a backup, and what no other one needs."""
        return self._backups.delete(id, at, tenant=tenant)


def require_name(name: str) -> None:
    """Raise InvalidInputError for a name that could not be listed."""
    if len(name) > _NAME_CHARACTERS_MAX or (name and not name.isprintable()):
        problem = f"must be at most {_NAME_CHARACTERS_MAX} printable characters"
        raise InvalidInputError(problem, path="name")


def _ended(steps: Generator[BackupProgress, None, T], progress: ToldProgress | None) -> T:
    """Go through all steps and return what they come to."""
    try:
        while True:
            at = next(steps)
            if progress is not None:
                progress(at)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()
