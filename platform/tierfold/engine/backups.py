"""A store's backups, each verb from its first step to its last."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tierfold.engine import backup
from tierfold.engine.backup import (
    BackupInfo,
    BackupProgress,
    BackupReport,
    BackupWorld,
    DeleteReport,
    Driver,
    RestoreOptions,
    RestoreReport,
    VerifyReport,
)
from tierfold.context.identity import require_tenant
from tierfold.engine.verbs import Verbs
from tierfold.errors import InvalidInputError
from tierfold.ports import Clock, WallClock

T = TypeVar("T")
ToldProgress = Callable[[BackupProgress], None]

_NAME_CHARACTERS_MAX = 200
_TIMEOUT_S = 30.0  # of a call of the object store; nobody waits for an answer meanwhile
_RETRIES_MAX = 4


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
                "this store has no object store of its own: say where backups are, as a URL "
                "(file:///folder, s3://bucket/folder, gs://..., az://...)"
            )
            raise InvalidInputError(problem)
        return url


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
