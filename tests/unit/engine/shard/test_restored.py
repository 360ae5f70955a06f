"""Contexts that come back from a backup: as they were, in the place of nothing or of a version."""

from tests.unit.engine.shard.worlds import World, body_of, key, message
from tierfold.context.manifest import Shape
from tierfold.context.stored import about_segment
from tierfold.engine.shard.keys import expiry_key, head_key
from tierfold.engine.shard.operations import Changed, Create, ListContexts, Listed, Restored
from tierfold.errors import ContextExistsError, UnknownContextError, VersionConflictError
from tierfold.ports import Family
from tierfold.storage.memory import MemoryObjects

CHAT = [message(f"sentence {n}") for n in range(200)]
BEFORE = Restored(version=7, created_ms=500, updated_ms=900)


def create(*texts: int, replaces: int | None = None, restored: Restored | None = BEFORE) -> Create:
    items = tuple(CHAT[at] for at in texts)
    about = about_segment("T", {}, size_bytes_max=99)
    return Create(
        context=key("a"),
        shape=Shape.MESSAGES,
        items=items,
        about=about,
        ttl_ms=10**9,
        replaces=replaces,
        restored=restored,
    )


def test_a_context_that_comes_back_has_its_times_and_its_version() -> None:
    """Its life is counted from its own last change; the version does not fall."""
    world = World()
    head = world.get(create(1, 2), Changed).info.head

    assert (head.version, head.created_ms, head.updated_ms) == (7, 500, 900)
    values = world.values
    assert values.get(Family.EXPIRY, expiry_key(900 + 10**9, "acme", key("a").digest)) == b""
    assert world.append("a", CHAT[3]).info.version == 8


def test_a_version_is_replaced_in_one_change() -> None:
    """Items that the new list lacks go, those that it has stay, and the audit finds all sound."""
    for objects in (None, MemoryObjects()):
        world = World(objects=objects)
        world.create("a", CHAT[:150])
        world.create("b", [CHAT[5]])
        head = world.get(create(5, 160, replaces=1), Changed).info.head

        assert (head.version, head.items) == (7, 2)
        assert world.read("a") == [body_of(CHAT[5]), body_of(CHAT[160])]
        assert world.read("b") == [body_of(CHAT[5])]
        assert [each for each in world.findings() if "garbage" not in each] == []
        assert world.get(create(1, replaces=7), Changed).info.version == 8


def test_another_version_is_not_replaced() -> None:
    """Whoever changed it meanwhile is not overwritten."""
    world = World()
    world.fails(create(1, replaces=1), UnknownContextError)
    world.create("a", [CHAT[0]])
    world.append("a", CHAT[1])
    world.fails(create(1, replaces=1), VersionConflictError)
    world.fails(create(1), ContextExistsError)
    assert world.read("a") == [body_of(CHAT[0]), body_of(CHAT[1])]


def test_a_listing_names_what_it_cannot_read() -> None:
    """Who must know all contexts knows what is missing; the others are shown."""
    world = World()
    for name in ("a", "b", "c", "d"):
        world.create(name, CHAT[:1])
    for name in ("b", "d"):
        world.values.damage(Family.HEAD, head_key("acme", key(name).digest))  # type: ignore[attr-defined]
    listed = World(values=world.values).get(ListContexts(tenant="acme", limit=10), Listed)

    assert [info.id for info in listed.contexts] == ["a", "c"]
    assert listed.damaged == ("b", "d")
