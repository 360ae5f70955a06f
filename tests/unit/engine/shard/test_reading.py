from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engine.shard.worlds import (
    TENANT,
    World,
    body_of,
    key,
    keyed,
    message,
    replacing,
)
from tierfold.config import TierSettings
from tierfold.context.handle import Handle, check_of
from tierfold.context.manifest import NO_CHAIN, Shape, chained
from tierfold.context.segment import Item, Name
from tierfold.context.stored import ContextInfo, about_segment
from tierfold.engine.shard import finding, reading
from tierfold.engine.shard.blocks import UNPACKED_KEPT
from tierfold.engine.shard.keys import block_key, block_stub, name_prefix, uploaded_key
from tierfold.engine.shard.names import names_between
from tierfold.engine.shard.operations import (
    Append,
    Changed,
    GetInfo,
    GetTiers,
    GetVersion,
    Items,
    ListContexts,
    Listed,
    Patch,
    ReadHandle,
    ReadItems,
    ReadSince,
    TiersReport,
)
from tierfold.engine.working import SharedFolder
from tierfold.errors import (
    CorruptError,
    ObjectStoreError,
    OverloadError,
    UnknownContextError,
    UnknownHandleError,
)
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyKeyValues, FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

CHAT = [message(f"sentence {n} of a talk about the weather in Oslo") for n in range(300)]
BODIES = [body_of(each) for each in CHAT]


def handle(id_: str, items: Sequence[Item], first: int, count: int) -> str:
    names = [each.segment.name for each in items[first : first + count]]
    digest = key(id_).digest
    return Handle(digest=digest, first=first, count=count, check=check_of(names)).encode()


@dataclass
class Watched(MemoryKeyValues):
    """Notes which bodies are read."""

    read: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        if family is Family.BODY:
            self.read += keys
        return super().get_many(family, keys)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (0, 3), (60, 70), (128, 192), (290, 300), (299, 999), (400, 500)]
)
@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_range_is_read_as_asked(start: int, stop: int, is_sealed: bool) -> None:  # noqa: FBT001
    """A range comes back whole and in order, cut to the list, wherever the bodies lie."""
    world = World()
    world.create("a", CHAT)
    if is_sealed:
        world.seal()
    items = world.get(ReadItems(context=key("a"), start=start, stop=stop), Items)

    assert list(items.bodies) == BODIES[start:stop]
    assert items.start == min(start, 300)


def test_a_range_costs_what_is_in_it() -> None:
    """Ten items out of many are ten rows, the spine and the page that lists them."""
    values = Watched()
    world = World(values=values)
    world.create("a", CHAT)
    values.read.clear()
    world.read("a", 130, 140)

    assert len(values.read) == 12


def test_a_reader_gets_what_it_lacks() -> None:
    """What a reader has is sent again only when it is no beginning of the list any more."""
    world = World()
    names = [each.segment.name for each in CHAT]
    world.create("a", CHAT[:200])
    world.append("a", *CHAT[200:210])

    def since(items: int, had: Sequence[Name]) -> tuple[int, int]:
        operation = ReadSince(context=key("a"), items=items, chain=chained(NO_CHAIN, had))
        answer = world.get(operation, Items)
        assert list(answer.bodies) == BODIES[answer.start : 210]
        return answer.start, len(answer.bodies)

    assert since(200, names[:200]) == (200, 10)
    assert since(210, names[:210]) == (210, 0)
    assert since(200, names[1:201]) == (0, 210)
    assert since(211, names[:211]) == (0, 210)
    assert since(0, []) == (0, 210)


def test_a_mapped_working_set_stands_in_for_the_bodies(tmp_path: Path) -> None:
    """Where L1 has the very version, its path is the answer; else the bodies are."""
    world = World(folder=SharedFolder(tmp_path / "l1", bytes_max=1 << 24))
    world.create("a", CHAT[:3])
    world.seal()
    operation = ReadSince(context=key("a"), shared="o200k")
    built = [world.get(operation, Items).shared for _ in range(2)]
    world.seal()
    mapped = world.get(operation, Items)
    plain = world.get(ReadSince(context=key("a")), Items)
    world.append("a", CHAT[3])
    read = world.get(operation, Items)

    assert built == ["", ""]
    assert (Path(mapped.shared).exists(), mapped.bodies, mapped.tier) == (True, (), "L1")
    assert (plain.shared, len(plain.bodies)) == ("", 3)
    assert (read.shared, len(read.bodies)) == ("", 4)


