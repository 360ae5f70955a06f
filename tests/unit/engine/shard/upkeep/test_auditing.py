import random
from collections.abc import Iterator

import pytest

from tests.unit.engine.shard.upkeep.worlds import OWNER, TENANT, World, message
from tierfold.compression.lossless import Dictionary, block_hash, train
from tierfold.compression.lossless.kinds import ContentKind
from tierfold.context.identity import ContextKey
from tierfold.context.stored import about_segment
from tierfold.engine.shard.keys import (
    Place,
    block_key,
    block_stub,
    catalogue_key,
    expiry_key,
    head_key,
    name_prefix,
    reference_key,
    tenant_prefix,
)
from tierfold.engine.shard.objects import block_object
from tierfold.engine.shard.upkeep.sweeping import sound, sweep
from tierfold.errors import CorruptError
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

CHAT = [message(f"sentence {n} of a talk") for n in range(150)]
DIGEST = ContextKey(TENANT, "a").digest


def full(values: MemoryKeyValues) -> World:
    """Return a world with something in every family."""
    world = World(values=values, objects=MemoryObjects())
    about = about_segment("A talk", {}, size_bytes_max=1000)
    world.put("a", CHAT, about=about, ttl_ms=10**9)
    world.put("b", [*CHAT[:20], message("a long word " * 20_000)])
    world.upkeep.flush()
    world.put("c", [message("still open")])
    return world


def put(world: World, family: Family, key: bytes, value: bytes | None) -> None:
    batch = Batch()
    if value is None:
        batch.delete(family, key)
    else:
        batch.put(family, key, value)
    world.values.write(batch)


def kinds(world: World, *, repair: bool = False) -> list[str]:
    return sorted({each.kind for each in world.upkeep.audit(repair=repair).findings})


def test_a_sound_shard_has_no_findings() -> None:
    """What was written is what is there, and everything is counted."""
    world = full(MemoryKeyValues())
    report = world.upkeep.audit()

    assert report.findings == ()
    assert report.contexts == 3
    assert report.blocks == world.count(Family.BLOCK)
    assert report.references == world.count(Family.REFERENCE)
    assert report.segments >= 150


@pytest.mark.parametrize("family", [each for each in Family if each is not Family.SEARCH])
def test_a_flipped_byte_anywhere_is_named(family: Family) -> None:
    """Whatever value is damaged, an audit finds it and goes on to the end."""
    values = MemoryKeyValues()
    world = full(values)
    if family is Family.DICTIONARY:
        put(world, family, tenant_prefix(TENANT) + b"12345678", b"no dictionary, but long enough")
    dice = random.Random(3)
    for key in dice.sample([key for key, _ in values.scan(family, b"")], k=1):
        values.damage(family, key)
    report = world.upkeep.audit()

    assert "corrupt" in {each.kind for each in report.findings}
    assert report.contexts == 3
    assert report.references == world_count(values, Family.REFERENCE)


def world_count(values: MemoryKeyValues, family: Family) -> int:
    return len(values._families[family].keys)  # noqa: SLF001  # scans stop at the damage


def test_a_damaged_block_comes_back_from_l4() -> None:
    """Repair takes what the disk lost from the copy that has the right hash."""
    values = MemoryKeyValues()
    world = full(values)
    before = world.read("a")
    values.damage(Family.BLOCK, block_key(TENANT, 0), at=20)
    assert "corrupt" in kinds(world)
    assert kinds(world, repair=True) == []

    assert kinds(world) == []
    assert world.read("a") == before


def test_a_damaged_block_stays_a_finding_where_l4_cannot_help() -> None:
    """Repair does not hide what it cannot mend."""
    values = MemoryKeyValues()
    inner = MemoryObjects()
    world = World(values=values, objects=FaultyObjects(inner))
    world.put("a", CHAT[:3])
    world.upkeep.flush()
    values.damage(Family.BLOCK, block_key(TENANT, 0))
    inner.delete(list(inner.keys("acme/blocks/")))
    assert "corrupt" in kinds(world, repair=True)
    assert isinstance(world.objects, FaultyObjects)
    world.objects.is_down = True

    assert "corrupt" in kinds(world, repair=True)


