import random

from tests.unit.engine.shard.upkeep.worlds import OWNER, TENANT, World, message
from tierfold.config import TierSettings
from tierfold.context.identity import ContextKey
from tierfold.engine.shard.keys import (
    NEXT_BLOCK_KEY,
    NUMBER_BYTES,
    block_key,
    head_key,
    outbox_context_key,
    stub_hash,
)
from tierfold.engine.shard.state import FORMAT_KEY, STORE_ID_KEY
from tierfold.engine.shard.upkeep.adopting import URL_KEY
from tierfold.engine.shard.upkeep.recovering import Recovered, recover
from tierfold.ports import Batch, Family
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

CHAT = [message(f"sentence {n} of a talk") for n in range(100)]
DIGEST = ContextKey(TENANT, "a").digest


def recovered(world: World, *, with_l4: bool = True) -> Recovered:
    return recover(
        world.values,
        world.objects if with_l4 else None,
        is_ours=lambda _: True,
        dice=random.Random(1),
    )


def archived() -> World:
    """Return a store with two contexts that L4 has, and the id its objects go by."""
    world = World()
    batch = Batch()
    batch.put(Family.META, FORMAT_KEY, b"\x00\x01")
    batch.put(Family.META, STORE_ID_KEY, OWNER)
    batch.put(Family.META, URL_KEY, b"memory://")
    world.values.write(batch)
    world.put("a", CHAT)
    world.put("b", CHAT[:10])
    assert world.upkeep.flush()
    return world


def again(world: World) -> World:
    return World(values=world.values, objects=world.objects)


def test_a_newer_whole_context_stays() -> None:
    """L4 is behind: what the disk has with every byte is not taken back to what was."""
    world = archived()
    world.put("a", CHAT[:50])
    found = recovered(world)

    assert (found.whole, found.from_l4) == (2, [])
    assert len(again(world).read("a")) == 50


def test_an_older_context_is_brought_up_to_date() -> None:
    """Where a lost table had the newest head, an old one may come to light: L4 knows better."""
    world = archived()
    old = world.values.get(Family.HEAD, head_key(TENANT, DIGEST))
    assert old is not None
    world.put("a", CHAT[:50])
    assert world.upkeep.flush()
    batch = Batch()
    batch.put(Family.HEAD, head_key(TENANT, DIGEST), old)
    world.values.write(batch)

    assert recovered(world).from_l4 == [f"{TENANT}/a"]
    assert len(again(world).read("a")) == 50


def test_a_torn_newer_version_gives_way_and_that_is_said() -> None:
    """The last version that is whole counts; which one is lost is told."""
    world = archived()
    world.put("a", [*CHAT[:5], message("new")])
    world.values.drop(Family.BODY)
    found = recovered(world)

    assert found.from_l4 == [f"{TENANT}/a (version 1: 2 is damaged)"]
    assert len(again(world).read("a")) == 100
    again(world).upkeep.audit(repair=True)
    assert again(world).audit() == []


def test_a_deleted_context_does_not_come_back() -> None:
    """L4 has not followed yet, and what it still has was not wanted any more."""
    world = archived()
    world.delete("a")
    found = recovered(world)

    assert (found.whole, found.from_l4) == (1, [])
    assert world.head("a") is None
    fresh = again(world)
    assert fresh.upkeep.flush()
    assert fresh.objects_with(DIGEST.hex()) == []


def test_a_lost_head_is_no_deletion() -> None:
    """What is on its way to L4 when heads are lost deletes nothing there."""
    world = archived()
    world.put("a", CHAT[:50])
    world.values.drop(Family.HEAD)
    found = recovered(world, with_l4=False)
    assert sorted(found.lost) == [f"{TENANT}/a", f"{TENANT}/b"]
    assert world.values.get(Family.OUTBOX, outbox_context_key(TENANT, DIGEST)) is None
    again(world).upkeep.flush()

    assert world.objects_with(DIGEST.hex())


