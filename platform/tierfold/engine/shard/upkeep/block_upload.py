"""Blocks and their dictionaries in L4: put many at once, noted in one step, deleted together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tierfold.compression.lossless import block_hash
from tierfold.compression.lossless.dictionaries import TRAINED_ID_BYTES
from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import (
    block_key,
    outbox_block_key,
    outbox_unneeded_key,
    split_outbox,
    stub_hash,
    tenant_prefix,
    uploaded_key,
    uploaded_prefix,
)
from tierfold.engine.shard.objects import block_object, dictionary_object
from tierfold.engine.shard.together import require_all, together
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Batch, Family, KeyValues

_SIZE_BYTES = 4

BlockId = tuple[str, int]  # tenant and number


@dataclass(frozen=True, slots=True)
class _Packed:
    """A block on its way."""

    tenant: str
    number: int
    hashed: bytes
    data: bytes = field(repr=False)


class BlockUpload:
    """Puts and deletes; for one thread. Raises ObjectStoreError when what arrived is noted."""

    def __init__(
        self, *, values: KeyValues, commits: Commits, bodies: StoredBodies, source: ObjectSource
    ) -> None:
        self._values = values
        self._commits = commits
        self._bodies = bodies
        self._objects = source.objects
        self._owner = source.owner
        self._dictionaries: set[tuple[str, bytes]] = set()  # known to be in L4

    def put(self, blocks: Iterable[BlockId]) -> set[str]:
        """Put blocks and note them; returns the tenants of those that are damaged."""
        packed: list[_Packed] = []
        gone: list[BlockId] = []
        damaged: set[str] = set()
        for block in blocks:
            try:
                found = self._packed(block)
            except CorruptError:
                damaged.add(block[0])  # it waits until it is mended; the audit names it
                continue
            if found is None:
                gone.append(block)
            else:
                packed.append(found)
        self._put(packed, gone)
        return damaged

    def is_up(self, tenant: str, number: int, hashed: bytes) -> bool:
        """Return whether L4 has a block, as is noted here or because nothing else has it."""
        if self._values.get(Family.META, uploaded_key(tenant, hashed, number)) is not None:
            return True
        value = self._values.get(Family.BLOCK, block_key(tenant, number))
        return value is not None and stub_hash(value) == hashed

    def delete_blocks(self, keys: Sequence[bytes]) -> None:
        """Delete the objects that these outbox keys name, but of blocks that are here again."""
        unneeded = [
            block_object(tenant, self._owner, hashed)
            for _, tenant, hashed in map(split_outbox, keys)
            if next(self._values.scan(Family.META, uploaded_prefix(tenant, hashed)), None) is None
        ]
        self._delete(unneeded, keys)

    def delete_dictionaries(self, keys: Sequence[bytes]) -> None:
        """Delete the objects that these outbox keys name, but of those that were trained again."""
        unneeded = []
        for _, tenant, dictionary in map(split_outbox, keys):
            if self._values.get(Family.DICTIONARY, tenant_prefix(tenant) + dictionary) is None:
                unneeded.append(dictionary_object(tenant, self._owner, dictionary))
                self._dictionaries.discard((tenant, dictionary))
        self._delete(unneeded, keys)

    def _delete(self, unneeded: Sequence[str], keys: Sequence[bytes]) -> None:
        if unneeded:
            self._objects.delete(unneeded)
        self._commits.run(lambda _, batch: _taken_off(batch, keys))

    def _packed(self, block: BlockId) -> _Packed | None:
        """Return a block whose dictionary is in L4; None for one to which nothing is to be put."""
        tenant, number = block
        value = self._values.get(Family.BLOCK, block_key(tenant, number))
        if value is None or stub_hash(value) is not None:
            return None
        self._put_dictionary(tenant, self._bodies.codec_of(tenant).dictionary_of(value))
        return _Packed(tenant, number, block_hash(value), value)

    def _put(self, packed: Sequence[_Packed], gone: Sequence[BlockId]) -> None:
        """Put blocks with equal bytes once; note what arrived even where another one failed."""
        objects = {block_object(each.tenant, self._owner, each.hashed): each for each in packed}
        outcomes = together(
            [partial(self._objects.put_new, key, each.data) for key, each in objects.items()]
        )
        failed = {
            key
            for key, outcome in zip(objects, outcomes, strict=True)
            if isinstance(outcome, ObjectStoreError)
        }
        arrived = [
            each
            for each in packed
            if block_object(each.tenant, self._owner, each.hashed) not in failed
        ]
        if arrived or gone:
            self._commits.run(partial(_noted, arrived=arrived, gone=gone))
        require_all(outcomes)

    def _put_dictionary(self, tenant: str, dictionary: bytes | None) -> None:
        """Put what a block needs to be read, where that is not certain to be there."""
        if dictionary is None or len(dictionary) != TRAINED_ID_BYTES:
            return
        if (tenant, dictionary) in self._dictionaries:
            return
        stored = self._values.get(Family.DICTIONARY, tenant_prefix(tenant) + dictionary)
        if stored is not None:
            self._objects.put_new(dictionary_object(tenant, self._owner, dictionary), stored)
            self._dictionaries.add((tenant, dictionary))


def _noted(
    view: Stored, batch: Batch, *, arrived: Sequence[_Packed], gone: Sequence[BlockId]
) -> None:
    """Note that L4 has blocks; where one was dropped meanwhile, that L4 shall not have it."""
    batch.makes_room = True  # only what is noted may leave the disk
    for tenant, number in gone:
        batch.delete(Family.OUTBOX, outbox_block_key(tenant, number))
    for each in arrived:
        batch.delete(Family.OUTBOX, outbox_block_key(each.tenant, each.number))
        if view.get(Family.BLOCK, block_key(each.tenant, each.number)) is None:
            batch.put(Family.OUTBOX, outbox_unneeded_key(each.tenant, each.hashed), b"")
            continue
        size = len(each.data).to_bytes(_SIZE_BYTES, "big")
        batch.put(Family.META, uploaded_key(each.tenant, each.hashed, each.number), size)


def _taken_off(batch: Batch, keys: Sequence[bytes]) -> None:
    for key in keys:
        batch.delete(Family.OUTBOX, key)
