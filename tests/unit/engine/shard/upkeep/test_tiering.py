from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.config import TierSettings
from tierfold.context import Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.engine.shard.keys import block_key
from tierfold.engine.shard.upkeep.tiering import WasRead
from tierfold.engine.working import map_shared
from tierfold.ports import Family
from tierfold.storage.memory import MemoryKeyValues

CHAT = [message(f"sentence {n} of a talk about Oslo.") for n in range(30)]
KEY = (TENANT, ContextKey(TENANT, "a").digest)


def read(world: World, *, is_mapped: bool = True) -> None:
    """Let the shard read context a and tell upkeep."""
    found = world.blocks.get(TENANT, 0)
    assert found is not None
    tokenizer: Tokenizer | None = "o200k" if is_mapped else None
    world.upkeep.was_read(WasRead(key=KEY, blocks={0: found.packed_bytes}, tokenizer=tokenizer))
    world.idle(1000)


def a_world(folder: Path, **tiers: int) -> World:
    world = World(folder=folder, objects=None, tiers=TierSettings(**tiers))
    world.put("a", CHAT)
    world.sealed()
    return world


def test_the_second_read_makes_a_working_set_that_can_be_mapped(tmp_path: Path) -> None:
    """What is read again lies in L1, equal to what a reader would build, and no more in L2."""
    world = a_world(tmp_path / "l1")
    read(world)
    assert world.shared is not None
    assert list(world.shared.files()) == []
    read(world)
    info, _ = world.load(*KEY)
    path = world.shared.find(KEY[1], "o200k", info)

    assert path is not None
    mapped = map_shared(path, info)
    assert mapped.info == info
    assert mapped.prepared.places is not None  # or an answer from L1 would have no handles
    assert world.blocks.size_of(TENANT, 0) == 0
    report = world.upkeep.report()
    assert report.tiers[0].items == 1
    assert report.tiers[0].size_bytes == path.stat().st_size


def test_a_reader_that_maps_nothing_makes_none(tmp_path: Path) -> None:
    """L1 is for those who asked for it."""
    world = a_world(tmp_path / "l1")
    for _ in range(4):
        read(world, is_mapped=False)

    assert world.upkeep.report().tiers[0].items == 0


def test_a_change_takes_the_old_version_from_l1(tmp_path: Path) -> None:
    """A superseded working set only takes up room."""
    world = a_world(tmp_path / "l1")
    read(world)
    read(world)
    world.put("a", CHAT[:5])
    world.idle(1000)

    assert world.upkeep.report().tiers[0].items == 0


def test_a_deleted_context_leaves_l1_at_once(tmp_path: Path) -> None:
    """Nothing of it can be mapped when the deletion is acknowledged."""
    world = a_world(tmp_path / "l1")
    read(world)
    read(world)
    world.delete("a")
    assert world.shared is not None

    assert list(world.shared.files()) == []


def test_a_working_set_that_does_not_fit_is_not_kept(tmp_path: Path) -> None:
    """L1 never grows over its limit for a single context."""
    world = a_world(tmp_path / "l1", l1_bytes_max=9_000)
    for _ in range(3):
        read(world)

    assert world.upkeep.report().tiers[0].size_bytes == 0


def test_what_is_too_much_for_l1_comes_down(tmp_path: Path) -> None:
    """Over the high watermark the last in order lose their files."""
    world = a_world(tmp_path / "l1")
    read(world)
    read(world)
    size = world.upkeep.report().tiers[0].size_bytes
    tight = a_world(tmp_path / "l1-tight", l1_bytes_max=size + 10)
    read(tight)
    read(tight)
    tight.idle(1000)
    read(tight)

    assert tight.upkeep.report().tiers[0].size_bytes in (0, size)


def test_l2_over_its_watermark_drops_blocks(tmp_path: Path) -> None:
    """The disk has them: their room is given to others."""
    world = a_world(tmp_path / "l1", l2_bytes_max=100)
    read(world, is_mapped=False)

    assert world.blocks.size_of(TENANT, 0) == 0


def test_what_cannot_be_built_stays_below(tmp_path: Path) -> None:
    """A damaged context is no reason for upkeep to stop."""
    values = MemoryKeyValues()
    world = World(values=values, folder=tmp_path / "l1", objects=None)
    world.put("a", CHAT)
    world.sealed()
    read(world)
    values.damage(Family.BLOCK, block_key(TENANT, 0))
    read(world)

    assert world.upkeep.report().tiers[0].items == 0
    assert world.upkeep.problems == {}


def test_leftovers_of_a_process_that_died_are_swept(tmp_path: Path) -> None:
    """A shard that starts removes half written files."""
    world = a_world(tmp_path / "l1")
    (tmp_path / "l1" / ".new-abc").write_bytes(b"half")
    world.upkeep.begin()

    assert list((tmp_path / "l1").iterdir()) == []


def test_working_sets_survive_a_restart(tmp_path: Path) -> None:
    """What a process left in L1 is counted and used by the next one; old versions are not."""
    world = a_world(tmp_path / "l1")
    read(world)
    read(world)
    again = World(values=world.values, folder=tmp_path / "l1", objects=None)
    again.upkeep.begin()
    assert again.upkeep.report().tiers[0].items == 1
    again.put("a", CHAT[:3])
    again.idle(1000)
    assert again.upkeep.report().tiers[0].items == 0
    read(again)
    read(again)
    again.put("a", CHAT[:2])
    last = World(values=world.values, folder=tmp_path / "l1", objects=None)
    last.upkeep.begin()

    assert last.upkeep.report().tiers[0].items == 0


def test_a_context_deleted_while_it_is_built_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working set that comes too late is removed by whoever wrote it."""
    world = a_world(tmp_path / "l1")
    read(world)
    assert world.shared is not None
    write = world.shared.write

    def late(*given: Any) -> Path | None:
        world.delete("a")
        return write(*given)

    monkeypatch.setattr(world.shared, "write", late)
    read(world)

    assert list(world.shared.files()) == []
    assert world.upkeep.problems == {}


def test_blocks_of_contexts_in_l1_lie_above_the_disk(tmp_path: Path) -> None:
    """A full disk lets go of them first, until the context leaves L1 or changes."""
    world = a_world(tmp_path / "l1")
    tiering = world.upkeep._tiering  # noqa: SLF001  # the disk's eviction asks it
    assert not tiering.is_above(TENANT, 0)
    read(world, is_mapped=False)
    assert tiering.is_above(TENANT, 0)
    read(world)
    read(world)
    assert world.blocks.size_of(TENANT, 0) == 0
    assert tiering.is_above(TENANT, 0)
    world.put("a", CHAT[:5])
    world.idle(1000)

    assert not tiering.is_above(TENANT, 0)
