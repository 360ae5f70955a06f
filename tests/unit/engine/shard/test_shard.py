import random
import threading
from collections.abc import Callable

import pytest

from tests.unit.engine.shard.worlds import TENANT, World, body_of, key, message
from tierfold.config import StoreLimits
from tierfold.context.manifest import Shape
from tierfold.context.segment import Item, SegmentKind, item
from tierfold.engine.shard.change import Change
from tierfold.engine.shard.heads import HEADS_KEPT, Heads
from tierfold.engine.shard.keys import head_key
from tierfold.engine.shard.operations import (
    Append,
    Audit,
    AuditReport,
    Changed,
    Compact,
    Create,
    Done,
    GetInfo,
    GetVersion,
    Hits,
    Items,
    ListContexts,
    Listed,
    ReadItems,
    Search,
    Version,
)
from tierfold.engine.shard.shard import OPERATIONS_MAX
from tierfold.errors import (
    ContextExistsError,
    CorruptError,
    SetupError,
    ShardUnavailableError,
    StorageFullError,
    TooLargeError,
    UnknownContextError,
)
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyKeyValues
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects


def append(id_: str, *items: Item) -> Append:
    return Append(context=key(id_), shape=Shape.MESSAGES, items=items)


def together(count: int, work: Callable[[int], None]) -> None:
    """Do the work in as many threads at once; raises what any of them raised."""
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_results_come_in_the_order_of_operations() -> None:
    """One call is a little program: each operation sees what those before it changed."""
    world = World()
    results = world.shard.call(
        [
            GetVersion(context=key("a")),
            Create(context=key("a"), shape=Shape.MESSAGES),
            append("a", message("x")),
            append("b", message("x")),
            GetVersion(context=key("a")),
            ReadItems(context=key("a")),
        ]
    )

    kinds = [UnknownContextError, Changed, Changed, UnknownContextError, Version, Items]
    assert [type(each) for each in results] == kinds
    assert world.shard.call([]) == []


def test_a_call_has_a_largest_number_of_operations() -> None:
    """Everything has a limit."""
    with pytest.raises(TooLargeError):
        World().shard.call([GetVersion(context=key("a"))] * (OPERATIONS_MAX + 1))


def test_appends_of_many_threads_are_all_there_once_and_in_each_threads_order() -> None:
    """No acknowledged append is lost, whoever writes at the same time to the same context."""
    world = World()
    world.create("shared")

    def work(number: int) -> None:
        world.create(f"own {number}".replace(" ", "-"))
        for n in range(40):
            world.append("shared", message(f"{number} {n}"))
            world.append(f"own-{number}", message(f"{number} {n}"))

    together(16, work)
    bodies = world.read("shared")
    expected = [[body_of(message(f"{t} {n}")) for n in range(40)] for t in range(16)]

    assert len(bodies) == 16 * 40
    for number, own in enumerate(expected):
        assert [each for each in bodies if each in set(own)] == own
        assert world.read(f"own-{number}") == own
    assert world.get(GetVersion(context=key("shared")), Version).version == 1 + 16 * 40
    assert world.findings() == []


def test_readers_see_whole_states_while_others_write() -> None:
    """A read is of one version: its items are those that version had."""
    world = World()
    rows = [message(f"row {n}") for n in range(200)]
    world.create("a", rows[:10])
    states = {1: [body_of(each) for each in rows[:10]]}
    ends = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            for n in range(60):
                chosen = rows[n : n + 70]
                states[n + 2] = [body_of(each) for each in chosen]
                world.replace("a", chosen)
                if n % 20 == 0:
                    world.seal()
            ends.set()
        while not ends.is_set():
            items = world.get(ReadItems(context=key("a")), Items)
            assert list(items.bodies) == states[items.info.version]

    together(4, work)


def test_a_full_disk_refuses_changes_and_goes_on_reading() -> None:
    """Nothing of the change is there, all before it is, and with room the same change is made."""
    disk = FaultyKeyValues(MemoryKeyValues())
    world = World(values=disk)
    world.create("a", [message("one")])
    disk.room_bytes = 10
    world.fails(append("a", message("two")), StorageFullError)
    assert world.read("a") == [body_of(message("one"))]
    assert world.findings() == []
    disk.room_bytes = None
    world.append("a", message("two"))

    assert len(world.read("a")) == 2


def test_a_damaged_head_is_named() -> None:
    """The context cannot be read or changed, and says why; others can."""
    world = World()
    world.create("a", [message("one")])
    world.create("b")
    assert isinstance(world.values, MemoryKeyValues)
    damaged = head_key(TENANT, key("a").digest)
    world.values.damage(Family.HEAD, damaged)

    for operation in (GetInfo(context=key("a")), append("a"), ReadItems(context=key("a"))):
        assert damaged.hex() in world.fails(operation, CorruptError).what
    world.append("b", message("two"))
    listed = world.get(ListContexts(tenant=TENANT), Listed)
    assert [info.id for info in listed.contexts] == ["b"]


def test_a_context_with_damaged_pages_can_be_deleted() -> None:
    """What leads nowhere is found by looking through all references: nothing is left behind."""
    world = World()
    rows = [message(f"row {n}") for n in range(200)]
    world.create("a", [*rows, item(SegmentKind.MESSAGE, b"x" * 200_000)])
    world.create("b", rows[:3])
    head = world.head("a")
    assert head is not None
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.BODY, b"\x04acme" + (head.spine or b""))
    world.fails(ReadItems(context=key("a"), stop=3), CorruptError)
    world.delete("a")

    assert world.read("b") == [body_of(each) for each in rows[:3]]
    assert world.references("a") == set()
    assert world.findings() == []