def test_a_list_that_is_there_already_leaves_l1_as_it_is(tmp_path: Path) -> None:
    """An agent that sends its whole history again does not make the next reader build it."""
    world = World(folder=SharedFolder(tmp_path / "l1", bytes_max=1 << 24))
    world.create("a", CHAT[:3])
    world.seal()
    operation = ReadSince(context=key("a"), shared="o200k")
    for _ in range(2):
        world.get(operation, Items)
    world.seal()
    mapped = world.get(operation, Items).shared
    world.replace("a", CHAT[:3])
    world.replace("a", CHAT[:3], keyed=keyed(b"again"))
    world.seal()

    assert mapped
    assert world.get(operation, Items).shared == mapped


def test_the_tier_of_an_answer_is_the_lowest_that_was_read() -> None:
    """Rows are L3; a block is L3 the first time and L2 after that, until it is evicted."""
    world = World()
    world.create("a", CHAT[:5])
    operation = ReadItems(context=key("a"))
    tiers = [world.get(operation, Items).tier]
    world.seal()
    world.shard.blocks.clear()
    tiers += [world.get(operation, Items).tier for _ in range(2)]
    world.shard.blocks.evict(TENANT, 0)
    tiers.append(world.get(operation, Items).tier)
    report = world.get(GetTiers(), TiersReport)

    assert tiers == ["L3", "L3", "L2", "L3"]
    assert {each.tier: each.hits for each in report.tiers} == {"L1": 0, "L2": 1, "L3": 3}
    assert all((each.latency_ms_p99 is None) is (each.hits == 0) for each in report.tiers)


def test_handles_find_their_items_wherever_they_stand() -> None:
    """A context that was written anew may hold them elsewhere; never is something else returned."""
    world = World()
    world.create("a", CHAT[:200])
    named = handle("a", CHAT, 70, 3)
    first = world.get(ReadHandle(tenant=TENANT, handle=named), Items)
    world.replace("a", CHAT[50:300])
    moved = world.get(ReadHandle(tenant=TENANT, handle=named), Items)
    world.replace("a", CHAT[:72])

    assert (first.start, moved.start) == (70, 20)
    assert list(first.bodies) == list(moved.bodies) == BODIES[70:73]
    world.fails(ReadHandle(tenant=TENANT, handle=named), UnknownHandleError)
    world.replace("a", [CHAT[1], CHAT[0], *CHAT[2:72]])
    world.fails(ReadHandle(tenant=TENANT, handle=handle("a", CHAT, 0, 2)), UnknownHandleError)
    world.fails(ReadHandle(tenant=TENANT, handle=handle("a", CHAT, 0, 300)), UnknownHandleError)


def test_handles_of_nothing_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handle of a deleted context, of another tenant or of no making is all the same."""
    world = World()
    world.create("a", CHAT[:200])
    named = handle("a", CHAT, 190, 2)
    for operation in (
        ReadHandle(tenant="other", handle=named),
        ReadHandle(tenant=TENANT, handle="h_nothing"),
        ReadHandle(tenant=TENANT, handle=handle("b", CHAT, 0, 1)),
    ):
        world.fails(operation, UnknownHandleError)
    world.replace("a", CHAT[100:300])
    monkeypatch.setattr(finding, "HASHED_BYTES_MAX", 32 * 10)
    world.fails(ReadHandle(tenant=TENANT, handle=named), UnknownHandleError)


def test_listings_go_page_by_page_in_both_directions() -> None:
    """The order is that of ids; what has ended, or is another tenant's, is not in it."""
    world = World()
    about = about_segment("b is told about", {}, size_bytes_max=100)
    for id_ in "dbace":
        world.create(id_, about=about if id_ == "b" else None, ttl_ms=5 if id_ == "c" else 0)
    world.wall.ms += 5

    def page(**fields: object) -> tuple[str, bool]:
        listed = world.get(ListContexts(tenant=TENANT, **fields), Listed)  # type: ignore[arg-type]
        return "".join(info.id for info in listed.contexts), listed.has_more

    assert page() == ("abde", False)
    assert page(limit=2) == ("ab", True)
    assert page(limit=2, after="b") == ("de", False)
    assert page(limit=2, descending=True) == ("ed", True)
    assert page(after="d", descending=True) == ("ba", False)
    assert world.get(ListContexts(tenant="other"), Listed).contexts == ()
    assert world.get(ListContexts(tenant=TENANT), Listed).contexts[1].about.title != ""


def test_what_is_not_there_is_unknown() -> None:
    """Every read of a context that nobody made says so by its id."""
    world = World()
    for operation in (
        GetInfo(context=key("a")),
        GetVersion(context=key("a")),
        ReadItems(context=key("a")),
        ReadSince(context=key("a")),
    ):
        assert world.fails(operation, UnknownContextError).context == "a"


