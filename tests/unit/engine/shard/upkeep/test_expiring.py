from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.context.identity import ContextKey
from tierfold.engine.shard.keys import expiry_key, head_key
from tierfold.ports import Batch, Family
from tierfold.storage.memory import MemoryKeyValues

CHAT = [message(f"sentence {n}") for n in range(5)]


def test_what_has_expired_is_deleted_with_all_it_has() -> None:
    """After its time nothing of a context is left, and nothing of others is gone."""
    world = World(objects=None)
    world.put("short", CHAT, ttl_ms=5_000)
    world.put("long", CHAT[:2], ttl_ms=100_000)
    world.put("ever", CHAT[4:])
    world.idle(4_999)
    assert world.head("short") is not None
    world.idle(2_000)

    assert world.head("short") is None
    assert world.read("long") == [each.segment.body for each in CHAT[:2]]
    assert world.read("ever") == [CHAT[4].segment.body]
    assert world.count(Family.EXPIRY) == 1
    assert world.audit() == []


def test_a_key_left_over_deletes_nobody() -> None:
    """A context ends when its head says so."""
    world = World(objects=None)
    world.put("a", CHAT, ttl_ms=100_000)
    digest = ContextKey(TENANT, "a").digest
    batch = Batch()
    batch.put(Family.EXPIRY, expiry_key(1, TENANT, digest), b"")
    batch.put(Family.EXPIRY, expiry_key(2, TENANT, b"stranger"), b"")
    world.values.write(batch)
    world.idle(2_000)

    assert world.head("a") is not None
    assert world.count(Family.EXPIRY) == 1


def test_a_damaged_head_holds_up_nobody_else() -> None:
    """One context that cannot be deleted does not keep the others alive."""
    values = MemoryKeyValues()
    world = World(values=values, objects=None)
    world.put("a", CHAT, ttl_ms=1_000)
    world.put("b", CHAT, ttl_ms=2_000)
    values.damage(Family.HEAD, head_key(TENANT, ContextKey(TENANT, "a").digest))
    world.idle(5_000)

    assert world.head("b") is None
