"""A store in memory, an object store in memory, and a clock that is told: all that backups need."""

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.unit.engine.shard.worlds import Wall, message
from tierfold.config import Settings
from tierfold.context.identity import ID_RANDOM_BITS, ContextKey
from tierfold.context.manifest import Shape
from tierfold.context.segment import Item
from tierfold.context.stored import ContextInfo, about_segment
from tierfold.engine import FakeClock, backup
from tierfold.engine.backup import (
    BackupProgress,
    BackupReport,
    BackupWorld,
    RestoreOptions,
    RestoreReport,
    VerifyReport,
)
from tierfold.engine.contents import Contents
from tierfold.engine.driving import LocalDriver
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.verbs import Condition, Life, Verbs
from tierfold.engine.working import WorkingSets
from tierfold.errors import CorruptError
from tierfold.ports import KeyValues, Objects
from tierfold.replication import Placement
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

T = TypeVar("T")

TENANT = "acme"
START_MS = 1_700_000_000_000


@dataclass(slots=True)
class Bench:
    """One store, and the backups it has in an object store."""

    objects: Objects = field(default_factory=MemoryObjects)
    values: Sequence[KeyValues] = field(default_factory=lambda: [MemoryKeyValues()])
    wall: Wall = field(default_factory=lambda: Wall(START_MS))
    page_max: int = 3
    verbs: Verbs = field(init=False)
    driver: LocalDriver = field(init=False)
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        shards = [
            OpenShard(
                ShardParts(
                    values=each,
                    settings=Settings(),
                    wall=self.wall,
                    clock=FakeClock(),
                    dice=random.Random(1),
                )
            )
            for each in self.values
        ]
        names = [f"shard-{number}" for number in range(len(shards))]
        self.driver = LocalDriver(shards, Placement(names), lambda: None)
        self.verbs = Verbs(
            working_sets=WorkingSets(1 << 20),
            clock=FakeClock(),
            limits=Settings().limits,
            store_limits=Settings().store,
        )

    @property
    def world(self) -> BackupWorld:
        return self.world_of(TENANT)

    def world_of(self, source: str) -> BackupWorld:
        return BackupWorld(
            driver=self.driver,
            verbs=self.verbs,
            objects=self.objects,
            tenant=TENANT,
            source=source,
            wall=self.wall,
            clock=FakeClock(),
            random_bits=lambda: self.dice.getrandbits(ID_RANDOM_BITS),
            page_max=self.page_max,
        )

    def create(
        self,
        id_: str,
        *texts: str,
        title: str = "",
        ttl_ms: int = 0,
        pinned_until_ms: int = 0,
        items: Sequence[Item] = (),
    ) -> ContextInfo:
        contents = Contents(shape=Shape.MESSAGES, items=(*map(message, texts), *items))
        about = about_segment(title, {}, size_bytes_max=1000)
        life = Life(ttl_ms=ttl_ms, pinned_until_ms=pinned_until_ms)
        return self.driver.run(self.verbs.create(key(id_), contents, about=about, life=life)).info

    def append(self, id_: str, *texts: str) -> ContextInfo:
        contents = Contents(shape=Shape.MESSAGES, items=tuple(map(message, texts)))
        return self.driver.run(self.verbs.append(key(id_), contents)).info

    def replace(self, id_: str, *texts: str) -> ContextInfo:
        contents = Contents(shape=Shape.MESSAGES, items=tuple(map(message, texts)))
        return self.driver.run(self.verbs.replace(key(id_), contents, Condition())).info

    def delete(self, id_: str) -> None:
        self.driver.run(self.verbs.delete(key(id_)))

    def info(self, id_: str) -> ContextInfo:
        return self.driver.run(self.verbs.info(key(id_)))

    def contents(self) -> dict[str, tuple[bytes, ...]]:
        """Return all contexts with their bodies."""
        listed = self.driver.run(self.verbs.listing(TENANT, limit=100))
        return {info.id: self.bodies(info.id) for info in listed.contexts}

    def bodies(self, id_: str) -> tuple[bytes, ...]:
        return self.driver.run(self.verbs.items(key(id_))).bodies

    def heads(self) -> dict[str, tuple[Any, ...]]:
        """Return what is known of all contexts besides their items."""
        listed = self.driver.run(self.verbs.listing(TENANT, limit=100))
        return {
            info.id: (
                info.title,
                info.head.ttl_ms,
                info.head.created_ms,
                info.head.updated_ms,
                info.head.chain,
                info.head.pinned_until_ms,
                info.version,
            )
            for info in listed.contexts
        }

    def back_up(self, *, full: bool = False) -> BackupReport:
        self.wall.ms += 1000
        return done(backup.create(self.world, full=full))

    def restore(self, id_: str, **options: Any) -> RestoreReport:
        return done(backup.restore(self.world, id_, RestoreOptions(**options)))

    def verify(self, id_: str) -> VerifyReport:
        return done(backup.verify(self.world, id_))

    def verify_fails(self, id_: str) -> bool:
        """Whether a backup is damaged, somewhere or altogether."""
        try:
            return bool(self.verify(id_).damaged)
        except CorruptError:
            return True

    def object_keys(self, part: str = "") -> list[str]:
        return [key for key in self.objects.keys("") if part in key]


def key(id_: str) -> ContextKey:
    return ContextKey(TENANT, id_)


def done(steps: Generator[BackupProgress, None, T]) -> T:
    """Return what all steps come to."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