def test_without_any_trace_of_its_id_a_context_goes_by_its_digest() -> None:
    """References alone say that there was something."""
    world = archived()
    world.values.drop(Family.HEAD)
    world.values.drop(Family.CATALOGUE)

    assert f"{TENANT}/{DIGEST.hex()}" in recovered(world, with_l4=False).lost


def test_block_numbers_are_not_given_out_again() -> None:
    """Where the next number is lost, nothing that is stored is overwritten."""
    world = archived()
    world.values.drop(Family.META)
    recovered(world)
    stored = world.values.get(Family.META, NEXT_BLOCK_KEY)
    assert stored is not None
    highest = max(key[-NUMBER_BYTES:] for key, _ in world.values.scan(Family.BLOCK, b""))

    assert stored > highest
    assert world.values.get(Family.META, STORE_ID_KEY) == OWNER  # as L4 knows it
    assert again(world).read("a") == [each.segment.body for each in CHAT]


def test_a_store_without_l4_gets_a_new_id() -> None:
    """An id that is lost and nowhere else is made anew."""
    world = World(objects=None)
    world.put("a", CHAT)
    assert recovered(world).whole == 1
    assert len(world.values.get(Family.META, STORE_ID_KEY) or b"") == len(OWNER)


def test_damaged_values_are_lost_like_missing_ones() -> None:
    """Heads, rows, blocks, references and notes that fail their checksum count as gone."""
    world = archived()
    values = world.values
    assert isinstance(values, MemoryKeyValues)
    for family in (Family.META, Family.HEAD, Family.BLOCK, Family.REFERENCE):
        for key, _ in list(values.scan(family, b"")):
            values.damage(family, key)
    found = recovered(world)

    assert (found.whole, found.lost, found.incomplete) == (2, [], [])
    assert len(found.from_l4) == 2
    assert again(world).read("a") == [each.segment.body for each in CHAT]


def test_lost_references_are_found_by_what_bodies_are() -> None:
    """Rows and blocks carry no names: hashing them is enough."""
    world = World(objects=None)
    world.put("a", CHAT[:40])
    world.sealed()
    world.put("b", [*CHAT[:20], message("in a row")])
    world.values.drop(Family.REFERENCE)

    assert recovered(world).whole == 2
    assert again(world).audit() == []


def test_blocks_that_only_l4_has_stay_there() -> None:
    """Stubs are as good as blocks while L4 has them, and are noted as being there."""
    world = World(tiers=TierSettings(l3_bytes_max=1_000))
    batch = Batch()
    batch.put(Family.META, FORMAT_KEY, b"\x00\x01")
    batch.put(Family.META, STORE_ID_KEY, OWNER)
    world.values.write(batch)
    world.put("a", CHAT)
    world.upkeep.begin()
    world.upkeep.flush()
    world.idle()
    stub = world.values.get(Family.BLOCK, block_key(TENANT, 0))
    assert stub is not None
    assert stub_hash(stub)
    world.values.drop(Family.CATALOGUE)

    assert recovered(world).whole == 1
    assert world.count(Family.META, b"4") == world.count(Family.BLOCK)
    fresh = again(world)
    assert fresh.upkeep.flush()
    assert fresh.read("a") == [each.segment.body for each in CHAT]
    fresh.delete("a")
    fresh.upkeep.compact()
    assert fresh.objects_with("") == []


def test_what_l4_cannot_give_is_told() -> None:
    """Damage on both sides loses a context, and names it."""
    world = archived()
    objects = world.objects
    assert isinstance(objects, MemoryObjects)
    for key in list(objects.keys(f"{TENANT}/blocks/")):
        objects.delete([key])
    world.values.drop(Family.BLOCK)
    found = recovered(world)

    assert (found.whole, found.from_l4) == (0, [])
    assert sorted(found.incomplete) == [f"{TENANT}/a", f"{TENANT}/b"]
    assert len(found.problems) == 2
