import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.config import Settings, TierSettings
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Shape
from tierfold.engine.clock import MonotonicClock, UnixClock
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.operations import Create, GetInfo, GetTiers, Operation, Result
from tierfold.errors import ObjectStoreError, UnknownContextError
from tierfold.ports import Family
from tierfold.storage import open_objects
from tierfold.storage.faults import FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

WAIT_S_MAX = 10.0
CHAT = [message(f"sentence {n} of a talk") for n in range(100)]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket on a server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield "s3://bucket/folder"


def asked(shard: OpenShard, operation: Operation) -> Result:
    (result,) = shard.call([operation])
    return result


def until(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_S_MAX
    while not is_so() and time.monotonic() < end:
        time.sleep(0.01)
    return is_so()


def test_a_silent_object_store_holds_up_neither_upkeep_nor_the_end(silent: str) -> None:
    """Contexts expire and rows are sealed meanwhile, it is named, and closing takes no time."""
    objects = open_objects(silent, timeout_s=0.5)
    values = MemoryKeyValues()
    shard = OpenShard(
        ShardParts(
            values=values,
            settings=replace(Settings(), tiers=TierSettings(seal_age_ms=100)),
            wall=UnixClock(),
            clock=MonotonicClock(),
            dice=random.Random(1),
            objects=objects,
            has_search=False,
        )
    )
    shard.start()
    key = ContextKey(TENANT, "short")
    made = Create(context=key, shape=Shape.MESSAGES, items=tuple(CHAT), ttl_ms=300)
    asked(shard, made)
    asked(shard, replace(made, context=ContextKey(TENANT, "long"), ttl_ms=0))

    def problem() -> str:
        report = asked(shard, GetTiers())
        return report.object_store_problem  # type: ignore[union-attr]  # it is one

    assert until(lambda: isinstance(asked(shard, GetInfo(context=key)), UnknownContextError))
    assert until(lambda: next(values.scan(Family.BODY, b""), None) is None)
    assert until(lambda: "s3://bucket/folder: it does not answer" in problem())
    began = time.monotonic()
    shard.close()

    assert time.monotonic() - began < 2
    objects.close()


class Stuck(MemoryObjects):
    """An object store whose puts wait until they are let go, or it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def put_new(self, key: str, body: bytes) -> bool:
        self.begun.set()
        self.goes_on.wait(WAIT_S_MAX)
        return super().put_new(key, body)

    def close(self) -> None:
        self.goes_on.set()


def test_an_upload_that_waits_is_waited_for_by_nobody() -> None:
    """Steps of upkeep and reports go on, and it is finished when it can be."""
    stuck = Stuck()
    world = World(objects=stuck)
    world.put("a", CHAT)
    world.sealed()
    uploads = threading.Thread(target=world.upkeep.patient.step, args=(1.0,))
    uploads.start()
    assert stuck.begun.wait(WAIT_S_MAX)
    world.wall.ms += 60_000
    world.clock.advance(60_000)
    world.put("b", [message("another")])
    world.upkeep.step(1.0)
    world.upkeep.seal()
    assert world.upkeep.report().backlog_contexts == 2
    assert world.count(Family.BODY) == 0
    stuck.goes_on.set()
    uploads.join()

    assert world.upkeep.flush()
    assert world.audit() == []


def test_an_object_store_is_asked_before_there_is_something_to_put() -> None:
    """A wrong address shows at once, and not when the first rows are sealed."""
    objects = FaultyObjects(MemoryObjects())
    objects.is_down = True
    world = World(objects=objects)
    world.upkeep.patient.step(1.0)
    assert "down" in world.upkeep.report().object_store_problem
    assert world.upkeep.report().upkeep_problem == ""  # it is said once
    objects.is_down = False
    world.idle()

    assert world.upkeep.report().object_store_problem == ""
    assert world.upkeep.report().upkeep_problem == ""


class FullDisk(MemoryKeyValues):
    """A disk without room that notes how it is tidied."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.tidied: list[bool] = []
        self.failure: ObjectStoreError | None = None

    def has_room(self) -> bool:
        return not self.is_full

    def compact(self, *, deleted_only: bool = False) -> None:
        self.tidied.append(deleted_only)
        if self.failure is not None:
            raise self.failure


def test_a_disk_without_room_gets_back_what_was_deleted_at_once() -> None:
    """Nobody has to ask for it; where there is room it waits for its turn."""
    disk = FullDisk()
    world = World(values=disk, objects=None)
    world.put("a", CHAT)
    world.put("b", CHAT[:5])
    world.sealed()
    world.idle(5_000)
    assert disk.tidied == []
    world.delete("a")
    disk.is_full = True
    world.idle(5_000)
    assert world.count(Family.BLOCK) == 1
    world.idle(5_000)
    tidied = len(disk.tidied)
    assert tidied
    assert all(disk.tidied)
    world.idle(5_000)

    assert len(disk.tidied) == tidied
    assert world.read("b") == [each.segment.body for each in CHAT[:5]]


def test_a_disk_that_could_not_be_tidied_is_tidied_again() -> None:
    """What was deleted is not forgotten with a failure, which is named."""
    disk = FullDisk()
    disk.is_full = True
    disk.failure = ObjectStoreError(url="disk", problem="as told")
    world = World(values=disk, objects=None)
    world.idle(5_000)
    assert "give back: " in world.upkeep.report().upkeep_problem
    disk.failure = None
    world.idle(5_000)

    assert len(disk.tidied) == 2
    assert world.upkeep.report().upkeep_problem == ""


def test_mapped_working_sets_of_the_dead_are_swept_when_a_shard_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever store of the same user is opened next."""
    from tierfold.engine.shard import opening  # noqa: PLC0415  # patched below

    monkeypatch.setattr(opening, "_SHARED_MEMORY", tmp_path)
    left = tmp_path / f"{opening._shared_prefix()}0123"  # noqa: SLF001  # as they are named
    left.mkdir(mode=0o700)
    home = opening.ShardHome(store=str(tmp_path / "s"), name="shard-00", shards=1, objects="none")
    shard = opening.open_shard(home, settings=Settings())
    other = replace(home, store=str(tmp_path / "t"))
    second = opening.open_shard(other, settings=Settings())

    assert not left.exists()
    assert home.shared_folder.is_dir()
    shard.close()
    second.close()
    assert not home.shared_folder.exists()
