"""One shard of a store on this machine's disk: where its parts lie, and how they are opened."""

import hashlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tierfold.config import Settings
from tierfold.engine.clock import MonotonicClock, UnixClock
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.engine.process_memory import unlimited_keeper
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.folders import settle
from tierfold.engine.shard.keys import NEXT_BLOCK_KEY
from tierfold.engine.shard.memory_share import database_lease, database_settings, fitted
from tierfold.engine.shard.operations import Operation, Result
from tierfold.engine.shard.rules_file import RulesInForce
from tierfold.engine.shard.shared_memory import HeldFolder, sweep_left
from tierfold.engine.shard.state import FORMAT_KEY, STORE_ID_KEY, open_state
from tierfold.engine.shard.upkeep.adopting import URL_KEY, require_nothing_left
from tierfold.engine.shard.upkeep.packing import Pack, packed
from tierfold.engine.working import SharedFolder
from tierfold.errors import CorruptError, SetupError
from tierfold.ports import Batch, Family, KeyValues, Objects
from tierfold.storage import RocksKeyValues, open_objects

SHARDS_KEY = b"shards"  # in `meta`: how many the store had when this one was made

NO_OBJECTS = "none"

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own in it, for us alone
_COUNT_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHome:
    """Which shard of which store."""

    store: str  # folder
    name: str
    shards: int  # of the whole store; placement counts on it
    objects: str = ""  # URL of the object store; "" is the one it had before, NO_OBJECTS none

    @property
    def folder(self) -> Path:
        """Where its database lies."""
        return Path(self.store) / self.name

    @property
    def shared_folder(self) -> Path:
        """Where mapped working sets lie: in memory where the system has a place for that."""
        if not _SHARED_MEMORY.is_dir():
            return self.folder.with_name(f"l1-{self.name}")
        said = hashlib.blake2b(str(self.folder).encode(), digest_size=8).hexdigest()
        return _SHARED_MEMORY / f"{_shared_prefix()}{said}"


class DiskShard:
    """A shard and everything under it; whoever opens it closes it."""

    def __init__(
        self,
        home: ShardHome,
        *,
        settings: Settings,
        pack: Pack = packed,
        keeper: PoolKeeper | None = None,
    ) -> None:
        """Open what is stored, or begin; raises SetupError, StorageFullError or CorruptError.

        `keeper` has the memory of this process. Without one the shard takes what the settings say.
        """
        self._is_closed = False
        self._keeper = keeper or unlimited_keeper()
        limit_bytes = self._keeper.limit_bytes
        settings = fitted(settings, limit_bytes, shards=home.shards)
        database = database_settings(
            settings.memory,
            limit_bytes,
            shards=home.shards,
            free_bytes_min=settings.tiers.free_disk_bytes_min,
        )
        self._retention = RulesInForce(Path(home.store), settings, shards=home.shards)
        self._objects: Objects | None = None
        settle(home.folder)
        self._lease = database_lease(self._keeper, database)
        try:
            self._values = RocksKeyValues(home.folder, settings=database)
        except BaseException:
            self._lease.release()
            raise
        self._held: HeldFolder | None = None
        try:
            sweep_left(_SHARED_MEMORY, _shared_prefix())
            self._held = HeldFolder.hold(home.shared_folder)
            self._folder = SharedFolder(self._held.path, bytes_max=settings.tiers.l1_bytes_max)
            _require_count(self._values, home)
            url = _object_store(self._values, home.objects)
            self._objects = open_objects(url) if url else None
            self._shard = self._opened(settings, pack)
            self._shard.start()
        except BaseException:
            self._let_go()
            raise

    def call(self, operations: Sequence[Operation]) -> list[Result]:
        """Return one result per operation, in order."""
        return self._shard.call(operations)

    def close(self) -> None:
        """Stop upkeep, finish what waits, close the database; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._shard.close()
        self._let_go()

    def _opened(self, settings: Settings, pack: Pack) -> OpenShard:
        return OpenShard(
            ShardParts(
                values=self._values,
                settings=settings,
                wall=UnixClock(),
                clock=MonotonicClock(),
                dice=random.SystemRandom(),
                objects=self._objects,
                folder=self._folder,
                pack=pack,
                retention=self._retention,
                keeper=self._keeper,
            )
        )

    def _let_go(self) -> None:
        self._values.close()
        self._lease.release()
        if self._held is not None:
            self._held.remove()  # in memory, for nobody now
        if self._objects is not None:
            self._objects.close()


def _shared_prefix() -> str:
    """Return what the names of this user's folders in shared memory begin with."""
    return f"tierfold-{os.getuid()}-"


def open_shard(
    home: ShardHome,
    *,
    settings: Settings,
    pack: Pack = packed,
    keeper: PoolKeeper | None = None,
) -> DiskShard:
    """Open a shard with its upkeep at work; `keeper` has the memory of this process."""
    return DiskShard(home, settings=settings, pack=pack, keeper=keeper)


def require_readable(folder: Path) -> None:
    """Raise CorruptError where a database does not open, or not what a shard begins with."""
    values = RocksKeyValues(folder)
    try:
        for key in (SHARDS_KEY, URL_KEY, NEXT_BLOCK_KEY):
            values.get(Family.META, key)
        if values.get(Family.META, FORMAT_KEY) is not None:
            open_state(values, new_id=b"")
    finally:
        values.close()


def has_beginning(values: KeyValues) -> bool:
    """Return whether all is there that a shard wrote first: what it follows stands beside it."""
    try:
        return all(values.get(Family.META, key) for key in (SHARDS_KEY, FORMAT_KEY, STORE_ID_KEY))
    except CorruptError:
        return False


def note_shards(values: KeyValues, count: int) -> None:
    """Note how many shards the store has."""
    batch = Batch()
    batch.put(Family.META, SHARDS_KEY, count.to_bytes(_COUNT_BYTES, "big"))
    values.write(batch)


def _require_count(values: KeyValues, home: ShardHome) -> None:
    """Refuse another number of shards than the store was made with: contexts would not be found."""
    stored = values.get(Family.META, SHARDS_KEY)
    if stored is None:
        note_shards(values, home.shards)
        return
    count = int.from_bytes(stored, "big")
    if count != home.shards:
        problem = (
            f"{home.store} was made with {count} shards, not {home.shards}: open it with those"
        )
        raise SetupError(problem)


def _object_store(values: KeyValues, asked: str) -> str:
    """Return the URL of the object store to follow, "" for none.

    Leaving one is refused while blocks lie there alone; coming back to it, all is copied again.
    """
    followed = (values.get(Family.META, URL_KEY) or b"").decode()
    if asked != NO_OBJECTS:
        return asked or followed
    if followed:
        require_nothing_left(values)
        batch = Batch()
        batch.delete(Family.META, URL_KEY)
        values.write(batch)
    return ""
