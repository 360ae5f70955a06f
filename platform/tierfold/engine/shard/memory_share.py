"""What a shard's own memory may take of its process's pools: database, blocks, mapped sets."""

from collections.abc import Callable
from dataclasses import replace

from tierfold.config import MemorySettings, Settings
from tierfold.engine.pool_keeper import Lease, PoolKeeper
from tierfold.errors import OverloadError, TooLargeError
from tierfold.memory.pools import Ask, Pool, Priority, Worth
from tierfold.storage import RocksSettings

CHUNK_BYTES = 1 << 20  # of blocks are leased at a time

_MIB = 1 << 20
_DATABASE_SHARE = 0.5  # of the overhead's share; the rest is for blocks and bodies
_CACHE_SHARE = 0.25  # of the database's; the rest is buffers, of which there are two
_CHUNK_MS = 5.0  # to read so many blocks from the disk again, and to unpack them


def fitted(settings: Settings, limit_bytes: int, *, shards: int) -> Settings:
    """Return the settings of one of so many shards, its tiers no larger than the pools' shares.

    Mapped sets lie in files in memory, which the cgroup counts as it counts a heap.
    """
    memory, tiers = settings.memory, settings.tiers
    cache_bytes = int(memory.cache_share * limit_bytes / shards)
    overhead_bytes = int(memory.overhead_share * limit_bytes / shards)
    return replace(
        settings,
        tiers=replace(
            tiers,
            l1_bytes_max=min(tiers.l1_bytes_max, cache_bytes),
            l2_bytes_max=min(tiers.l2_bytes_max, max(overhead_bytes, CHUNK_BYTES)),
        ),
    )


def database_settings(
    memory: MemorySettings, limit_bytes: int, *, shards: int, free_bytes_min: int
) -> RocksSettings:
    """Return what the database of one of so many shards may use."""
    usual = RocksSettings(free_bytes_min=free_bytes_min)
    share = memory.overhead_share * limit_bytes * _DATABASE_SHARE / shards
    cache_bytes = max(int(share * _CACHE_SHARE), _MIB)
    buffer_bytes = max(int(share * (1 - _CACHE_SHARE) / 2), _MIB)
    return replace(
        usual,
        cache_bytes=min(usual.cache_bytes, cache_bytes),
        write_buffer_bytes=min(usual.write_buffer_bytes, buffer_bytes),
    )


def database_lease(keeper: PoolKeeper, database: RocksSettings) -> Lease:
    """Lease what a database takes for as long as it is open; raises OverloadError."""
    size_bytes = database.cache_bytes + 2 * database.write_buffer_bytes
    ask = Ask(pool=Pool.OVERHEAD, size_bytes=size_bytes, priority=Priority.HIGH, is_lasting=True)
    return keeper.lease(ask)


class BlockLeases:
    """Leases for the blocks in a shard's memory, some at a time; for any thread.

    `shrink` lets go of blocks until so many bytes are left: the pool may want a chunk back.
    """

    def __init__(self, keeper: PoolKeeper, shrink: Callable[[int], None]) -> None:
        self._keeper = keeper
        self._shrink = shrink
        self._chunks: list[Lease] = []

    def room_for(self, size_bytes: int) -> int:
        """Lease room for so many bytes where there is; returns how many there is room for."""
        while len(self._chunks) * CHUNK_BYTES < size_bytes:
            ask = Ask(
                pool=Pool.OVERHEAD,
                size_bytes=CHUNK_BYTES,
                worth=Worth(utility=_CHUNK_MS, cost=CHUNK_BYTES),
            )
            try:
                self._chunks.append(self._keeper.lease(ask, evict=self._give_back))
            except (OverloadError, TooLargeError):
                break
        return len(self._chunks) * CHUNK_BYTES

    def release(self) -> None:
        """Give all back: the blocks are gone."""
        while self._chunks:
            self._chunks.pop().release()

    def _give_back(self) -> None:
        """Give one chunk back; all are alike, so any of them will do."""
        if self._chunks:
            chunk = self._chunks.pop()
            self._shrink(len(self._chunks) * CHUNK_BYTES)
            chunk.release()
