import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.shard.worlds import TENANT, World, body_of, key, message, replacing
from tierfold.context.manifest import Shape
from tierfold.context.stored import about_segment
from tierfold.engine.shard import reading, settled
from tierfold.engine.shard.operations import (
    Append,
    Changing,
    Create,
    Delete,
    GetInfo,
    Hits,
    Items,
    ListContexts,
    Listed,
    Operation,
    Patch,
    ReadItems,
    Result,
    Search,
)
from tierfold.engine.shard.settled import Settled
from tierfold.errors import (
    OverloadError,
    SetupError,
    StorageFullError,
    UnknownContextError,
)
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyKeyValues
from tierfold.storage.memory import MemoryKeyValues

CHAT = [message(f"row {n}") for n in range(5)]
BODIES = [body_of(each) for each in CHAT]


@dataclass
class Syncing(MemoryKeyValues):
    """Holds a write up when everybody can read it already, as an fsync does."""

    is_slow: bool = False
    fails: bool = False
    writes: int = 0
    is_written: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    def write(self, batch: Batch, *, durable: bool = True) -> None:
        super().write(batch, durable=durable)
        self.writes += 1
        if not self.is_slow:
            return
        self.is_written.set()
        assert self.goes_on.wait(10)
        if self.fails:
            problem = "the disk did not answer"
            raise SetupError(problem)


def world_of(disk: Syncing) -> World:
    world = World(values=disk)
    world.create("a", CHAT[:3])
    return world


@contextmanager
def syncing(world: World, *operations: Operation) -> Iterator[list[Result]]:
    """Let operations wait for the disk while the block runs; their results are there after it."""
    disk = world.values
    assert isinstance(disk, Syncing)
    results: list[Result] = []
    disk.is_written.clear()
    disk.goes_on.clear()
    disk.is_slow = True
    caller = started(lambda: results.extend(world.shard.call(operations)))
    assert disk.is_written.wait(10)
    try:
        yield results
        assert not results
    finally:
        disk.goes_on.set()
        caller.join(10)
        disk.is_slow = False


