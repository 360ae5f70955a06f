"""Where a command's backups are: with a store that is opened here, or with a server."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from tierfold.cli.reach import Place, reached
from tierfold.cli.screen import Screen
from tierfold.client.backups import IfExists, ToldProgress
from tierfold.errors import InvalidInputError

if TYPE_CHECKING:
    from tierfold.client.client import Client
    from tierfold.engine.backup import BackupProgress
    from tierfold.engine.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Which backups are meant, where the usual ones are not."""

    url: str | None = None  # of an object store
    option: str = "--from"  # that named it
    tenant: str | None = None


class BackupPlace(Protocol):
    """What the commands need; documents are as a server sends them."""

    def create(self, *, name: str, full: bool, told: ToldProgress) -> Mapping[str, Any]:
        """Make a backup."""
        ...

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return all backups, the oldest first."""
        ...

    def verify(self, backup: str, told: ToldProgress) -> Mapping[str, Any]:
        """Read all of a backup."""
        ...

    def restore(
        self,
        backup: str,
        *,
        only: Sequence[str],
        if_exists: IfExists,
        expired: bool,
        told: ToldProgress,
    ) -> Mapping[str, Any]:
        """Bring contexts back."""
        ...

    def delete(self, backup: str) -> Mapping[str, Any]:
        """Delete a backup."""
        ...


@contextmanager
def backups_reached(
    place: Place, aim: Aim, screen: Screen, *, needs_store: bool, makes_store: bool = False
) -> Iterator[BackupPlace]:
    """Reach the backups and let go in the end.

    What only reads or deletes backups needs no store where the object store is named: that may be
    all that is left.
    """
    if aim.url is not None and not needs_store and place.url is None:
        import tierfold  # noqa: PLC0415  # start-up time

        with tierfold.open(":memory:") as store:
            screen.line(screen.paint(f"object store {aim.url}", "dim"))
            yield LocalBackups(store, aim)
        return
    from tierfold.cli.local import LocalContexts  # noqa: PLC0415  # as above

    with reached(place, screen, makes_store=makes_store) as contexts:
        if isinstance(contexts, LocalContexts):
            yield LocalBackups(contexts.store, aim)
        else:
            yield _served(contexts, aim)


def is_inside(url: str, folder: Path) -> bool:
    """Whether an object store is a folder in a store's own."""
    parts = urlsplit(url)
    return parts.scheme == "file" and Path(unquote(parts.path)).is_relative_to(folder)


def _served(contexts: Any, aim: Aim) -> "ServedBackups":
    """Return the backups of a server, which alone says where they are and whose."""
    if aim.url is not None:
        problem = (
            "a server's backups are in its own object store: leave this out, or stop the server "
            "and name the store's folder"
        )
        raise InvalidInputError(problem, path=aim.option)
    if aim.tenant is not None:
        problem = "on a server the API key says whose backups they are: leave this out"
        raise InvalidInputError(problem, path="--tenant")
    return ServedBackups(contexts)


class LocalBackups:
    """Backups of a store that this process has open."""

    def __init__(self, store: "Store", aim: Aim) -> None:
        self._store = store
        self._aim = aim

    def create(self, *, name: str, full: bool, told: ToldProgress) -> Mapping[str, Any]:
        """Make a backup."""
        from tierfold.engine.backup.bodies import report_body  # noqa: PLC0415  # start-up time

        report = self._store.backup(self._aim.url, name=name, full=full, progress=_telling(told))
        return report_body(report)

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return all backups, the oldest first."""
        from tierfold.engine.backup.bodies import backup_body  # noqa: PLC0415  # as above

        found = self._store.backups(self._aim.url, tenant=self._aim.tenant)
        return [backup_body(info) for info in found]

    def verify(self, backup: str, told: ToldProgress) -> Mapping[str, Any]:
        """Read all of a backup."""
        from tierfold.engine.backup.bodies import report_body  # noqa: PLC0415  # as above

        aim = self._aim
        report = self._store.verify_backup(
            backup, at=aim.url, tenant=aim.tenant, progress=_telling(told)
        )
        return report_body(report)

    def restore(
        self,
        backup: str,
        *,
        only: Sequence[str],
        if_exists: IfExists,
        expired: bool,
        told: ToldProgress,
    ) -> Mapping[str, Any]:
        """Bring contexts back."""
        from tierfold.engine.backup.bodies import report_body  # noqa: PLC0415  # as above

        report = self._store.restore(
            backup,
            at=self._aim.url,
            only=only,
            if_exists=if_exists,
            expired=expired,
            tenant=self._aim.tenant,
            progress=_telling(told),
        )
        return report_body(report)

    def delete(self, backup: str) -> Mapping[str, Any]:
        """Delete a backup."""
        from tierfold.engine.backup.bodies import report_body  # noqa: PLC0415  # as above

        aim = self._aim
        return report_body(self._store.delete_backup(backup, at=aim.url, tenant=aim.tenant))


class ServedBackups:
    """Backups of a server."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(self, *, name: str, full: bool, told: ToldProgress) -> Mapping[str, Any]:
        """Make a backup."""
        return self._client.backup(name=name, full=full, progress=told)

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return all backups, the oldest first."""
        return self._client.backups()

    def verify(self, backup: str, told: ToldProgress) -> Mapping[str, Any]:
        """Have all of a backup read."""
        return self._client.verify_backup(backup, progress=told)

    def restore(
        self,
        backup: str,
        *,
        only: Sequence[str],
        if_exists: IfExists,
        expired: bool,
        told: ToldProgress,
    ) -> Mapping[str, Any]:
        """Bring contexts back."""
        return self._client.restore(
            backup, only=only, if_exists=if_exists, expired=expired, progress=told
        )

    def delete(self, backup: str) -> Mapping[str, Any]:
        """Delete a backup."""
        return self._client.delete_backup(backup)


def _telling(told: ToldProgress) -> "Telling":
    from tierfold.engine.backup.bodies import progress_body  # noqa: PLC0415  # start-up time

    return lambda progress: told(progress_body(progress))


if TYPE_CHECKING:
    from collections.abc import Callable

    Telling = Callable[[BackupProgress], None]
