import threading
import time
from collections.abc import Callable

import pytest

from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.config import TierSettings
from tierfold.context.identity import ContextKey
from tierfold.engine.shard.objects import (
    manifest_object,
    manifests_folder,
    split_manifest,
    tenant_folder,
    tenant_of,
)
from tierfold.engine.shard.together import CALLS_AT_ONCE
from tierfold.engine.shard.upkeep.archived import ArchivedManifest
from tierfold.errors import ObjectStoreError, SetupError
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

CHAT = [message(f"sentence {n} of a talk") for n in range(100)]


def needed(world: World) -> set[str]:
    """Return the hashes that the manifests in L4 list."""
    assert world.objects is not None
    manifests = [world.objects.get(key) for key in world.objects_with("/contexts/")]
    return {
        each.hex() for data in manifests if data for each in ArchivedManifest.decode(data).blocks
    }


def present(world: World) -> set[str]:
    """Return the hashes of the blocks in L4."""
    return {key.rpartition("-")[2] for key in world.objects_with("/blocks/")}


def test_l4_has_what_the_disk_has() -> None:
    """After a flush the outbox is empty, and every block a manifest lists is there."""
    world = World()
    world.put("a", CHAT)
    world.put("b", CHAT[50:], tenant="other")

    assert world.upkeep.flush()
    assert world.count(Family.OUTBOX) == 0
    assert needed(world) == present(world)
    report = world.upkeep.report()
    assert (report.backlog_blocks, report.backlog_contexts) == (0, 0)
    assert report.tiers[-1].items == len(present(world))
    assert report.tiers[-1].size_bytes > 0


def test_only_the_newest_manifest_is_kept() -> None:
    """Numbers go up, each is put once, and the one before goes when the next is there."""
    world = World()
    for count in (10, 20, 30):
        world.put("a", CHAT[:count])
        world.upkeep.flush()
    digest = ContextKey(TENANT, "a").digest

    assert world.objects_with("/contexts/") == [manifest_object(TENANT, digest, 3)]
    again = World(values=world.values, objects=world.objects)
    again.put("a", CHAT[:40])
    again.upkeep.flush()
    assert again.objects_with("/contexts/") == [manifest_object(TENANT, digest, 4)]


def test_a_manifest_that_somebody_put_before_us_is_passed() -> None:
    """A number is never written twice: where it is taken the next one is."""
    world = World()
    world.put("a", CHAT[:10])
    world.upkeep.flush()
    digest = ContextKey(TENANT, "a").digest
    assert world.objects is not None
    world.objects.put_new(manifest_object(TENANT, digest, 2), b"another's")
    world.put("a", CHAT[:20])
    world.upkeep.flush()

    assert world.objects_with("/contexts/") == [manifest_object(TENANT, digest, 3)]


def test_two_stores_that_follow_one_object_store_are_noticed() -> None:
    """Where every number is taken, trying ends, and the report says why."""
    world = World()
    world.put("a", CHAT[:3])
    world.sealed()
    objects = world.objects
    assert isinstance(objects, MemoryObjects)
    put_new = objects.put_new
    objects.put_new = lambda key, body: "/contexts/" not in key and put_new(key, body)  # type: ignore[method-assign]  # a rival is always first

    assert not world.upkeep.flush()
    assert "another store" in world.upkeep.report().object_store_problem


def test_nothing_is_uploaded_more_often_than_rows_are_sealed() -> None:
    """A context that changes all the time does not fill L4 with tiny blocks."""
    world = World(tiers=TierSettings(seal_age_ms=30_000))
    world.idle(1)
    for count in range(1, 10):
        world.put("a", CHAT[:count])
        world.idle(2_000)
    assert world.objects_with("/blocks/") == []
    world.idle(30_000)

    assert len(world.objects_with("/contexts/")) == 1
    assert needed(world) == present(world)


def test_an_object_store_that_is_down_holds_nothing_up() -> None:
    """Changes are acknowledged, the backlog and its reason are visible, and L4 catches up."""
    down = FaultyObjects(MemoryObjects())
    down.is_down = True
    world = World(objects=down)
    world.put("a", CHAT)
    world.idle()
    report = world.upkeep.report()
    assert report.backlog_contexts == 1
    assert "down" in report.object_store_problem
    world.upkeep.compact()
    assert world.count(Family.BODY) == 0
    down.is_down = False
    world.idle(120_000)
    world.idle(120_000)

    report = world.upkeep.report()
    assert (report.backlog_blocks, report.backlog_contexts) == (0, 0)
    assert report.object_store_problem == ""
    assert needed(world) == present(world)