def started(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def listed(world: World) -> list[str]:
    page = world.get(ListContexts(tenant=TENANT), Listed)
    return [info.id for info in page.contexts]


def append(id_: str, number: int) -> Append:
    return Append(context=key(id_), shape=Shape.MESSAGES, items=(CHAT[number],))


def test_a_read_sees_the_old_state_at_once_until_the_new_one_is_on_the_disk() -> None:
    """What a power cut could still take is shown to nobody, and nobody waits for it."""
    world = world_of(Syncing())
    with syncing(world, append("a", 3)) as results:
        assert world.count(Family.BODY) == 4  # it is written
        assert world.read("a") == BODIES[:3]
        assert world.get(ReadItems(context=key("a")), Items).info.version == 1
    assert len(results) == 1
    assert world.read("a") == BODIES[:4]


def test_search_finds_nothing_that_is_not_on_the_disk() -> None:
    """An item is found through the list that has it, and that is the old one."""
    world = World(values=Syncing(), has_search=True)
    world.create("a", CHAT[:1])
    search = Search(tenant=TENANT, query="zebra", limit=5)
    zebra = Append(context=key("a"), shape=Shape.MESSAGES, items=(message("a zebra"),))
    with syncing(world, zebra):
        assert world.get(search, Hits).hits == ()
    assert [hit.item for hit in world.get(search, Hits).hits] == [1]


def test_contexts_come_and_go_when_that_is_on_the_disk() -> None:
    """A new context is not there before, one that is deleted still is, in listings too."""
    world = world_of(Syncing())
    create = Create(context=key("b"), shape=Shape.MESSAGES, items=(CHAT[3],))
    with syncing(world, create, Delete(context=key("a"))):
        assert listed(world) == ["a"]
        world.fails(GetInfo(context=key("b")), UnknownContextError)
        assert world.ask(GetInfo(context=key("a"))).version == 1  # type: ignore[union-attr]
    assert listed(world) == ["b"]
    world.fails(GetInfo(context=key("a")), UnknownContextError)


def test_what_a_round_deletes_can_be_read_till_it_is_gone() -> None:
    """A shorter list, another title, a sealed page: readers have the old bodies meanwhile."""
    world = World(values=Syncing())
    about, other = (about_segment(word, {}, size_bytes_max=100) for word in ("old", "new"))
    rows = [message(f"line {n}") for n in range(127)]
    world.create("a", rows, about=about)
    world.create("b", CHAT[:3])
    changes: list[Changing] = [
        Append(context=key("a"), shape=Shape.MESSAGES, items=(CHAT[0],)),  # leaves a spine
        Patch(context=key("a"), about=other),
        replacing("b", CHAT[2:], sent=CHAT),
        Delete(context=key("b")),
    ]
    for change in changes:
        read = ReadItems(context=change.context)
        before = world.get(read, Items)
        with syncing(world, change):
            assert world.get(read, Items) == before
    world.fails(ReadItems(context=key("b")), UnknownContextError)
    assert world.findings() == []


def test_a_read_waits_where_a_round_deletes_too_much_to_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old bodies are gone and the new state is not certain: it is the one read that waits."""
    monkeypatch.setattr(settled, "_LEFT_MAX", 2)
    world = world_of(Syncing())
    found: list[list[bytes]] = []
    with syncing(world, replacing("a", CHAT[3:], sent=CHAT[3:])):
        reader = started(lambda: found.append(world.read("a")))
        reader.join(0.05)
        assert reader.is_alive()
    reader.join(10)
    assert found == [BODIES[3:]]


def test_a_read_does_not_wait_for_a_disk_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything has a limit: it is told to come back."""
    monkeypatch.setattr(settled, "_LEFT_MAX", 2)
    monkeypatch.setattr(reading, "_ROUND_S_MAX", 0.001)
    world = world_of(Syncing())
    with syncing(world, Delete(context=key("a"))):
        world.fails(ReadItems(context=key("a")), OverloadError)


def test_a_damaged_value_can_be_deleted() -> None:
    """What cannot be read is not shown either, and stops nobody from mending it."""
    world = world_of(Syncing())
    (damaged, _), *_ = world.values.scan(Family.HEAD, b"")
    assert isinstance(world.values, Syncing)
    world.values.damage(Family.HEAD, damaged)
    world.shard.core.parts.committer.run(lambda _, batch: batch.delete(Family.HEAD, damaged))

    assert world.values.get(Family.HEAD, damaged) is None


def test_a_failed_round_is_no_longer_hidden() -> None:
    """Once it has failed, readers see what the database has: the adapter settles what that is."""
    world = world_of(Syncing(fails=True))
    with syncing(world, append("a", 3)) as results:
        assert world.read("a") == BODIES[:3]
    assert isinstance(results[0], SetupError)
    assert world.read("a") == BODIES[:4]


def test_a_change_that_is_evaluated_sees_all_that_is_written() -> None:
    """Only readers are shown the past: the next round builds on the one before."""
    world = world_of(Syncing())
    with syncing(world, append("a", 3)):
        behind = started(lambda: world.append("a", CHAT[4]))
    behind.join(10)
    assert world.read("a") == BODIES


def test_a_deletion_is_made_though_its_round_found_no_room() -> None:
    """Whoever wants to free a full disk must not be refused for those who want to fill it."""

    disk = FaultyKeyValues(MemoryKeyValues())
    world = World(values=disk)
    world.create("a", CHAT[:3])
    world.create("b", CHAT[:1])
    disk.room_bytes = 10
    results = world.shard.call([append("b", 3), Delete(context=key("a")), append("b", 4)])

    assert isinstance(results[0], StorageFullError)
    assert isinstance(results[2], StorageFullError)
    assert world.head("a") is None
    assert listed(world) == ["b"]
    assert world.findings() == []


FAMILIES = st.sampled_from([Family.HEAD, Family.CATALOGUE])
KEYS = st.binary(min_size=1, max_size=2)
ROWS = st.dictionaries(st.tuples(FAMILIES, KEYS), st.binary(max_size=3) | st.none())


@given(ROWS, ROWS, KEYS, KEYS, st.booleans())
def test_what_is_shown_is_what_was_there(
    stored: dict[tuple[Family, bytes], bytes | None],
    changed: dict[tuple[Family, bytes], bytes | None],
    prefix: bytes,
    after: bytes,
    descending: bool,  # noqa: FBT001
) -> None:
    """Between write and end every get and scan is as before the write, and after it as stored."""
    values = MemoryKeyValues()
    values.write(Batch(dict(stored)))
    shown = Settled(values)

    def seen() -> list[object]:
        scans: list[object] = [
            list(shown.scan(family, p, after=after, descending=descending))
            for family in (Family.HEAD, Family.CATALOGUE)
            for p in (b"", prefix)
        ]
        gets = [shown.get(*at) for at in (*stored, *changed)]
        return [*scans, *gets, shown.get_many(Family.HEAD, [key for _, key in changed])]

    before = seen()
    batch = Batch(dict(changed))
    shown.begin(batch, {})
    values.write(batch)
    assert seen() == before
    shown.end()
    assert all(shown.get(*at) == value for at, value in changed.items())
