"""A gateway on a store of its own: real shards in memory, the real engine, no server and no Ray."""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.unit.actors.fakes import FakeWorker, talk_to
from tierfold.config import Limits, Settings, StoreLimits
from tierfold.engine import MonotonicClock
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.operations import Operation, Result
from tierfold.engine.working import SharedFolder
from tierfold.ports import KeyValues, Objects
from tierfold.storage import MemoryKeyValues
from tierfold_actors.answering import Answering
from tierfold_actors.default_answering import default_answering
from tierfold_actors.desk import Desk, StoreDesk
from tierfold_actors.gateway import create_api
from tierfold_actors.keys import Keyring
from tierfold_actors.links import AsyncShardLink, Sends
from tierfold_actors.store_desk import store_desk
from tierfold_actors.store_plan import StorePlan
from tierfold_actors.work import Work, WorkLimits, body_ledgers

INLINE_BYTES_MAX = 64 * 1024
SETTINGS = Settings(
    limits=Limits(body_bytes_max=1024 * 1024, inline_body_bytes_max=INLINE_BYTES_MAX),
    store=StoreLimits(item_bytes_max=512 * 1024, session_age_ms_max=1000.0, page_bytes_max=300_000),
)


@dataclass
class Told:
    """Wall-clock time that moves only when told to."""

    now_ms: int = 1_000_000

    def unix_ms(self) -> int:
        return self.now_ms


@dataclass
class MemoryShard:
    """A shard in this process, asked as an actor is: whole calls, one at a time, in a thread."""

    values: KeyValues = field(default_factory=MemoryKeyValues)
    wall: Told = field(default_factory=Told)
    calls: list[tuple[Operation, ...]] = field(default_factory=list)
    folder: SharedFolder | None = None
    objects: Objects | None = None
    before: Callable[[tuple[Operation, ...]], Any] | None = None  # awaited ahead of each call

    def __post_init__(self) -> None:
        self.shard = OpenShard(
            ShardParts(
                values=self.values,
                settings=SETTINGS,
                wall=self.wall,
                clock=MonotonicClock(),
                dice=random.Random(3),
                folder=self.folder,
                objects=self.objects,
            )
        )

    async def send(self, operations: tuple[Operation, ...]) -> list[Result]:
        self.calls.append(operations)
        if self.before is not None:
            await self.before(operations)
        return await asyncio.to_thread(self.shard.call, operations)

    def link(self) -> AsyncShardLink:
        sends = Sends(read=self.send, write=self.send, maintain=self.send)
        return AsyncShardLink(sends, pauses_s=(0.0,))


@functools.cache
def warm_answering() -> Answering:
    """Return one for all: warming it takes longer than a test."""
    return default_answering()


@dataclass
class StoreBench:
    """A gateway and everything behind it."""

    shards: Sequence[MemoryShard] = field(default_factory=lambda: [MemoryShard()])
    keyring: Keyring = field(default_factory=lambda: Keyring(None))
    answering: Answering = field(default_factory=warm_answering)
    pool_cpu_ms_max: float = 1e6  # below it what is built takes a process, which is to be closed

    def __post_init__(self) -> None:
        limits = WorkLimits(
            inline_body_bytes_max=INLINE_BYTES_MAX, pool_cpu_ms_max=self.pool_cpu_ms_max
        )
        self.worker = FakeWorker(self.answering)
        self.work = Work(self.answering, self.worker, limits)
        plan = StorePlan(path="/store", objects="", shards=len(self.shards))
        links = [shard.link() for shard in self.shards]
        self.store: StoreDesk = store_desk(plan, links, self.work, SETTINGS)
        self.desk = Desk(
            work=self.work,
            ledgers=body_ledgers(limits, SETTINGS.limits),
            keyring=self.keyring,
            clock=MonotonicClock(),
            settings=SETTINGS,
            version="1.2.3",
            store=self.store,
        )

    @property
    def operations(self) -> list[Operation]:
        """Everything the shards were asked."""
        return [each for shard in self.shards for call in shard.calls for each in call]

    @property
    def has_files(self) -> bool:
        """Whether some shard has a working set in L1."""
        return any(any(shard.folder.files()) for shard in self.shards if shard.folder)

    @asynccontextmanager
    async def client(self, key: str = "") -> AsyncIterator[httpx.AsyncClient]:
        async with talk_to(create_api(self.desk)) as client:
            if key:
                client.headers["authorization"] = f"Bearer {key}"
            yield client
