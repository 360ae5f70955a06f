"""How much there is of something, for reports: exact while that is quick and nothing is broken."""

from itertools import islice

from tierfold.engine.shard.keys import UPLOADED
from tierfold.engine.shard.upkeep.sweeping import known, sound, sweep
from tierfold.errors import CorruptError
from tierfold.ports import Family, KeyValues

COUNTED_MAX = 100_000  # keys; .1 s on one core


def count(values: KeyValues, family: Family) -> int:
    """Return the keys of a family; beyond COUNTED_MAX an estimate by its bytes."""
    keys = size_bytes = 0
    for key, value in islice(known(sweep(values, family)), COUNTED_MAX):
        keys += 1
        size_bytes += len(key) + (0 if isinstance(value, CorruptError) else len(value))
    if keys < COUNTED_MAX:
        return keys
    return max(keys, keys * values.size_bytes().get(family, 0) // size_bytes)


def waiting_blocks(values: KeyValues) -> int:
    """Return the blocks that L4 lacks, up to COUNTED_MAX."""
    return _waiting(values, b"b")


def waiting_contexts(values: KeyValues) -> int:
    """Return the contexts whose newest state L4 lacks, up to COUNTED_MAX."""
    return _waiting(values, b"c")


def uploaded(values: KeyValues) -> tuple[int, int]:
    """Return bytes and number of the blocks that L4 has of this shard, up to COUNTED_MAX."""
    found = [
        int.from_bytes(size, "big")
        for _, size in islice(known(sound(values, Family.META, UPLOADED)), COUNTED_MAX)
    ]
    return sum(found), len(found)


def _waiting(values: KeyValues, kind: bytes) -> int:
    return sum(1 for _ in islice(known(sweep(values, Family.OUTBOX, kind)), COUNTED_MAX))