def test_a_damaged_row_is_named_and_hides_nothing_else() -> None:
    """A flipped byte is an error that names the value; other items can still be read."""
    world = World()
    world.create("a", CHAT[:5])
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.BODY, name_prefix(TENANT, CHAT[2].segment.name))

    error = world.fails(ReadItems(context=key("a")), CorruptError)
    assert CHAT[2].segment.name.hex() in error.what
    assert world.read("a", 3) == BODIES[3:5]
    world.delete("a")
    assert world.count(Family.REFERENCE) == world.count(Family.BODY) == 0


def test_a_missing_body_is_named() -> None:
    """A reference that leads nowhere is damage, not an empty answer."""
    world = World()
    world.create("a", CHAT[:5])
    lost = Batch()
    lost.delete(Family.BODY, name_prefix(TENANT, CHAT[2].segment.name))
    world.values.write(lost)

    error = world.fails(ReadItems(context=key("a")), CorruptError)
    assert error.what == f"segment {CHAT[2].segment.name.hex()}"


def sealed_and_uploaded() -> tuple[World, FaultyObjects, bytes]:
    """Return a shard whose one block is in L4 too, and the block's hash."""
    objects = FaultyObjects(MemoryObjects())
    world = World(objects=objects)
    world.create("a", CHAT[:50])
    assert world.shard.upkeep.flush()
    world.shard.blocks.clear()
    (found,) = [each for each, _ in world.values.scan(Family.META, b"4")]
    hashed = found[-21:-5]
    assert found == uploaded_key(TENANT, hashed, 0)
    return world, objects, hashed


def test_a_damaged_block_is_served_from_l4_and_mended() -> None:
    """Where the tier below has the block whole, the reader sees no damage, nor does the next."""
    world, _, _ = sealed_and_uploaded()
    values = world.values
    assert isinstance(values, MemoryKeyValues)
    values.damage(Family.BLOCK, block_key(TENANT, 0))
    operation = ReadItems(context=key("a"))
    served = world.get(operation, Items)
    world.shard.blocks.clear()
    mended = world.get(operation, Items)

    assert (served.tier, mended.tier) == ("L4", "L3")
    assert list(served.bodies) == list(mended.bodies) == BODIES[:50]
    assert len(world.shard.blocks.findings) == 1


def test_a_damaged_block_that_cannot_be_mended_is_still_served() -> None:
    """A full disk keeps the damage where it is, and the reader from noticing."""
    world, objects, _ = sealed_and_uploaded()
    faulty = FaultyKeyValues(world.values)
    faulty.damaged.add((Family.BLOCK, block_key(TENANT, 0)))
    world = World(values=faulty, objects=objects)
    faulty.room_bytes = 0

    assert world.read("a") == BODIES[:50]
    assert len(world.shard.blocks.findings) == 2


def test_a_damaged_block_that_l4_lacks_is_named() -> None:
    """There is no tier below: the error says which value it is."""
    world = World()
    world.create("a", CHAT[:50])
    world.seal()
    world.shard.blocks.clear()
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.BLOCK, block_key(TENANT, 0))

    error = world.fails(ReadItems(context=key("a")), CorruptError)
    assert block_key(TENANT, 0).hex() in error.what


def test_a_block_that_left_the_disk_comes_from_l4() -> None:
    """A stub is read through by its hash, checked, and kept in memory; L4's damage is named."""
    world, objects, hashed = sealed_and_uploaded()
    stub = Batch()
    stub.put(Family.BLOCK, block_key(TENANT, 0), block_stub(hashed))
    world.values.write(stub)
    operation = ReadItems(context=key("a"))
    objects.is_down = True
    world.fails(operation, ObjectStoreError)
    objects.is_down = False
    answers = [world.get(operation, Items) for _ in range(2)]
    world.shard.blocks.clear()
    objects.damaged.update(objects.keys(""))

    assert [each.tier for each in answers] == ["L4", "L2"]
    assert list(answers[0].bodies) == BODIES[:50]
    assert "other bytes" in str(world.fails(operation, CorruptError))
    bare = World(values=world.values)
    assert "no object store" in str(bare.fails(operation, CorruptError))


def test_blocks_in_memory_keep_to_their_bytes() -> None:
    """The oldest go when the room is needed; reading on is none the worse for it."""
    world = World(tiers=TierSettings(l2_bytes_max=20_000))
    long = [message(f"{n} " * 9000) for n in range(30)]
    for n, each in enumerate(long):
        world.create(f"c{n}", [each])
    world.seal()
    for n, each in enumerate(long):
        assert world.read(f"c{n}") == [body_of(each)]
        assert 0 < world.shard.blocks.size_bytes <= 20_000


