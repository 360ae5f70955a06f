"""What making, reading and deleting backups stands on."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tierfold.engine.backup.data import DataObjects
from tierfold.engine.backup.layout import backup_id
from tierfold.engine.verbs import Step, Verbs
from tierfold.errors import TierfoldError
from tierfold.ports import Clock, Objects, WallClock

T = TypeVar("T")


class Driver(Protocol):
    """A way to have verbs done, from a thread that may wait."""

    def run(self, steps: Generator[Step, Any, T]) -> T:
        """Return what a verb returns; raises what it raises."""
        ...

    def run_all(self, verbs: Sequence[Generator[Step, Any, T]]) -> list[T | TierfoldError]:
        """Return what verbs that are done side by side return, or the TierfoldError they raise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupWorld:
    """One tenant's contexts, an object store, and what tells the time."""

    driver: Driver
    verbs: Verbs
    objects: Objects
    tenant: str  # whose contexts are read and written
    source: str  # whose backups they are: the same tenant but where one restores another's
    wall: WallClock
    clock: Clock
    random_bits: Callable[[], int]  # identity.ID_RANDOM_BITS of them
    page_max: int  # contexts in one page of a listing

    @property
    def data(self) -> DataObjects:
        """The objects that are named by their content."""
        return DataObjects(self.objects, self.source)

    def new_id(self, *, after_ms: int = 0) -> str:
        """Return an id for now, behind a time that may be later: clocks are set back."""
        return backup_id(max(self.wall.unix_ms(), after_ms), self.random_bits())
