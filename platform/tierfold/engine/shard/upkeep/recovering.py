"""A shard whose database lost tables: what is left is made whole, and L4 gives what it lacks.

Nothing a lost table said can be taken for granted: neither the next block's number, nor what L4
has, nor that a missing head means a deleted context.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tierfold.compression.lossless import block_hash
from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import (
    NEXT_BLOCK_KEY,
    NUMBER_BYTES,
    STORE_FORMAT,
    UPLOADED,
    Place,
    outbox_block_key,
    outbox_context_key,
    split_outbox,
    split_tenant,
    stub_hash,
    uploaded_key,
)
from tierfold.engine.shard.state import FORMAT_BYTES, FORMAT_KEY, STORE_ID_BYTES, STORE_ID_KEY
from tierfold.engine.shard.upkeep.adopting import URL_KEY
from tierfold.engine.shard.upkeep.restoring import Restorer, contexts_in
from tierfold.engine.shard.upkeep.surviving import Survivors
from tierfold.engine.shard.upkeep.sweeping import sweep
from tierfold.errors import CorruptError
from tierfold.ports import Batch, Family, KeyValues, Objects

IsOurs = Callable[[bytes], bool]  # whether a context of this digest lives on this shard

_KEYS_PER_BATCH = 4096
_SIZE_BYTES = 4


@dataclass(slots=True)
class Recovered:
    """What became of a shard's contexts; each is named `tenant/id`, or by digest without an id."""

    whole: int = 0  # contexts that are there with every byte
    from_l4: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)  # the head is there, some content is not
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # of L4


def recover(
    values: KeyValues, objects: Objects | None, *, is_ours: IsOurs, dice: random.Random
) -> Recovered:
    """Make a salvaged database a shard again, which serves nobody meanwhile.

    What it has in a newer version than L4 stays; where L4 does not answer ObjectStoreError is
    raised, and all can be done again.
    """
    recovered = Recovered()
    owner = _settle_identity(values, objects, is_ours, dice)
    _settle_numbers(values)
    source = None if objects is None else ObjectSource(objects=objects, owner=owner)
    survivors = Survivors(values, source)
    survivors.look()
    if objects is not None:
        _take_from_l4(objects, values, survivors, recovered, is_ours)
    _tell(recovered, survivors)
    _forget_notes(values, survivors)
    if _sound(values, URL_KEY) is not None:
        _ask_again(values, source)
    values.drop(Family.SEARCH)  # a cache; it cannot know what it has lost
    return recovered


def _settle_identity(
    values: KeyValues, objects: Objects | None, is_ours: IsOurs, dice: random.Random
) -> bytes:
    """Return the store's id, found again in L4 or made anew where it is lost."""
    batch = Batch()
    if _sound(values, FORMAT_KEY) is None:
        batch.put(Family.META, FORMAT_KEY, STORE_FORMAT.to_bytes(FORMAT_BYTES, "big"))
    owner = _sound(values, STORE_ID_KEY)
    if owner is None:
        owner = _owner_in_l4(objects, is_ours) or dice.randbytes(STORE_ID_BYTES)
        batch.put(Family.META, STORE_ID_KEY, owner)
    if objects is not None:
        batch.put(Family.META, URL_KEY, objects.url.encode())
    values.write(batch)
    return owner


def _owner_in_l4(objects: Objects | None, is_ours: IsOurs) -> bytes | None:
    if objects is None:
        return None
    for context in contexts_in(objects):
        manifest = context.newest(objects) if is_ours(context.digest) else None
        if manifest is not None:
            return manifest.owner
    return None


