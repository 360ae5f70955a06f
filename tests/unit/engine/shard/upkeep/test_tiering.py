from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.config import TierSettings
from tierfold.context import Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.engine.shard.keys import block_key
from tierfold.engine.shard.upkeep.held_blocks import HeldBlocks
from tierfold.engine.shard.upkeep.read_contexts import WasRead
from tierfold.engine.working import Build, map_shared
from tierfold.errors import PinBudgetError, UnknownContextError
from tierfold.memory import Level
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


def a_world(folder: Path, **tiers: Any) -> World:
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


LARGE = [message(f"row {n} " + "The ferry to Oslo leaves at nine. " * 80) for n in range(400)]


def read_in_part(world: World) -> None:
    """Let somebody in a hurry read the newest items of context a."""
    world.upkeep.was_read(WasRead(key=KEY, blocks={}, tokenizer="o200k", is_partial=True))
    world.idle(1000)


def a_large_world(folder: Path, **tiers: Any) -> World:
    world = World(folder=folder, objects=None, tiers=TierSettings(**tiers))
    world.put("a", LARGE)
    return world


def builds(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the bytes of each context that is built elsewhere."""
    builder = world.upkeep._tiering._builder  # noqa: SLF001  # what it is asked is the rule
    building, asked = builder.building, list[int]()

    def noted(job: Build, path: Path, *, wait_s: float) -> Any:
        asked.append(job.size_bytes)
        return building(job, path, wait_s=wait_s)

    monkeypatch.setattr(builder, "building", noted)
    return asked


def test_a_read_in_part_makes_the_whole_ready_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks next finds a file to map, however many had to do with less."""
    world = a_large_world(tmp_path / "l1")
    asked = builds(world, monkeypatch)
    for _ in range(3):
        read_in_part(world)
    assert world.shared is not None
    info, _ = world.load(*KEY)
    path = world.shared.find(KEY[1], "o200k", info)

    assert path is not None
    assert map_shared(path, info).items == len(LARGE)
    assert len(asked) == 1
    assert [each.path for each in world.shared.files()] == [path]
    assert not [*world.shared.path.glob(".new-*")]


def test_what_has_no_room_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for this version nor for a longer one; for a shorter one it is tried."""
    world = a_large_world(tmp_path / "l1", l1_bytes_max=2_000_000)
    asked = builds(world, monkeypatch)
    for _ in range(3):
        read_in_part(world)
    assert len(asked) == 1
    world.put("a", [*LARGE, message("one more")])
    read_in_part(world)
    assert len(asked) == 1
    world.put("a", LARGE[:390])
    read_in_part(world)

    assert len(asked) == 2
    assert world.shared is not None
    assert not [*world.shared.path.glob(".new-*")]


def test_a_large_context_that_is_read_twice_is_built_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promotions hold no interpreter for seconds either."""
    world = a_large_world(tmp_path / "l1")
    world.sealed()
    asked = builds(world, monkeypatch)
    for _ in range(2):
        read(world)
    world.idle(1000)

    assert len(asked) == 1
    assert world.upkeep.report().tiers[0].items == 1


def test_what_changes_or_goes_while_it_is_built_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of an old version only takes up room."""
    world = a_large_world(tmp_path / "l1")
    builder = world.upkeep._tiering._builder  # noqa: SLF001  # as above
    building = builder.building
    meanwhile = [lambda: world.put("a", LARGE[:390]), lambda: world.delete("a")]

    def overtaken(job: Build, path: Path, *, wait_s: float) -> Any:
        yield from building(job, path, wait_s=wait_s)
        meanwhile.pop(0)()

    monkeypatch.setattr(builder, "building", overtaken)
    read_in_part(world)
    read_in_part(world)

    assert meanwhile == []
    assert world.shared is not None
    assert [*world.shared.path.iterdir()] == []
    assert world.upkeep.problems == {}


def test_a_build_that_is_abandoned_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compaction stops all jobs; what somebody wanted is still wanted after it."""
    world = a_large_world(tmp_path / "l1")
    asked = builds(world, monkeypatch)
    tiering = world.upkeep._tiering  # noqa: SLF001  # as above
    world.upkeep.was_read(WasRead(key=KEY, blocks={}, tokenizer="o200k", is_partial=True))
    for _ in tiering.one_pass():
        pass
    begun = tiering.build_pass()
    next(begun)
    begun.close()  # type: ignore[attr-defined]  # a generator
    assert tiering.wants_builds()
    world.idle(1000)
    tiering.close()

    assert len(asked) == 2
    assert world.upkeep.report().tiers[0].items == 1


def test_a_small_context_read_in_part_needs_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting one takes longer than making its working set."""
    world = a_world(tmp_path / "l1")
    asked = builds(world, monkeypatch)
    read_in_part(world)

    assert asked == []
    assert world.upkeep.report().tiers[0].items == 1


def test_a_scan_pushes_only_itself_out_of_l2(tmp_path: Path) -> None:
    """Blocks that were read and are kept for nobody go first, whatever was read last."""
    world = a_world(tmp_path / "l1")
    for number in range(8):
        world.put(f"cold-{number}", [message(f"{number} " + "words of another kind " * 40)])
        world.sealed()
    read(world, is_mapped=False)
    world.blocks.resize(world.blocks.size_of(TENANT, 0) + 100)
    for number in range(1, 9):
        world.blocks.get(TENANT, number)

    assert world.blocks.size_of(TENANT, 0) > 0
    world.blocks.resize(10)
    assert len(world.blocks) == 0


def test_a_pin_brings_a_context_up_and_keeps_it(tmp_path: Path) -> None:
    """It is above with the next pass; pinned, it stays there through reads of others."""
    world = a_world(tmp_path / "l1", l1_bytes_max=0)
    world.upkeep.pin(*KEY, 5_000, world.wall.ms + 5_000)
    assert world.upkeep.is_pinned(*KEY)
    world.idle(1000)
    assert world.blocks.size_of(TENANT, 0) > 0
    pinned = {each.tier: each.pinned_bytes for each in world.upkeep.report().tiers}
    assert pinned["L2"] > 0
    world.upkeep.unpin(*KEY)
    assert not world.upkeep.is_pinned(*KEY)


def test_too_many_pins_are_refused_with_what_is_left(tmp_path: Path) -> None:
    """The budget is a share of L1 and L2; a context that was pinned before is pinned as it can."""
    world = a_world(tmp_path / "l1", l1_bytes_max=0, l2_bytes_max=1_000)
    with pytest.raises(PinBudgetError):
        world.upkeep.pin(*KEY, 100_000, world.wall.ms + 5_000)
    found = world.blocks.get(TENANT, 0)
    assert found is not None
    until_ms = world.wall.ms + 60_000
    for size_bytes in (100, 5_000):
        world.upkeep.was_read(WasRead(key=KEY, blocks={0: size_bytes}, pinned_until_ms=until_ms))
        world.idle(10)

    assert world.upkeep.problems == {}


def test_a_lower_limit_counts_at_once(tmp_path: Path) -> None:
    """Files over it are gone with the next pass, and the report has it."""
    world = a_world(tmp_path / "l1")
    read(world)
    read(world)
    assert world.upkeep.report().tiers[0].promotions == 1
    world.upkeep.resize(Level.L1, 100)
    world.upkeep.resize(Level.L2, 10_000)
    world.idle(1000)
    l1, l2 = world.upkeep.report().tiers[:2]

    assert (l1.size_bytes, l1.limit_bytes, l1.demotions) == (0, 100, 1)
    assert (l2.limit_bytes, l2.order, l2.problem) == (10_000, "lru", "")
    assert world.blocks.size_of(TENANT, 0) > 0, "what left L1 lies in L2"


def test_what_cannot_be_fetched_is_not_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context whose blocks are away goes from L1 to below, and nothing stops."""
    world = a_world(tmp_path / "l1")
    read(world)
    read(world)

    def away(*_: object) -> dict[int, int]:
        raise UnknownContextError(KEY[1].hex())

    contexts = world.upkeep._tiering._contexts  # noqa: SLF001  # what it reads is the rule
    monkeypatch.setattr(world.upkeep._tiering, "_contexts", replace(contexts, blocks=away))  # noqa: SLF001  # likewise
    world.upkeep.resize(Level.L1, 100)
    world.idle(1000)

    assert world.upkeep.problems == {}
    assert not world.upkeep._tiering.is_above(TENANT, 0)  # noqa: SLF001  # likewise


def test_a_block_of_two_contexts_stays_while_one_keeps_it(tmp_path: Path) -> None:
    """Small contexts are packed together: what one no longer needs the other still reads."""
    world = a_world(tmp_path / "l1")
    held = HeldBlocks(world.blocks)
    assert world.blocks.get(TENANT, 0) is not None
    for digest in (b"one", b"two"):
        held.note((TENANT, digest), {0: 10})
        held.keep((TENANT, digest))
    held.forget((TENANT, b"one"))
    assert world.blocks.size_of(TENANT, 0) > 0
    held.note((TENANT, b"two"), {1: 10}, is_whole=True)
    held.keep((TENANT, b"two"))

    assert world.blocks.size_of(TENANT, 0) == 0