def test_a_context_that_changes_under_the_reader_is_read_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A head whose bodies were let go meanwhile is no damage: the next state is read."""
    world = World()
    world.create("a", CHAT[:5])
    original = names_between
    changes = iter([CHAT[5:8], CHAT[8:10]])

    def slow(*asked: Any) -> tuple[Name, ...]:
        names = original(*asked)
        items = next(changes, None)
        if items:
            world.replace("a", items)
        return names

    monkeypatch.setattr(reading, "names_between", slow)
    assert world.read("a") == BODIES[8:10]

    numbers = iter(range(10, 300))

    def endless(*asked: Any) -> tuple[Name, ...]:
        names = original(*asked)
        world.replace("a", [CHAT[next(numbers)]])
        return names

    monkeypatch.setattr(reading, "names_between", endless)
    world.fails(ReadItems(context=key("a")), OverloadError)


def test_what_the_caller_says_is_read_once() -> None:
    """Title and metadata of a context are remembered with its head, and change with it."""
    values = Watched()
    world = World(values=values)
    about = about_segment("A trip", {}, size_bytes_max=100)
    world.create("a", about=about)
    world.reopen()
    values.read.clear()
    titles = [world.get(GetInfo(context=key("a")), ContextInfo).about.title for _ in range(2)]
    world.append("a", CHAT[0])
    titles.append(world.get(GetInfo(context=key("a")), ContextInfo).about.title)

    assert titles == ["A trip"] * 3
    assert len(values.read) == 1
    named = about_segment("Another", {}, size_bytes_max=100)
    assert world.get(Patch(context=key("a"), about=named), Changed).info.about.title == "Another"


def test_blocks_are_unpacked_again_when_many_are_read() -> None:
    """Few blocks are held unpacked; the others are in memory as they lie on the disk."""
    world = World()
    for n in range(2 * UNPACKED_KEPT):
        world.create(f"c{n}", [message(f"{n} " * 20_000)])
    world.seal()
    world.shard.blocks.clear()
    operations = [ReadItems(context=key(f"c{n}")) for n in range(2 * UNPACKED_KEPT)]
    first = [world.get(each, Items) for each in operations]
    again = [world.get(each, Items) for each in operations]

    assert {each.tier for each in first} == {"L3"}
    assert {each.tier for each in again} == {"L2"}
    assert [each.bodies for each in first] == [each.bodies for each in again]


def test_a_block_that_is_gone_is_a_missing_segment() -> None:
    """The error names what cannot be read, not where it was."""
    world = World()
    world.create("a", CHAT[:5])
    world.seal()
    world.shard.blocks.clear()
    lost = Batch()
    lost.delete(Family.BLOCK, block_key(TENANT, 0))
    world.values.write(lost)

    assert "missing" in world.fails(ReadItems(context=key("a")), CorruptError).problem
    world.create("b")
    error = world.fails(replacing("b", CHAT[:2]), CorruptError)
    assert error.what == f"segment {CHAT[0].segment.name.hex()}"


def test_a_block_that_was_dropped_is_not_mended() -> None:
    """Mending never brings back what nobody needs any more."""
    world, _, _ = sealed_and_uploaded()
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.BLOCK, block_key(TENANT, 0))
    found = world.shard.blocks.get(TENANT, 0)
    dropped = Batch()
    dropped.delete(Family.BLOCK, block_key(TENANT, 0))
    world.values.write(dropped)
    world.ask(GetVersion(context=key("a")))

    assert found is not None
    assert world.count(Family.BLOCK) == 0


def test_a_change_fetches_from_l4_before_its_round() -> None:
    """What a step reads is in memory by then: no other caller waits for the object store."""
    objects = FaultyObjects(MemoryObjects())
    world = World(objects=objects)
    about = about_segment("A trip", {}, size_bytes_max=100)
    world.create("a", CHAT[:127], about=about)
    assert world.shard.upkeep.flush()
    stubs = Batch()
    for found, _ in world.values.scan(Family.META, b"4"):
        number = int.from_bytes(found[-5:], "big")
        stubs.put(Family.BLOCK, block_key(TENANT, number), block_stub(found[-21:-5]))
    world.values.write(stubs)
    world.reopen()
    objects.is_down = True
    append = Append(context=key("a"), shape=Shape.MESSAGES, items=(CHAT[127],))
    world.fails(append, ObjectStoreError)
    objects.is_down = False
    changed = world.get(append, Changed)

    assert changed.info.about.title == "A trip"
    assert world.read("a") == BODIES[:128]
    world.reopen()
    assert world.get(Patch(context=key("a"), ttl_ms=0), Changed).info.about.title == "A trip"
    world.fails(Patch(context=key("b"), ttl_ms=0), UnknownContextError)
