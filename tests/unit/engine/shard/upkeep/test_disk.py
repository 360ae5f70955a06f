from tests.unit.engine.shard.upkeep.test_defragmenting import LONG
from tests.unit.engine.shard.upkeep.worlds import TENANT, World
from tierfold.config import TierSettings
from tierfold.engine.shard.keys import stub_hash
from tierfold.ports import Family
from tierfold.storage.memory import MemoryObjects

SMALL = TierSettings(l3_bytes_max=60_000)


def stubs(world: World) -> int:
    return sum(stub_hash(value) is not None for _, value in world.values.scan(Family.BLOCK, b""))


def test_blocks_leave_a_full_disk_when_l4_has_them() -> None:
    """The disk comes down to its low watermark, and everything can be read as before."""
    world = World(tiers=SMALL)
    world.put("a", LONG)
    world.upkeep.flush()
    world.idle()

    assert sum(world.values.size_bytes().values()) <= 60_000 * 0.9
    assert 0 < stubs(world) <= world.count(Family.BLOCK)
    fresh = World(values=world.values, objects=world.objects, tiers=SMALL)
    assert fresh.read("a") == [each.segment.body for each in LONG]
    assert fresh.audit() == []


def test_a_copy_that_is_not_whole_is_put_again_and_not_relied_on() -> None:
    """The disk lets go only of what was read back from L4 this moment."""
    objects = MemoryObjects()
    world = World(tiers=SMALL, objects=objects)
    world.put("a", LONG)
    world.upkeep.flush()
    for key in list(objects.keys("acme/blocks/")):
        objects.delete([key])
        objects.put_new(key, b"torn")
    world.idle()
    assert stubs(world) == 0
    world.idle()
    world.idle()

    assert stubs(world) > 0
    assert World(values=world.values, objects=objects).read("a")[0] == LONG[0].segment.body


def test_evicted_blocks_are_deleted_like_any_other() -> None:
    """A stub and its object go when nobody needs them."""
    world = World(tiers=SMALL)
    world.put("a", LONG)
    world.upkeep.flush()
    world.idle()
    world.delete("a")
    world.upkeep.compact()

    assert world.count(Family.BLOCK) == 0
    assert world.objects_with("") == []


def test_a_disk_with_room_keeps_everything() -> None:
    """Without a limit, or below it, nothing is evicted."""
    world = World()
    world.put("a", LONG)
    world.upkeep.flush()
    world.idle()

    assert stubs(world) == 0
    assert world.blocks.size_of(TENANT, 0) == 0
