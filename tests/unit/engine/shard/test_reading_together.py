"""A context's blocks are read together: one call of the disk, calls of L4 side by side."""

import random
import threading
import time
from collections.abc import Sequence

import pytest

from tests.unit.engine.shard.worlds import TENANT, World, body_of, key, message
from tierfold.engine.shard.blocks import UNPACKED_KEPT
from tierfold.engine.shard.keys import block_key, block_stub
from tierfold.engine.shard.operations import Items, ReadItems
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

DICE = random.Random(7)
LONG = [message(DICE.randbytes(20_000).hex()) for _ in range(60)]
BODIES = [body_of(each) for each in LONG]


class CountingValues(MemoryKeyValues):
    """A disk that counts how often blocks are asked for, alone and together."""

    def __init__(self) -> None:
        super().__init__()
        self.alone = 0
        self.together: list[int] = []

    def get(self, family: Family, key: bytes) -> bytes | None:
        self.alone += family is Family.BLOCK
        return super().get(family, key)

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        if family is Family.BLOCK:
            self.together.append(len(keys))
        return super().get_many(family, keys)


class SlowObjects(FaultyObjects):
    """An object store that notes how many ask it at a time."""

    def __init__(self) -> None:
        super().__init__(MemoryObjects())
        self.calls = 0
        self.at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            self.calls += 1
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        time.sleep(0.01)
        try:
            return super().get(key)
        finally:
            with self._lock:
                self._now -= 1


def sealed(world: World) -> int:
    """Put a context into blocks that nobody has in memory; returns how many."""
    world.create("a", LONG)
    world.seal()
    world.shard.blocks.clear()
    return world.count(Family.BLOCK)


def in_l4_alone() -> tuple[World, SlowObjects, int]:
    """Return a shard of whose blocks the disk has the hashes."""
    objects = SlowObjects()
    world = World(objects=objects)
    world.create("a", LONG)
    assert world.shard.upkeep.flush()
    stubs = Batch()
    for found, _ in world.values.scan(Family.META, b"4"):
        number = int.from_bytes(found[-5:], "big")
        stubs.put(Family.BLOCK, block_key(TENANT, number), block_stub(found[-21:-5]))
    world.values.write(stubs)
    world.shard.blocks.clear()
    return world, objects, len(stubs)


def test_blocks_of_the_disk_are_read_in_few_calls() -> None:
    """As many at a time as stay unpacked; what is in memory is not read again."""
    values = CountingValues()
    world = World(values=values)
    blocks = sealed(world)
    values.alone, values.together = 0, []
    found = world.get(ReadItems(context=key("a")), Items)

    assert list(found.bodies) == BODIES
    assert found.tier == "L3"
    assert blocks > UNPACKED_KEPT
    assert values.alone == 0
    assert sum(values.together) == blocks
    assert max(values.together) <= UNPACKED_KEPT
    assert world.get(ReadItems(context=key("a")), Items).tier == "L2"
    assert sum(values.together) == blocks


def test_blocks_of_l4_are_fetched_side_by_side() -> None:
    """A context that the disk let go of takes a few turns of the object store, not one a block."""
    world, objects, blocks = in_l4_alone()
    found = world.get(ReadItems(context=key("a")), Items)

    assert list(found.bodies) == BODIES
    assert found.tier == "L4"
    assert objects.calls == blocks
    assert 1 < objects.at_once <= 8
    assert world.get(ReadItems(context=key("a")), Items).tier == "L2"


def test_an_object_store_that_is_away_is_asked_once() -> None:
    """The first call finds out: the others do not wait with it."""
    world, objects, _ = in_l4_alone()
    objects.is_down = True

    world.fails(ReadItems(context=key("a")), ObjectStoreError)
    assert objects.calls == 1
    objects.is_down = False
    assert world.read("a") == BODIES


def test_one_bad_object_fails_the_read_and_is_named() -> None:
    """What was fetched beside it stays in memory or not; nothing wrong is ever given out."""
    world, objects, _ = in_l4_alone()
    objects.damaged.add(list(objects.keys(f"{TENANT}/blocks/"))[-1])

    assert "other bytes" in str(world.fails(ReadItems(context=key("a")), CorruptError))
    objects.damaged.clear()
    assert world.read("a") == BODIES


@pytest.mark.parametrize("is_in_l4", [True, False])
def test_a_damaged_block_among_others_is_mended_or_named(*, is_in_l4: bool) -> None:
    """The others are read all the same."""
    world = World(objects=MemoryObjects() if is_in_l4 else None)
    sealed(world)
    if is_in_l4:
        assert world.shard.upkeep.flush()
    world.shard.blocks.clear()
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.BLOCK, block_key(TENANT, 3))

    if is_in_l4:
        assert world.get(ReadItems(context=key("a")), Items).tier == "L4"
        world.shard.blocks.clear()
        found = world.get(ReadItems(context=key("a")), Items)
        assert (found.tier, list(found.bodies)) == ("L3", BODIES)
    else:
        assert "block" in world.fails(ReadItems(context=key("a")), CorruptError).what
        assert world.read("a", 0, 2) == BODIES[:2]


def test_a_block_that_is_gone_is_none_of_those_found() -> None:
    """Whoever asks looks for its bodies where they are now."""
    world = World()
    blocks = sealed(world)
    found = world.shard.blocks.get_many(TENANT, [0, 1, blocks + 5])
    assert sorted(found) == [0, 1]
    assert world.shard.blocks.get_many(TENANT, [blocks + 5]) == {}
    assert world.shard.blocks.get_many(TENANT, []) == {}
