import pytest

from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.config import TierSettings
from tierfold.context.identity import ContextKey
from tierfold.context.segment import SegmentKind, item
from tierfold.engine.shard.keys import Place, head_key, name_prefix, reference_key
from tierfold.engine.shard.upkeep.gathering import gather, ordered
from tierfold.engine.shard.upkeep.moving import Body, Mover
from tierfold.engine.shard.upkeep.packing import PackedBlock, PackJob, packed
from tierfold.ports import Family
from tierfold.storage.memory import MemoryKeyValues

CHAT = [message(f"sentence {n} of a talk about the weather in Oslo") for n in range(100)]


def no_block(tenant: str, number: int) -> None:
    """Nothing above keeps a block."""


def test_sealing_moves_every_body_and_changes_none() -> None:
    """Rows become blocks; what is read stays what was written, and nothing is left over."""
    world = World()
    world.put("a", CHAT)
    world.put("b", CHAT[50:])
    world.put("large", [message("a long word " * 30_000)])
    before = [world.read(each) for each in ("a", "b", "large")]
    size = sum(world.values.size_bytes().values())
    world.sealed()

    assert [world.read(each) for each in ("a", "b", "large")] == before
    assert world.count(Family.BODY) == 0
    assert sum(world.values.size_bytes().values()) < size
    assert world.audit() == []


def test_a_tenant_is_sealed_when_a_block_is_full_or_old() -> None:
    """Few rows wait for more of their like, but not for ever."""
    world = World(tiers=TierSettings(seal_bytes=150_000, seal_age_ms=30_000), objects=None)
    world.put("a", CHAT)
    world.idle(29_000)
    assert world.count(Family.BLOCK) == 0
    world.put("b", [message(f"another sentence {n}") for n in range(60)])
    world.idle(300)
    assert world.count(Family.BODY) == 0
    world.put("c", [message("one more")])
    world.idle(20_000)
    assert world.count(Family.BODY) > 0
    world.idle(10_000)

    assert world.count(Family.BODY) == 0


def test_what_lay_open_when_the_shard_stopped_is_sealed() -> None:
    """A shard that starts counts what is there."""
    world = World()
    world.put("a", CHAT)
    world.put("b", CHAT, tenant="other")
    again = World(values=world.values, objects=None)
    again.upkeep.begin()
    assert again.upkeep.report().unsealed_bytes > 0
    again.idle(30_000)

    assert again.count(Family.BODY) == 0
    assert again.upkeep.report().unsealed_bytes == 0


def test_a_body_that_goes_while_it_is_packed_is_left_out() -> None:
    """Packing takes time: what was deleted meanwhile is garbage in the block, never a reference."""
    world = World(objects=None)
    world.put("a", CHAT[:2])
    world.put("b", CHAT[1:3])
    rows = gather(world.values, world.bodies, TENANT).names
    bodies = [world.bodies.body(TENANT, name) for name in rows]
    world.delete("a")
    mover = Mover(world.commits, has_l4=False, dropped=no_block)
    (block,) = packed(PackJob(bodies=tuple(bodies)))
    number = mover.put(TENANT, block.data, [Body(rows[at], Place()) for at in block.entries])

    assert number == 0
    assert world.read("b") == [each.segment.body for each in CHAT[1:3]]
    assert world.count(Family.REFERENCE) == 2
    assert world.audit() == []
    assert mover.put(TENANT, block.data, [Body(rows[at], Place()) for at in block.entries]) is None


def test_a_name_that_many_share_is_moved_in_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step grows with the number of contexts that share a body."""
    monkeypatch.setattr("tierfold.engine.shard.upkeep.moving.REFERENCES_PER_STEP", 3)
    world = World()
    for number in range(10):
        world.put(f"c{number}", CHAT[:4])
    world.sealed()

    assert world.count(Family.BODY) == 0
    assert world.count(Family.BLOCK) == 1
    assert world.read("c7") == [each.segment.body for each in CHAT[:4]]
    assert world.audit() == []


def test_rows_are_sealed_in_the_order_of_their_context() -> None:
    """Neighbours in a conversation are neighbours in a block, however long the list is."""
    world = World()
    chat = [message(f"line {n}") for n in range(200)]
    world.put("a", chat)
    names = {each.segment.name for each in chat[20:190]}
    context = (TENANT, ContextKey(TENANT, "a").digest)

    found = ordered(world.values, world.bodies, context, names)
    assert found == [each.segment.name for each in chat[20:190]]


def test_a_damaged_head_does_not_stop_sealing() -> None:
    """Only an order is lost where a head cannot be read."""
    values = MemoryKeyValues()
    world = World(values=values)
    world.put("a", CHAT[:3])
    values.damage(Family.HEAD, head_key(TENANT, ContextKey(TENANT, "a").digest))
    world.sealed()

    assert world.count(Family.BODY) == 0


def test_a_damaged_row_stays_for_the_audit() -> None:
    """Sealing takes what is sound; what is not is neither lost nor passed on."""
    values = MemoryKeyValues()
    world = World(values=values)
    world.put("a", CHAT[:3])
    key = name_prefix(TENANT, CHAT[1].segment.name)
    values.damage(Family.BODY, key)
    world.sealed()

    assert [each for each in world.audit() if each.startswith("corrupt")]
    place = values.get(
        Family.REFERENCE,
        reference_key(TENANT, CHAT[1].segment.name, ContextKey(TENANT, "a").digest),
    )
    assert place == b""


def test_packing_is_the_same_anywhere() -> None:
    """A job is a value: another process makes the same blocks of it."""
    job = PackJob(bodies=tuple(each.segment.body for each in CHAT))
    once, twice = packed(job), packed(job)

    assert once == twice
    assert sorted(at for block in once for at in block.entries) == list(range(len(CHAT)))
    assert all(isinstance(block, PackedBlock) for block in once)


def test_blocks_sealed_in_a_hurry_are_packed_again() -> None:
    """Under pressure a block is packed fast; when there is time it is packed well."""
    world = World(is_cpu_pressed=True, objects=None)
    items = [message(f"{n} the quick brown fox number {n * 7919 % 1000} jumps") for n in range(300)]
    world.put("a", items)
    world.sealed()
    before = world.values.size_bytes()[Family.BLOCK]
    world.is_cpu_pressed = False
    world.idle()

    assert world.values.size_bytes()[Family.BLOCK] < before
    assert world.read("a") == [each.segment.body for each in items]
    assert world.audit() == []


def test_names_and_pieces_are_sealed_too() -> None:
    """Pages, spines and the pieces of large items are segments like any other."""
    world = World()
    large = item(SegmentKind.MESSAGE, b'{"content":"' + b"word " * 40_000 + b'"}')
    world.put("a", [*CHAT, large])
    world.sealed()

    assert len(world.read("a")[-1]) == 200_015
    assert world.count(Family.BODY) == 0