def test_a_block_with_other_content_is_named() -> None:
    """A value that is whole but not what its references mean is damage too."""
    world = World(objects=None)
    world.put("a", CHAT[:3])
    world.sealed()
    other = world.dictionaries.codec_of(TENANT).pack([b"\x01{}"], ContentKind.CHAT)
    put(world, Family.BLOCK, block_key(TENANT, 0), other)

    assert "corrupt" in kinds(world)


def test_a_missing_body_is_named() -> None:
    """A reference that leads nowhere is found, for rows and for blocks."""
    world = World(objects=None)
    world.put("a", CHAT[:3])
    put(world, Family.BODY, name_prefix(TENANT, CHAT[0].segment.name), None)
    assert "missing" in kinds(world)
    world = World(objects=None)
    world.put("a", CHAT[:3])
    world.sealed()
    put(world, Family.BLOCK, block_key(TENANT, 0), None)

    assert "missing" in kinds(world)


def test_a_missing_reference_is_named() -> None:
    """What a head reaches must be kept for it."""
    world = World(objects=None)
    world.put("a", CHAT[:3])
    world.put("b", CHAT[:3])
    put(world, Family.REFERENCE, reference_key(TENANT, CHAT[1].segment.name, DIGEST), None)

    assert "missing" in kinds(world)


def test_a_damaged_reference_is_written_as_another_has_it() -> None:
    """All references to one name lead to the same body."""
    values = MemoryKeyValues()
    world = World(values=values, objects=None)
    world.put("a", CHAT[:3])
    world.put("b", CHAT[:3])
    values.damage(Family.REFERENCE, reference_key(TENANT, CHAT[1].segment.name, DIGEST))
    assert "corrupt" in kinds(world)
    kinds(world, repair=True)

    assert kinds(world) == []


def test_a_damaged_reference_to_a_row_is_written_anew() -> None:
    """Where no other reference is left, the row itself says where the body is."""
    values = MemoryKeyValues()
    world = World(values=values, objects=None)
    world.put("a", CHAT[:3])
    values.damage(Family.REFERENCE, reference_key(TENANT, CHAT[1].segment.name, DIGEST))
    kinds(world, repair=True)
    assert kinds(world) == []
    world.sealed()
    values.damage(Family.REFERENCE, reference_key(TENANT, CHAT[1].segment.name, DIGEST))

    assert "corrupt" in kinds(world, repair=True)


def test_garbage_is_named_and_removed_by_repair() -> None:
    """Rows, blocks, references, listings and ends that stand for nothing go."""
    world = World(objects=None)
    world.put("a", CHAT[:3])
    codec = world.dictionaries.codec_of(TENANT)
    stray = CHAT[9].segment
    put(
        world,
        Family.BODY,
        name_prefix(TENANT, stray.name),
        codec.frame(stray.body, ContentKind.CHAT),
    )
    put(
        world,
        Family.BLOCK,
        block_key(TENANT, 7),
        codec.pack([CHAT[8].segment.body], ContentKind.CHAT),
    )
    put(world, Family.REFERENCE, reference_key(TENANT, CHAT[0].segment.name, b"nobodyis"), b"")
    put(world, Family.CATALOGUE, catalogue_key(TENANT, "nobody"), b"")
    put(world, Family.EXPIRY, expiry_key(5, TENANT, DIGEST), b"")
    assert kinds(world) == ["dangling", "garbage"]
    assert kinds(world, repair=True) == []

    assert kinds(world) == []
    assert world.read("a") == [each.segment.body for each in CHAT[:3]]


def test_a_reference_its_context_does_not_need_is_garbage() -> None:
    """A context keeps what it reaches and nothing else."""
    world = World(objects=None)
    world.put("a", CHAT[:3])
    world.put("b", CHAT[3:5])
    put(world, Family.REFERENCE, reference_key(TENANT, CHAT[4].segment.name, DIGEST), b"")
    assert kinds(world) == ["garbage"]
    assert kinds(world, repair=True) == []

    assert kinds(world) == []