def _settle_numbers(values: KeyValues) -> None:
    """Never give out a block's number again that something still refers to."""
    numbers = [_number(_sound(values, NEXT_BLOCK_KEY))]
    numbers += [_number(key[-NUMBER_BYTES:]) + 1 for key, _ in sweep(values, Family.BLOCK)]
    for _, value in sweep(values, Family.REFERENCE):
        if not isinstance(value, CorruptError):
            block = Place.decode(value).block
            numbers.append(0 if block is None else block + 1)
        if len(numbers) > _KEYS_PER_BATCH:
            numbers = [max(numbers)]
    batch = Batch()
    batch.put(Family.META, NEXT_BLOCK_KEY, max(numbers).to_bytes(NUMBER_BYTES, "big"))
    values.write(batch)


def _take_from_l4(
    objects: Objects,
    values: KeyValues,
    survivors: Survivors,
    recovered: Recovered,
    is_ours: IsOurs,
) -> None:
    """Restore what is not whole here, or older than in L4; not what was deleted here."""
    restorer = Restorer(objects, values, torn=survivors.torn, hashes=_hashes(values))
    for context in contexts_in(objects):
        key = (context.tenant, context.digest)
        if not is_ours(context.digest) or survivors.is_deleted(*key):
            continue
        if restorer.restore(context):
            recovered.from_l4.append(survivors.found(*key))
    recovered.problems += restorer.restored.problems


def _tell(recovered: Recovered, survivors: Survivors) -> None:
    recovered.whole = len(survivors.whole)
    for (tenant, digest), has_head in survivors.torn.items():
        names = recovered.incomplete if has_head else recovered.lost
        names.append(survivors.name(tenant, digest))


def _forget_notes(values: KeyValues, survivors: Survivors) -> None:
    """Forget what is noted for L4: a lost head must not look there like a deletion."""
    batch = Batch()
    for key, _ in sweep(values, Family.OUTBOX):
        kind, tenant, rest = split_outbox(key)
        if kind == b"c" and survivors.is_deleted(tenant, rest):
            continue
        batch.delete(Family.OUTBOX, key)
        _write_full(values, batch)
    for key, _ in sweep(values, Family.META, UPLOADED):
        batch.delete(Family.META, key)
        _write_full(values, batch)
    values.write(batch)


def _ask_again(values: KeyValues, source: ObjectSource | None) -> None:
    """Let L4 follow from the beginning: what it has is not put twice."""
    batch = Batch()
    for key, value in sweep(values, Family.BLOCK):
        tenant, rest = split_tenant(key)
        number = _number(rest)
        hashed = None if isinstance(value, CorruptError) else stub_hash(value)
        if hashed is None:
            batch.put(Family.OUTBOX, outbox_block_key(tenant, number), b"")
        elif source is not None:
            _note_stub(batch, source, tenant, number, hashed)
        _write_full(values, batch)
    for key, _ in sweep(values, Family.HEAD):
        batch.put(Family.OUTBOX, outbox_context_key(*split_tenant(key)), b"")
        _write_full(values, batch)
    values.write(batch)


def _note_stub(batch: Batch, source: ObjectSource, tenant: str, number: int, hashed: bytes) -> None:
    try:
        size_bytes = len(source.block(tenant, hashed))
    except CorruptError:
        return  # the contexts that need it are named already
    size = size_bytes.to_bytes(_SIZE_BYTES, "big")
    batch.put(Family.META, uploaded_key(tenant, hashed, number), size)


def _hashes(values: KeyValues) -> dict[tuple[str, bytes], int]:
    """Return the numbers of the blocks that are here, so that none is stored twice."""
    found: dict[tuple[str, bytes], int] = {}
    for key, value in sweep(values, Family.BLOCK):
        if not isinstance(value, CorruptError) and stub_hash(value) is None:
            tenant, rest = split_tenant(key)
            found[tenant, block_hash(value)] = _number(rest)
    return found


def _write_full(values: KeyValues, batch: Batch) -> None:
    if len(batch) >= _KEYS_PER_BATCH:
        values.write(batch)
        batch.puts.clear()


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"", "big")


def _sound(values: KeyValues, key: bytes) -> bytes | None:
    try:
        return values.get(Family.META, key)
    except CorruptError:
        return None
