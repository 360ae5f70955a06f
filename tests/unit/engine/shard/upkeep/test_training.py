import random

import pytest

from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.compression.lossless import Codec
from tierfold.context.segment import Item
from tierfold.engine.shard.upkeep.restoring import restore
from tierfold.ports import Family
from tierfold.storage.faults import FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

DICE = random.Random(7)
WORDS = ["".join(DICE.choices("abcdefghijklmnop", k=9)) for _ in range(400)]


def talk(start: int, count: int) -> list[Item]:
    dice = random.Random(start)
    return [message(f"{start + n} " + " ".join(dice.choices(WORDS, k=110))) for n in range(count)]


def trained(world: World) -> None:
    """Give a tenant enough text, and time to train."""
    world.put("a", talk(0, 1300))
    world.sealed()
    world.idle(600_000)


def test_a_tenant_with_enough_text_gets_a_dictionary() -> None:
    """It is trained from its own bodies, used from then on, and serves no other tenant."""
    world = World()
    world.put("little", talk(5000, 3), tenant="other")
    trained(world)
    (dictionary,) = world.dictionaries.trained(TENANT)
    world.put("b", talk(9000, 20))
    before = world.read("b")
    world.upkeep.seal()

    assert world.dictionaries.trained("other") == ()
    assert dictionary.id in {
        Codec([dictionary]).dictionary_of(value)
        for _, value in world.values.scan(Family.BLOCK, b"")
    }
    assert world.read("b") == before
    assert world.audit() == []


def test_a_dictionary_is_in_l4_before_it_is_used() -> None:
    """Where L4 does not take it, nothing is packed with it."""
    down = FaultyObjects(MemoryObjects())
    down.is_down = True
    world = World(objects=down)
    trained(world)
    assert world.dictionaries.trained(TENANT) == ()
    down.is_down = False
    world.idle(600_000)

    assert len(world.dictionaries.trained(TENANT)) == 1
    assert len(world.objects_with("/dictionaries/")) == 1


@pytest.mark.parametrize("is_torn", [False, True])
def test_a_dictionary_that_l4_lost_is_put_there_again(*, is_torn: bool) -> None:
    """Without it nothing that was packed with it can be restored from L4."""
    objects = MemoryObjects()
    world = World(objects=objects)
    trained(world)
    world.put("b", talk(9000, 20))
    assert world.upkeep.flush()
    (key,) = world.objects_with("/dictionaries/")
    before = objects.get(key)
    objects.delete([key])
    if is_torn:
        objects.put_new(key, b"torn")

    assert world.audit() == [
        f"{'corrupt' if is_torn else 'missing'} a dictionary in the object store"
    ]
    assert not world.upkeep.audit(repair=True).findings
    assert objects.get(key) == before
    assert world.audit() == []


def test_what_was_packed_with_a_dictionary_comes_back_with_it() -> None:
    """A restore fetches the dictionaries its blocks need."""
    world = World()
    trained(world)
    world.put("b", talk(9000, 200))
    assert world.upkeep.flush()
    values = MemoryKeyValues()
    assert world.objects is not None
    assert restore(world.objects, values).problems == []
    again = World(values=values, objects=MemoryObjects())
    again.upkeep.begin()
    assert again.upkeep.flush()

    assert again.read("b") == world.read("b")
    assert len(again.objects_with("/dictionaries/")) == 1
    for key in world.objects_with("/dictionaries/"):
        world.objects.delete([key])
    assert "dictionary" in restore(world.objects, MemoryKeyValues()).problems[0]


def test_dictionaries_go_with_the_tenant() -> None:
    """When a tenant has nothing left, nothing of its text is left in a dictionary either."""
    world = World()
    trained(world)
    world.delete("a")
    world.upkeep.compact()
    assert world.count(Family.DICTIONARY) == 1
    world.idle(600_000)
    world.idle(60_000)

    assert world.count(Family.DICTIONARY) == 0
    assert world.objects_with("") == []
    assert world.dictionaries.trained(TENANT) == ()


def test_a_tenant_that_comes_back_in_time_keeps_its_dictionaries() -> None:
    """They are retired when it is empty, and serve again when it is not."""
    world = World()
    trained(world)
    (dictionary,) = world.dictionaries.trained(TENANT)
    world.delete("a")
    world.upkeep.compact()
    assert world.dictionaries.trained(TENANT)[0].kind is None
    world.put("b", talk(1, 3))
    world.idle(600_000)

    assert world.dictionaries.trained(TENANT) == (dictionary,)
