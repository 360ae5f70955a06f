import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.shard.upkeep.worlds import OWNER, TENANT, World, message
from tierfold.context.identity import ContextKey
from tierfold.context.stored import about_segment
from tierfold.engine.shard.keys import tenant_prefix
from tierfold.engine.shard.upkeep.archived import ArchivedManifest
from tierfold.engine.shard.upkeep.restoring import restore
from tierfold.errors import CorruptError, FormatTooNewError
from tierfold.ports import Family
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

CHAT = [message(f"sentence {n} of a talk") for n in range(100)]


def replaced(objects: MemoryObjects, key: str, body: bytes | None) -> None:
    objects.delete([key])
    if body is not None:
        objects.put_new(key, body)


def archived() -> World:
    world = World(objects=MemoryObjects())
    about = about_segment("A talk", {"n": 1}, size_bytes_max=1000)
    world.put("a", CHAT, about=about, ttl_ms=10**9)
    world.put("b", [*CHAT[40:], message("a long word " * 20_000)])
    world.put("c", CHAT[:3], tenant="other")
    assert world.upkeep.flush()
    return world


def test_a_shard_comes_back_from_l4_alone() -> None:
    """Every context is there again with every byte, and L4 follows the new store."""
    world = archived()
    values = MemoryKeyValues()
    assert world.objects is not None
    restored = restore(world.objects, values)
    again = World(values=values, objects=world.objects)

    assert (restored.contexts, restored.problems) == (3, [])
    assert again.read("a") == world.read("a")
    assert again.read("b") == world.read("b")
    assert again.read("c", "other") == world.read("c", "other")
    assert again.head("a") == world.head("a")
    assert again.audit() == []
    before = set(world.objects.keys(""))
    assert again.upkeep.flush()
    assert {key for key in before if "/blocks/" in key} == set(again.objects_with("/blocks/"))


def test_one_tenant_comes_back_alone() -> None:
    """Another tenant's contexts are neither read nor written."""
    world = archived()
    values = MemoryKeyValues()
    assert world.objects is not None
    restored = restore(world.objects, values, tenant="other")

    assert restored.contexts == 1
    assert list(values.scan(Family.HEAD, tenant_prefix(TENANT))) == []


def test_restoring_twice_changes_nothing() -> None:
    """What the store has stays; a restore that was cut off can be done again."""
    world = archived()
    values = MemoryKeyValues()
    assert world.objects is not None
    restore(world.objects, values)
    heads = dict(values.scan(Family.HEAD, b""))

    assert restore(world.objects, values).contexts == 0
    assert dict(values.scan(Family.HEAD, b"")) == heads


@pytest.mark.parametrize("damage", ["flip", "gone"])
@pytest.mark.parametrize("part", ["/blocks/", "/contexts/"])
def test_damage_in_l4_is_named_and_stops_nobody_else(part: str, damage: str) -> None:
    """A context whose objects are not what they were is not restored, the others are."""
    world = archived()
    objects = world.objects
    assert isinstance(objects, MemoryObjects)
    key = next(each for each in objects.keys("other/") if part in each)
    body = objects.get(key)
    assert body is not None
    flipped = bytes((*body[:-1], body[-1] ^ 1))
    replaced(objects, key, flipped if damage == "flip" else None)
    values = MemoryKeyValues()
    restored = restore(objects, values)

    assert restored.contexts == 2
    assert len(restored.problems) == (0 if (part, damage) == ("/contexts/", "gone") else 1)
    assert World(values=values).audit() == []


def test_a_manifest_of_another_context_is_refused() -> None:
    """An object that lies under a wrong key is not believed."""
    world = archived()
    objects = world.objects
    assert isinstance(objects, MemoryObjects)
    mine, others = objects.keys("acme/contexts/")
    body = objects.get(others)
    replaced(objects, mine, body)
    restored = restore(objects, MemoryKeyValues(), tenant=TENANT)

    assert restored.contexts == 1
    assert "another context" in restored.problems[0]


def test_an_older_manifest_serves_where_the_newest_is_damaged() -> None:
    """Where two are there, as after a crash between put and delete, a whole one is enough."""
    world = archived()
    objects = world.objects
    assert isinstance(objects, MemoryObjects)
    folder = f"acme/contexts/{ContextKey(TENANT, 'a').digest.hex()}/"
    objects.put_new(f"{folder}000000000002", b"torn")
    restored = restore(objects, MemoryKeyValues(), tenant=TENANT)

    assert (restored.contexts, restored.problems) == (2, [])


@given(st.binary(max_size=300), st.lists(st.binary(min_size=16, max_size=16), max_size=5))
def test_a_manifest_object_comes_back(head: bytes, blocks: list[bytes]) -> None:
    """Encoding and decoding are each other's inverse, and any cut or flip is noticed."""
    manifest = ArchivedManifest(owner=OWNER, head=head, blocks=tuple(blocks))
    data = manifest.encode()

    assert ArchivedManifest.decode(data) == manifest
    for torn in (data[:-1], data[1:], data[:5], b"", bytes((data[0], data[1] ^ 4, *data[2:]))):
        with pytest.raises((CorruptError, FormatTooNewError)):
            ArchivedManifest.decode(torn)


def test_a_manifest_object_has_these_bytes() -> None:
    """A format is for ever: what an older tierfold put is read by every newer one."""
    data = ArchivedManifest(owner=OWNER, head=b"head", blocks=(b"0123456789abcdef",)).encode()

    assert (
        data.hex()
        == (
            "016f776e6572206f66206f626a656374730004000000016865616430313233343536373839616263646566"
        )
        + data[-8:].hex()
    )
    with pytest.raises(FormatTooNewError):
        ArchivedManifest.decode(b"\x02" + data[1:])
