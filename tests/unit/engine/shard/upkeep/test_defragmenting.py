import random
from pathlib import Path

import pytest

from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.compression.lossless import Block
from tierfold.context.identity import ContextKey
from tierfold.engine.shard.keys import block_key, reference_key
from tierfold.engine.shard.upkeep import defragmenting
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.defragmenting import DEFRAGMENTED_KEY, Defragmenter
from tierfold.engine.shard.upkeep.moving import Mover
from tierfold.engine.shard.upkeep.packing import packed
from tierfold.ports import Family
from tierfold.storage.memory import MemoryKeyValues
from tierfold.storage.rocks import RocksKeyValues

DICE = random.Random(5)
LONG = [message(f"{n} " + DICE.randbytes(2000).hex()) for n in range(40)]


class WatchedBodies(StoredBodies):
    """Notes which blocks are looked at."""

    looked: list[int]

    def unpacked(self, tenant: str, number: int) -> Block | None:
        self.looked.append(number)
        return super().unpacked(tenant, number)


def defragmenter(world: World, looked: list[int]) -> Defragmenter:
    bodies = WatchedBodies(world.values, world.dictionaries.codec_of, source=None)
    bodies.looked = looked
    return Defragmenter(
        values=world.values,
        bodies=bodies,
        mover=Mover(world.commits, has_l4=False, dropped=world.blocks.evict),
        dictionaries=world.dictionaries,
        pack=packed,
    )


def defragmented(world: World) -> None:
    """Let defragmentation come to its end."""
    for _ in range(3):
        world.upkeep.was_deleted(TENANT, b"12345678")
        world.idle()


def test_a_block_that_nobody_needs_goes() -> None:
    """Deleted content leaves the disk without anybody asking for it."""
    world = World(objects=None)
    world.put("a", LONG)
    world.sealed()
    world.delete("a")
    world.idle()

    assert world.count(Family.BLOCK) == 0


def test_a_block_under_half_live_is_rewritten() -> None:
    """What is left of mostly empty blocks is moved; it reads as before."""
    world = World(objects=None)
    world.put("a", LONG)
    world.put("b", LONG[::4])
    world.sealed()
    size = world.values.size_bytes()[Family.BLOCK]
    world.delete("a")
    defragmented(world)

    assert world.values.size_bytes()[Family.BLOCK] < size * 0.35
    assert world.read("b") == [each.segment.body for each in LONG[::4]]
    assert world.audit() == []


def test_a_block_that_is_mostly_live_stays() -> None:
    """Moving much to win little is not worth it."""
    world = World(objects=None)
    world.put("a", LONG)
    world.put("b", LONG[:30])
    world.sealed()
    before = dict(world.values.scan(Family.BLOCK, b""))
    world.delete("a")
    defragmented(world)
    kept = dict(world.values.scan(Family.BLOCK, b""))

    assert sum(key in before for key in kept) >= len(before) // 2


def test_small_blocks_are_joined_and_then_left_alone() -> None:
    """What was sealed bit by bit becomes whole blocks once, not again and again."""
    world = World(objects=None)
    for count in range(1, 12):
        world.put("a", [message(f"short sentence {n}") for n in range(count)])
        world.sealed()
    defragmented(world)
    joined = dict(world.values.scan(Family.BLOCK, b""))
    defragmented(world)

    assert len(joined) == 1
    assert dict(world.values.scan(Family.BLOCK, b"")) == joined
    assert world.audit() == []


def test_many_blocks_are_looked_at_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the number of blocks."""
    monkeypatch.setattr("tierfold.engine.shard.upkeep.defragmenting.WINDOW_BLOCKS", 2)
    world = World(objects=None)
    world.put("a", LONG)
    world.put("b", LONG[:3], tenant="other")
    world.sealed()
    assert world.count(Family.BLOCK) > 3
    world.delete("a")
    world.idle()

    assert world.count(Family.BLOCK) == 1
    assert world.read("b", "other") == [each.segment.body for each in LONG[:3]]


def test_a_damaged_reference_holds_its_block() -> None:
    """Where nobody knows what a block is needed for, it is not dropped."""
    values = MemoryKeyValues()
    world = World(values=values, objects=None)
    world.put("a", LONG[:4])
    world.sealed()
    digest = ContextKey(TENANT, "a").digest
    for item in LONG[:4]:
        values.damage(Family.REFERENCE, reference_key(TENANT, item.segment.name, digest))
    defragmented(world)

    assert world.count(Family.BLOCK) == 1


def test_a_damaged_block_stays_for_the_audit() -> None:
    """Defragmentation passes over what it cannot read."""
    values = MemoryKeyValues()
    world = World(values=values, objects=None)
    world.put("a", LONG[:4])
    world.sealed()
    values.damage(Family.BLOCK, block_key(TENANT, 0))
    defragmented(world)

    assert world.count(Family.REFERENCE) == 4
    assert values.get(Family.REFERENCE, next(k for k, _ in values.scan(Family.REFERENCE, b"")))


def test_compaction_gives_the_disk_back(tmp_path: Path) -> None:
    """With RocksDB, the files shrink by what was deleted."""
    values = RocksKeyValues(tmp_path / "db")
    world = World(values=values, objects=None)
    world.put("a", LONG * 3)
    world.put("b", LONG[::10])
    world.upkeep.compact()
    full = sum(values.size_bytes().values())
    world.delete("a")
    world.upkeep.compact()

    assert sum(values.size_bytes().values()) < full * 0.3
    assert world.read("b") == [each.segment.body for each in LONG[::10]]
    assert world.audit() == []
    values.close()


def test_a_long_pass_goes_on_where_it_was_when_the_shard_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a restart it begins behind the last full window; what is whole begins at the front."""
    monkeypatch.setattr(defragmenting, "WINDOW_BLOCKS", 2)
    monkeypatch.setattr(defragmenting, "_BLOCKS_AT_ONCE", 1)
    world = World(objects=None)
    world.put("a", LONG)
    world.sealed()
    blocks = world.count(Family.BLOCK)
    assert blocks >= 3
    looked: list[int] = []
    first = defragmenter(world, looked)
    work = first.one_pass()
    while world.values.get(Family.META, DEFRAGMENTED_KEY) is None:
        next(work)
    again: list[int] = []
    list(defragmenter(world, again).one_pass())
    whole: list[int] = []
    list(defragmenter(world, whole).one_pass())

    assert again == sorted(set(range(blocks)) - set(looked[:2]))
    assert whole == list(range(blocks))