def test_a_listing_that_is_missing_is_put_back() -> None:
    """Catalogue and ends follow from heads."""
    world = World(objects=None)
    world.put("a", CHAT[:3], ttl_ms=1000)
    put(world, Family.CATALOGUE, catalogue_key(TENANT, "a"), None)
    put(world, Family.EXPIRY, expiry_key(world.wall.ms + 1000, TENANT, DIGEST), None)
    assert kinds(world) == ["missing"]
    assert kinds(world, repair=True) == []

    assert kinds(world) == []


def test_a_head_of_another_context_is_named() -> None:
    """A head stands under its own digest."""
    world = World(objects=None)
    world.put("a", CHAT[:3])
    head = world.head("a")
    assert head is not None
    put(world, Family.HEAD, head_key(TENANT, b"stranger"), head.encode())

    assert "corrupt" in kinds(world)


def test_a_dictionary_with_other_content_is_named() -> None:
    """A dictionary is called by what it holds."""
    dice = random.Random(1)
    words = [f"word{n}" for n in range(300)]
    samples = [" ".join(dice.choices(words, k=100)).encode() for _ in range(2000)]
    dictionary = train(samples, ContentKind.PROSE)
    assert isinstance(dictionary, Dictionary)
    world = World(objects=None)
    put(world, Family.DICTIONARY, tenant_prefix(TENANT) + dictionary.id, dictionary.encode())
    assert kinds(world) == []
    put(world, Family.DICTIONARY, tenant_prefix(TENANT) + b"12345678", dictionary.encode())

    assert kinds(world) == ["corrupt"]


def test_a_block_that_only_l4_has_is_checked_there() -> None:
    """Its bytes must have the hash the disk remembers; silence of L4 proves nothing."""
    inner = MemoryObjects()
    world = World(objects=FaultyObjects(inner))
    world.put("a", CHAT[:3])
    world.upkeep.flush()
    value = world.values.get(Family.BLOCK, block_key(TENANT, 0))
    assert value is not None
    put(world, Family.BLOCK, block_key(TENANT, 0), block_stub(block_hash(value)))
    world.bodies.forget(TENANT, 0)
    assert kinds(world) == []
    fresh = World(values=world.values, objects=world.objects)
    assert isinstance(world.objects, FaultyObjects)
    world.objects.is_down = True
    assert kinds(fresh) == ["unchecked"]
    world.objects.is_down = False
    key = block_object(TENANT, OWNER, block_hash(value))
    inner.delete([key])
    inner.put_new(key, b"something else")

    assert "corrupt" in kinds(fresh)
    assert Place.decode(b"\x01\x00") == Place(0, 0)


class BrokenTable(MemoryKeyValues):
    """A disk that lost a table of one family: nobody knows which keys it had from there on."""

    broken: tuple[Family, bytes] | None = None

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        for key, value in super().scan(family, prefix, after=after, descending=descending):
            if self.broken is not None and family is self.broken[0] and key >= self.broken[1]:
                raise CorruptError(what=f"what follows {family}", problem="its table is damaged")
            yield key, value


@pytest.mark.parametrize("family", [each for each in Family if each is not Family.SEARCH])
def test_a_broken_table_is_named_and_nothing_is_taken_for_garbage(family: Family) -> None:
    """What a table hid is neither missing nor unneeded, and no key beside it is blamed."""
    values = BrokenTable()
    world = full(values)
    keys = [key for key, _ in values.scan(family, b"")]
    if not keys:
        put(world, family, keys_of := tenant_prefix(TENANT) + b"x" * 8, b"")
        keys = [keys_of]
    for first in (keys[0], keys[-1]):
        before = {each: list(values.scan(each, b"")) for each in Family}
        values.broken = (family, first)
        found = world.upkeep.audit(repair=True).findings
        values.broken = None
        assert any("its table is damaged" in each.detail for each in found)
        assert {each: list(values.scan(each, b"")) for each in Family} == before