def test_a_damaged_context_can_be_written_anew() -> None:
    """Sending the whole history heals it: what cannot be read is let go."""
    world = World()
    rows = [message(f"row {n}") for n in range(200)]
    large = item(SegmentKind.MESSAGE, b"x" * 200_000)
    world.create("a", [*rows, large])
    head = world.head("a")
    assert head is not None
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.BODY, b"\x04acme" + (head.spine or b""))
    world.replace("a", [large, *rows[50:60]])

    assert world.read("a") == [body_of(each) for each in [large, *rows[50:60]]]
    assert world.references("a") == world.reachable("a", [*rows, large])


def test_two_ids_of_one_digest_are_never_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty-four bits may meet by chance: then the second id is refused."""
    world = World()
    world.create("a")
    other = key("b")
    monkeypatch.setitem(other.__dict__, "digest", key("a").digest)

    world.fails(Create(context=other, shape=Shape.MESSAGES), ContextExistsError)
    world.fails(GetInfo(context=other), UnknownContextError)


def test_restarting_keeps_everything() -> None:
    """Whatever was acknowledged is there again; nothing of it was only in memory."""
    world = World()
    rows = [message(f"row {n}") for n in range(100)]
    world.create("a", rows)
    info = world.ask(GetInfo(context=key("a")))
    world.reopen()

    assert world.ask(GetInfo(context=key("a"))) == info
    assert world.read("a") == [body_of(each) for each in rows]


def test_a_closed_shard_takes_no_changes() -> None:
    """What comes too late is told so, and reads what is there."""
    world = World()
    world.create("a")
    world.shard.close()
    world.shard.close()

    world.fails(append("a"), ShardUnavailableError)
    world.get(GetInfo(context=key("a")), object)


def test_upkeep_and_search_answer_through_the_shard() -> None:
    """One method is all there is to call, from a gateway as from here."""
    world = World(objects=MemoryObjects(), has_search=True)
    world.create("a", [message("a lantern in the harbour")])
    hits = world.get(Search(tenant=TENANT, query="lantern"), Hits)
    world.get(Compact(), Done)

    assert [hit.context for hit in hits.hits] == ["a"]
    assert world.count(Family.BODY) == 0
    assert world.get(Audit(), AuditReport).findings == ()
    assert not all(world.shard.step(1e9) for _ in range(100))
    bare = World()
    bare.fails(Search(tenant=TENANT, query="lantern"), SetupError)


def test_upkeep_runs_in_the_background() -> None:
    """A shard that is started seals by itself, woken by the change that fills a block."""
    world = World(store=StoreLimits())
    world.shard.start()
    rows = [message(random.Random(n).randbytes(3000).hex()) for n in range(40)]
    world.create("a", rows)
    sealed = threading.Event()
    for _ in range(1000):
        if world.count(Family.BLOCK):
            sealed.set()
            break
        sealed.wait(0.01)
    world.shard.close()

    assert sealed.is_set()
    assert world.read("a") == [body_of(each) for each in rows]


def test_what_nobody_foresaw_is_raised_and_leaves_the_shard_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mistake of ours is no result: it surfaces, and hinders no other caller."""
    world = World()
    world.create("a")
    row = message("one")

    def broken(self: Change) -> object:
        assert isinstance(self, Change)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Change, "require", broken)
        with pytest.raises(ZeroDivisionError):
            world.append("a", row)
    assert world.append("a", row).info.version == 2


def test_heads_are_remembered_for_a_few_contexts_only() -> None:
    """An idle context takes no memory: what was decoded is forgotten as others come."""
    world = World()
    heads = Heads()
    world.create("a")
    head = world.head("a")
    assert head is not None
    data = head.encode()
    for n in range(HEADS_KEPT + 10):
        heads.head(b"%d" % n, data)

    assert len(heads) == HEADS_KEPT
    batch = Batch()
    batch.put(Family.HEAD, head_key(TENANT, key("a").digest), b"\x01torn")
    world.values.write(batch)
    world.fails(GetInfo(context=key("a")), CorruptError)


def test_an_append_to_a_long_context_writes_what_one_to_a_short_one_does() -> None:
    """Names are sealed into pages: a list of any length grows at the same cost."""

    class Counted(MemoryKeyValues):
        written = 0

        def write(self, batch: Batch, *, durable: bool = True) -> None:
            self.written += sum(len(k) + len(v or b"") for (_, k), v in batch.puts.items())
            super().write(batch, durable=durable)

    values = Counted()
    world = World(values=values, store=StoreLimits(rows_max=1_000_000))
    rows = [message(f"{n}") for n in range(500)]
    world.create("short", rows[:100])
    world.create("long", rows * 200)
    costs = []
    for id_ in ("short", "long"):
        before = values.written
        for n in range(256):
            world.append(id_, rows[n])  # all bodies are here: no payload
        costs.append(values.written - before)
    head = world.head("long")

    assert head is not None
    assert len(head.encode()) <= 2048
    assert costs[1] <= 1.5 * costs[0]