def test_a_deleted_context_leaves_l4() -> None:
    """Manifests go, then the blocks nobody needs any more; what others share stays."""
    world = World()
    world.put("a", CHAT)
    world.put("b", CHAT[90:])
    world.upkeep.flush()
    world.delete("a")
    world.upkeep.compact()
    assert world.objects_with(manifests_folder(TENANT, ContextKey(TENANT, "a").digest)) == []
    assert needed(world) == present(world)
    world.delete("b")
    world.upkeep.compact()

    assert world.objects_with("") == []
    assert world.count(Family.META, b"4") == 0


def test_equal_blocks_share_an_object_that_goes_with_the_last() -> None:
    """The same content sealed twice is one object; dropping one block must not lose the other."""
    world = World()
    world.put("a", CHAT[:5])
    world.upkeep.flush()
    world.delete("a")
    world.put("a", CHAT[:5])
    world.upkeep.flush()
    world.upkeep.compact()

    assert needed(world) == present(world)
    assert world.read("a") == [each.segment.body for each in CHAT[:5]]
    assert world.audit() == []


def test_a_store_that_gets_an_object_store_puts_all_it_has() -> None:
    """Contexts from before L4 was set up, or that lay in another one, follow."""
    world = World(objects=None)
    world.put("a", CHAT)
    world.sealed()
    first = World(values=world.values, objects=MemoryObjects())
    first.upkeep.begin()
    assert first.upkeep.flush()
    assert needed(first) == present(first) != set()
    again = World(values=world.values, objects=first.objects)
    again.upkeep.begin()

    assert again.count(Family.OUTBOX) == 0


def test_a_damaged_context_waits_and_holds_no_other_up() -> None:
    """What cannot be read is not put into L4; what can be is."""
    values = MemoryKeyValues()
    world = World(values=values)
    world.put("a", CHAT[:70])
    world.put("b", [message("another talk")])
    world.sealed()
    page = next(key for key, _ in values.scan(Family.BLOCK, b""))
    values.damage(Family.BLOCK, page)
    world.upkeep.flush()

    assert world.upkeep.report().backlog_contexts >= 1


def test_a_damaged_context_keeps_no_other_tenant_in_l4() -> None:
    """What one tenant deletes leaves L4, whatever is broken of another's."""
    values = MemoryKeyValues()
    world = World(values=values)
    world.put("a", CHAT[:70], tenant="broken")
    world.put("b", CHAT, tenant="sound")
    world.upkeep.flush()
    world.put("a", CHAT[:80], tenant="broken")
    world.sealed()
    for key, _ in list(values.scan(Family.BLOCK, b"")):
        if key.startswith(b"\x06broken"):
            values.damage(Family.BLOCK, key)
    world.delete("b", tenant="sound")
    world.upkeep.compact()

    assert world.upkeep.report().backlog_contexts == 1
    assert [key for key in world.objects_with("/") if key.startswith("sound/")] == []
    assert world.objects_with("broken/contexts/")


def test_a_tenant_may_have_any_name() -> None:
    """What is special in a path is written otherwise, and read back."""
    for tenant in ("acme", "a/b", "..", "x y", "=2f", "~", "A=B.c"):
        folder = tenant_folder(tenant)
        assert "/" not in folder
        assert "." not in folder
        assert tenant_of(folder) == tenant
        assert split_manifest(manifest_object(tenant, b"12345678", 7)) == (tenant, b"12345678", 7)
    assert split_manifest("acme/blocks/x") is None
    assert split_manifest("acme/contexts/zz/1") is None


def test_a_context_that_changes_while_it_is_uploaded_is_put_again() -> None:
    """It leaves the outbox only when L4 has what it is now."""
    world = World()
    world.put("a", CHAT[:10])
    world.sealed()
    meanwhile = [lambda: world.put("a", CHAT[:20]), lambda: world.put("a", CHAT[:30])]
    interrupt(world, "/contexts/", meanwhile)
    assert world.upkeep.flush()
    digest = ContextKey(TENANT, "a").digest
    assert world.objects is not None
    (key,) = world.objects.keys(manifests_folder(TENANT, digest))
    data = world.objects.get(key)
    head = world.head("a")

    assert data is not None
    assert head is not None
    assert ArchivedManifest.decode(data).head == head.encode()


def test_a_context_deleted_while_it_is_uploaded_leaves_l4() -> None:
    """A manifest or block that was put too late is deleted again."""
    for part in ("/contexts/", "/blocks/"):
        world = World()
        world.put("a", CHAT[:10])
        world.sealed()
        interrupt(world, part, [lambda world=world: world.delete("a")])  # type: ignore[misc]  # defaults bind early
        world.upkeep.flush()
        world.upkeep.compact()

        assert world.objects_with("") == []
        assert world.count(Family.OUTBOX) == 0


