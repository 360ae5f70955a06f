"""From a folder to a `Store`: the lock, the shards, and what works on them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tierfold.config import Settings
from tierfold.context.identity import ID_RANDOM_BITS, id_at
from tierfold.engine.allocator import limit_arenas
from tierfold.engine.clock import MonotonicClock, UnixClock
from tierfold.engine.engine import Engine
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.engine.process_memory import process_keeper
from tierfold.engine.request_memory import RequestMemory
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.folders import stored_names
from tierfold.engine.shard.opening import ShardHome, open_shard
from tierfold.engine.shard.operations import Operation, Result
from tierfold.engine.store import ClosableLink, Store, StoreParts
from tierfold.engine.verbs import Verbs
from tierfold.engine.working import WorkingSets
from tierfold.ports import Clock
from tierfold.replication import Placement
from tierfold.storage import MemoryKeyValues, StoreLock

IN_MEMORY: Final = ":memory:"  # a path that is none: everything is gone when the store is closed
LOCAL_TENANT: Final = "local"  # whoever is alone with a store

_DEFAULT_SETTINGS = Settings()
_NAME_DIGITS = 2


def open_store(
    path: str | Path,
    *,
    objects: str | None = None,
    shards: int | None = None,
    settings: Settings = _DEFAULT_SETTINGS,
    tenant: str = LOCAL_TENANT,
) -> Store:
    """Open the store in a folder, or begin one there; `":memory:"` keeps nothing.

    `objects` is the URL of an object store (file://, s3://, gs://, az://) to which everything is
    copied in the background; a store remembers it, and `"none"` leaves it. A store keeps the number
    of shards it began with; more than one is for comparing, a process needs one. Close it, or use
    it in a `with` block. What it takes of this process's memory is limited (`settings.memory`).
    Raises StoreLockedError when another process has it open, SetupError when
    the folder cannot be used.
    """
    limit_arenas()
    keeper = process_keeper(settings.memory)
    opening = _Opening(settings, keeper, tenant)
    if str(path) == IN_MEMORY:
        names = shard_names(shards or 1)
        links: list[ClosableLink] = [MemoryShard(settings, keeper) for _ in names]
        return opening.store(links, names, path=IN_MEMORY, lock=None)
    folder = Path(path).expanduser().resolve()
    lock = StoreLock.acquire(folder, born=UnixClock().unix_ms())
    opened: list[ClosableLink] = []
    try:
        names = shard_names(shards or stored_shards(folder) or 1)
        opened.extend(
            open_shard(
                ShardHome(store=str(folder), name=name, shards=len(names), objects=objects or ""),
                settings=settings,
                keeper=keeper,
            )
            for name in names
        )
        return opening.store(opened, names, path=str(folder), lock=lock)
    except BaseException:
        for shard in opened:
            shard.close()
        lock.release()
        raise


class MemoryShard:
    """A shard whose database is this process's memory."""

    def __init__(self, settings: Settings, keeper: PoolKeeper | None = None) -> None:
        """Begin empty."""
        self._values = MemoryKeyValues()
        self._shard = OpenShard(
            ShardParts(
                values=self._values,
                settings=settings,
                wall=UnixClock(),
                clock=MonotonicClock(),
                dice=random.SystemRandom(),
                keeper=keeper,
            )
        )
        self._shard.start()

    def call(self, operations: Sequence[Operation]) -> list[Result]:
        """Return one result per operation, in order."""
        return self._shard.call(operations)

    def close(self) -> None:
        """Forget everything; a second time does nothing."""
        self._shard.close()
        self._values.close()


def shard_names(count: int) -> list[str]:
    """Return the names of a store's shards, which are their folders' names too."""
    return [f"shard-{number:0{_NAME_DIGITS}d}" for number in range(count)]


def stored_shards(folder: Path) -> int:
    """Return how many shards a store's folder holds."""
    return len(stored_names(folder))


@dataclass(frozen=True, slots=True)
class _Opening:
    """What a store is opened with."""

    settings: Settings
    keeper: PoolKeeper
    tenant: str

    def store(
        self,
        links: Sequence[ClosableLink],
        names: Sequence[str],
        *,
        path: str,
        lock: StoreLock | None,
    ) -> Store:
        """Return the store of shards that are open."""
        clock, wall, dice = MonotonicClock(), UnixClock(), random.SystemRandom()
        engine = Engine(settings=self.settings, clock=clock, keeper=self.keeper)
        parts = StoreParts(
            shards=links,
            placement=Placement(names),
            verbs=self._verbs(clock, engine.memory),
            engine=engine,
            wall=wall,
            new_id=lambda: id_at(wall.unix_ms(), dice.getrandbits(ID_RANDOM_BITS)),
            random_bits=lambda: dice.getrandbits(ID_RANDOM_BITS),
            release=lock.release if lock else _nothing,
        )
        return Store(parts, tenant=self.tenant, path=path)

    def _verbs(self, clock: Clock, memory: RequestMemory) -> Verbs:
        settings = self.settings
        return Verbs(
            working_sets=WorkingSets(settings.tiers.l0_bytes_max, self.keeper),
            clock=clock,
            limits=settings.limits,
            store_limits=settings.store,
            memory=memory,
        )


def _nothing() -> None:
    """Release what was never held."""
