"""L3 over its watermark: blocks leave the disk whose copy in L4 was read back this moment."""

from collections.abc import Callable, Collection, Iterator

from tierfold.compression.lossless import block_hash
from tierfold.config import TierSettings
from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import (
    HASH_BYTES,
    UPLOADED,
    block_key,
    block_stub,
    outbox_block_key,
    split_tenant,
    stub_hash,
    uploaded_key,
    uploaded_prefix,
)
from tierfold.engine.shard.objects import block_object
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import sound
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError
from tierfold.memory import DiskBlock, disk_victims, excess_bytes
from tierfold.ports import Batch, Family, KeyValues

IsAbove = Callable[[str, int], bool]  # whether a block also lies in L1 or L2

_CANDIDATES_MAX = 65_536


class DiskEviction:
    """Replaces blocks by stubs until the disk is down to its low watermark."""

    def __init__(
        self,
        *,
        values: KeyValues,
        commits: Commits,
        source: ObjectSource,
        settings: TierSettings,
        is_above: IsAbove,
    ) -> None:
        self._values = values
        self._commits = commits
        self._source = source
        self._settings = settings
        self._is_above = is_above

    def one_pass(self) -> Iterator[None]:
        """Evict what is too much; pauses after every block."""
        excess = excess_bytes(self._settings, sum(self._values.size_bytes().values()))
        if not excess:
            return
        hashes: dict[tuple[str, int], bytes] = {}
        for victim in disk_victims(self._candidates(hashes), excess):
            self._evict(victim.tenant, victim.number, hashes[victim.tenant, victim.number])
            yield
        self._values.compact()

    def archive(self, tenant: str, numbers: Collection[int]) -> Iterator[int]:
        """Evict these blocks, as far as L4 has them; yields each that left the disk."""
        wanted: dict[int, bytes] = {}
        for key, _ in sound(self._values, Family.META, uploaded_prefix(tenant, b"")):
            hashed, number = _uploaded(key)
            value = _sound(self._values, block_key(tenant, number)) if number in numbers else None
            if value is not None and stub_hash(value) is None:
                wanted[number] = hashed
        for number, hashed in wanted.items():
            if self._evict(tenant, number, hashed):
                yield number
        if wanted:
            self._values.compact()

    def _candidates(self, hashes: dict[tuple[str, int], bytes]) -> Iterator[DiskBlock]:
        """Yield blocks that L4 has, as far as is noted here, and note their hashes."""
        for key, _ in sound(self._values, Family.META, UPLOADED):
            tenant, _ = split_tenant(key[1:])
            hashed, number = _uploaded(key)
            value = _sound(self._values, block_key(tenant, number))
            if value is None or stub_hash(value) is not None:
                continue
            hashes[tenant, number] = hashed
            yield DiskBlock(
                tenant=tenant,
                number=number,
                size_bytes=len(value),
                is_above=self._is_above(tenant, number),
                is_in_l4=True,
            )
            if len(hashes) == _CANDIDATES_MAX:
                return

    def _evict(self, tenant: str, number: int, hashed: bytes) -> bool:
        """Read the copy back; only where it is whole the disk lets its own go."""
        try:
            self._source.block(tenant, hashed)
        except CorruptError:
            # The damaged object has to go first: objects are put where there is none.
            self._source.objects.delete([block_object(tenant, self._source.owner, hashed)])
            self._commits.run(lambda _, batch: _put_again(batch, tenant, number, hashed))
            return False
        return self._commits.run(lambda view, batch: _stubbed(view, batch, tenant, number, hashed))


def _uploaded(key: bytes) -> tuple[bytes, int]:
    """Return hash and number of a block that L4 has, by the key that says so."""
    _, rest = split_tenant(key[1:])
    return rest[:HASH_BYTES], int.from_bytes(rest[HASH_BYTES:], "big")


def _put_again(batch: Batch, tenant: str, number: int, hashed: bytes) -> None:
    batch.delete(Family.META, uploaded_key(tenant, hashed, number))
    batch.put(Family.OUTBOX, outbox_block_key(tenant, number), b"")


def _stubbed(view: Stored, batch: Batch, tenant: str, number: int, hashed: bytes) -> bool:
    key = block_key(tenant, number)
    value = view.get(Family.BLOCK, key)
    if value is None or block_hash(value) != hashed:
        return False
    batch.put(Family.BLOCK, key, block_stub(hashed))
    return True


def _sound(values: KeyValues, key: bytes) -> bytes | None:
    try:
        return values.get(Family.BLOCK, key)
    except CorruptError:
        return None