def test_a_sweep_never_ends_early_as_if_that_were_all() -> None:
    """Who sweeps for what is in use would take the rest for garbage."""
    values = BrokenTable()
    full(values)
    values.broken = (Family.REFERENCE, [key for key, _ in values.scan(Family.REFERENCE, b"")][9])
    for swept in (sweep(values, Family.REFERENCE), sound(values, Family.REFERENCE)):
        with pytest.raises(CorruptError):
            list(swept)


def test_the_end_of_a_damaged_context_is_kept() -> None:
    """It may come back from L4, and must not live for ever then."""
    values = MemoryKeyValues()
    world = full(values)
    values.damage(Family.HEAD, head_key(TENANT, DIGEST))
    world.upkeep.audit(repair=True)
    assert world.count(Family.EXPIRY) == 1


@pytest.mark.parametrize("family", [Family.BLOCK, Family.REFERENCE, Family.HEAD, Family.OUTBOX])
def test_upkeep_goes_on_beside_a_broken_table(family: Family) -> None:
    """No job runs for ever or dies of it; what is not concerned is done, and reports are made."""
    values = BrokenTable()
    world = full(values)
    world.upkeep.begin()
    values.broken = (family, b"")
    again = World(values=values, objects=world.objects)
    again.upkeep.begin()
    again.idle(120_000)
    again.upkeep.report()
    values.broken = None
    assert len(again.read("a")) == len(CHAT)


def in_l4() -> tuple[World, MemoryObjects]:
    """Return a world whose contexts are in L4, and that."""
    objects = MemoryObjects()
    world = World(objects=objects)
    world.put("a", CHAT)
    world.put("b", CHAT[:40])
    assert world.upkeep.flush()
    assert world.audit() == []
    return world, objects


@pytest.mark.parametrize(("part", "count"), [("/blocks/", 1), ("/contexts/", 2)])
@pytest.mark.parametrize("is_torn", [False, True])
def test_what_l4_should_have_is_looked_for_there(part: str, count: int, *, is_torn: bool) -> None:
    """What is missing or damaged is named, and put again where the disk has it."""
    world, objects = in_l4()
    lost = world.objects_with(part)
    objects.delete(lost)
    for each in lost if is_torn else ():
        objects.put_new(each, b"torn")
    kind = "corrupt" if is_torn else "missing"

    assert kinds(world) == [kind]
    assert len(world.upkeep.audit().findings) >= count
    assert kinds(world, repair=True) == []
    assert kinds(world) == []
    assert World(objects=objects).audit() == []
    assert len(world.objects_with(part)) == len(lost)


def test_a_block_that_l4_lost_and_the_disk_too_stays_named() -> None:
    """What is nowhere cannot be put."""
    world, objects = in_l4()
    objects.delete(world.objects_with("/blocks/"))
    for key, value in list(world.values.scan(Family.BLOCK, b"")):
        put(world, Family.BLOCK, key, block_stub(block_hash(value)))
    fresh = World(values=world.values, objects=objects)

    assert "corrupt" in kinds(fresh, repair=True)


def test_a_manifest_of_another_state_is_put_again() -> None:
    """Restored from L4 alone the context would be what it was before."""
    world, objects = in_l4()
    (key,) = [each for each in world.objects_with("/contexts/") if DIGEST.hex() in each]
    older = objects.get(key)
    world.put("a", CHAT[:60])
    world.upkeep.compact()
    (newer,) = [each for each in world.objects_with("/contexts/") if DIGEST.hex() in each]
    objects.delete([newer])
    assert older is not None
    objects.put_new(newer, older)

    assert kinds(world) == ["corrupt"]
    assert kinds(world, repair=True) == []
    assert kinds(world) == []


def test_what_is_still_on_its_way_to_l4_is_not_missed() -> None:
    """A context on the outbox follows anyway."""
    world, objects = in_l4()
    objects.delete(world.objects_with("/contexts/"))
    world.put("a", CHAT[:60])
    world.put("b", CHAT[:60])

    assert kinds(world) == ["garbage"]