def test_a_block_dropped_while_it_is_uploaded_leaves_l4() -> None:
    """A block that nobody needs when its object has arrived is not left there."""
    world = World()
    world.put("a", CHAT[:10])
    world.sealed()

    def drop() -> None:
        world.delete("a")
        for _ in world.upkeep._defragmenter.one_pass():  # noqa: SLF001  # between two of its pieces
            pass

    interrupt(world, "/blocks/", [drop])
    world.upkeep.flush()
    world.upkeep.flush()

    assert world.count(Family.BLOCK) == 0
    assert world.objects_with("") == []


def test_blocks_only_l4_has_keep_the_store_with_it() -> None:
    """Another object store is refused while the one before has something alone."""
    world = World(tiers=TierSettings(l3_bytes_max=1_000))
    world.put("a", CHAT)
    world.upkeep.begin()
    world.upkeep.flush()
    world.idle()
    other = FaultyObjects(MemoryObjects())
    elsewhere = World(values=world.values, objects=Renamed(other))

    with pytest.raises(SetupError, match="memory://"):
        elsewhere.upkeep.begin()


class Counted(FaultyObjects):
    """An object store that notes how many puts are under way at once, and fails some."""

    def __init__(self, refused: str = "nothing") -> None:
        super().__init__(MemoryObjects())
        self.refused = refused
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def put_new(self, key: str, body: bytes) -> bool:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.002)
        try:
            if self.refused in key:
                raise ObjectStoreError(url=self.url, problem="it refuses this one")
            return super().put_new(key, body)
        finally:
            with self._lock:
                self._now -= 1


def test_several_objects_are_on_their_way_at_once() -> None:
    """L4 follows as fast as it takes puts side by side, and not more of them than that."""
    objects = Counted()
    world = World(objects=objects)
    for number in range(40):
        world.put(f"c{number}", CHAT[number : number + 3])
    writes = counted_writes(world)
    assert world.upkeep.flush()

    assert 1 < objects.most <= CALLS_AT_ONCE
    assert len(world.objects_with("/contexts/")) == 40
    assert needed(world) == present(world)
    assert len(writes) < 20  # noted together


def test_what_arrived_beside_a_failure_is_noted() -> None:
    """A pass that fails has not to put again what L4 has."""
    digest = ContextKey(TENANT, "c3").digest
    objects = Counted(refused=digest.hex())
    world = World(objects=objects)
    for number in range(10):
        world.put(f"c{number}", CHAT[number : number + 3])

    assert not world.upkeep.flush()
    assert "refuses" in world.upkeep.report().object_store_problem
    assert world.upkeep.report().backlog_contexts == 1
    objects.refused = "nothing"
    assert world.upkeep.flush()
    assert len(world.objects_with("/contexts/")) == 10


def test_blocks_that_arrived_beside_a_failure_are_noted() -> None:
    """Only the block that failed is left to do; no manifest names it meanwhile."""
    objects = Counted()
    world = World(objects=objects)
    for tenant in ("one", "two", "three"):
        world.put("a", CHAT[:3], tenant=tenant)
    world.sealed()
    objects.refused = "two/blocks"

    assert not world.upkeep.flush()
    assert world.upkeep.report().backlog_blocks == 1
    assert world.objects_with("/contexts/") == []
    objects.refused = "nothing"
    assert world.upkeep.flush()
    assert needed(world) == present(world)


def counted_writes(world: World) -> list[int]:
    """Note the size of every batch from now on."""
    writes: list[int] = []
    write = world.values.write

    def counted(batch: Batch, *, durable: bool = True) -> None:
        writes.append(len(batch))
        write(batch, durable=durable)

    world.values.write = counted  # type: ignore[method-assign]  # called in its place
    return writes


class Renamed(FaultyObjects):
    """An object store with another address."""

    @property
    def url(self) -> str:
        return "memory://elsewhere"


def interrupt(world: World, part: str, meanwhile: list[Callable[[], None]]) -> None:
    """Let things happen right after objects with this in their key are put."""
    assert isinstance(world.objects, MemoryObjects)
    put_new = world.objects.put_new

    def interrupted(key: str, body: bytes) -> bool:
        is_new = put_new(key, body)
        if part in key and meanwhile:
            meanwhile.pop(0)()
        return is_new

    world.objects.put_new = interrupted  # type: ignore[method-assign]  # called in its place
