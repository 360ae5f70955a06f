import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.engine.shard.upkeep.worlds import Wall, message
from tierfold.config import Settings, TierSettings
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Shape
from tierfold.context.segment import Item, joined
from tierfold.context.stored import about_segment
from tierfold.engine.clock import FakeClock, MonotonicClock
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.operations import (
    Append,
    Audit,
    AuditReport,
    Compact,
    Create,
    Delete,
    Done,
    GetTiers,
    Items,
    Operation,
    Patch,
    ReadItems,
    ReadSince,
    Replace,
    Result,
    TiersReport,
)
from tierfold.engine.shard.upkeep.restoring import restore
from tierfold.engine.working import SharedFolder
from tierfold.errors import (
    ObjectStoreError,
    StorageFullError,
    TierfoldError,
    UnknownContextError,
)
from tierfold.ports import Family
from tierfold.storage.faults import FaultyKeyValues, FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

TENANTS = ("acme", "other")
IDS = ("a", "b", "c", "d")
TIERS = TierSettings(
    seal_bytes=4_000,
    seal_age_ms=5_000,
    l1_bytes_max=200_000,
    l2_bytes_max=20_000,
    l3_bytes_max=60_000,
)
STEPS = 250
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


class Simulation:
    """Callers, a clock, faults and upkeep, in an order that one seed decides."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice = random.Random(seed)
        self.inner = MemoryObjects()
        self.objects = FaultyObjects(self.inner)
        self.memory = MemoryKeyValues()
        self.values = FaultyKeyValues(self.memory)
        self.wall, self.clock = Wall(), FakeClock()
        self.folder = SharedFolder(folder, bytes_max=TIERS.l1_bytes_max)
        self.model: dict[ContextKey, list[Item]] = {}
        self.ttl_ms: dict[ContextKey, int] = {}
        self.until: dict[ContextKey, int] = {}  # when contexts end; 0 is never
        self.pool = [self._item(n) for n in range(6)]
        self.shard = self._opened()

    def _opened(self) -> OpenShard:
        shard = OpenShard(
            ShardParts(
                values=self.values,
                settings=Settings(tiers=TIERS),
                wall=self.wall,
                clock=self.clock,
                dice=random.Random(9),
                objects=self.objects,
                folder=self.folder,
                is_cpu_pressed=lambda: self.dice.random() < 0.2,
            )
        )
        shard.upkeep.begin()
        return shard

    def _item(self, number: int) -> Item:
        size = 30_000 if number % 20 == 0 else self.dice.randrange(1, 60)
        words = self.dice.choices(WORDS, k=size)
        return message(f"{number} {' '.join(words)}")

    def call(self, operation: Operation) -> Result:
        """Return the result of one operation."""
        (result,) = self.shard.call([operation])
        return result

    def change(self) -> None:
        """Change a context; the model changes when it was acknowledged, and only then."""
        key = ContextKey(self.dice.choice(TENANTS), self.dice.choice(IDS))
        self._forget_expired()
        items = self.dice.choices(self.pool, k=self.dice.choice((0, 1, 1, 2, 5, 90)))
        old = self.model.get(key)
        kind = self.dice.choice(("append", "append", "replace", "delete", "patch"))
        if old is None:
            kind, ttl_ms = "create", self.dice.choice((0, 0, 40_000))
            operation: Operation = self._create(key, items, ttl_ms)
            new = items
            self.ttl_ms[key] = ttl_ms
        else:
            operation, new = self._changing(kind, key, old, items)
        result = self.call(operation)
        if isinstance(result, TierfoldError):
            assert isinstance(result, (StorageFullError, ObjectStoreError))
            return
        if kind == "delete":
            del self.model[key]
        else:
            self.model[key] = new
            self.until[key] = self.wall.ms + self.ttl_ms[key] if self.ttl_ms[key] else 0

    def _create(self, key: ContextKey, items: Sequence[Item], ttl_ms: int) -> Create:
        about = about_segment(f"about {key.id}", {}, size_bytes_max=1000)
        return Create(
            context=key, shape=Shape.MESSAGES, items=tuple(items), about=about, ttl_ms=ttl_ms
        )

    def _changing(
        self, kind: str, key: ContextKey, old: list[Item], items: list[Item]
    ) -> tuple[Operation, list[Item]]:
        match kind:
            case "append":
                added = Append(context=key, shape=Shape.MESSAGES, items=tuple(items))
                return added, [*old, *items]
            case "replace":
                new = [*old[: self.dice.randrange(len(old) + 1)], *items]
                whole = Replace(
                    context=key,
                    shape=Shape.MESSAGES,
                    names=tuple(each.segment.name for each in new),
                    items=tuple(new),
                    size_bytes=sum(each.size_bytes for each in new),
                )
                return whole, new
            case "patch":
                about = about_segment(f"v{len(items)}", {}, size_bytes_max=1000)
                return Patch(context=key, about=about), old
            case _:
                return Delete(context=key), old

    def _forget_expired(self) -> None:
        for key, until in list(self.until.items()):
            if until and until <= self.wall.ms and key in self.model:
                del self.model[key]

    def fault(self) -> None:
        """Let something fail, or work again."""
        self.objects.is_down = self.dice.random() < 0.4
        self.objects.answers_lost = self.dice.choice((0, 0, 1, 2))
        self.values.room_bytes = 0 if self.dice.random() < 0.2 else None

    def upkeep(self) -> None:
        """Let time pass and some upkeep be done."""
        ms = self.dice.choice((100, 1000, 6_000, 70_000))
        self.wall.ms += ms
        self.clock.advance(ms)
        self.shard.upkeep.step(0.5)
        self.shard.upkeep.patient.step(0.5)

    def read(self) -> None:
        """Read a context, as one who could map it does."""
        self._forget_expired()
        key = ContextKey(self.dice.choice(TENANTS), self.dice.choice(IDS))
        result = self.call(ReadSince(context=key, shared="o200k"))
        if isinstance(result, ObjectStoreError) and self.objects.is_down:
            return
        if key not in self.model:
            assert isinstance(result, UnknownContextError)
        else:
            assert isinstance(result, Items), result
            assert result.shared or list(result.bodies) == bodies_of(self.model[key])

    def compact(self) -> None:
        """Ask for compaction, whatever fails just now."""
        result = self.call(Compact())
        assert isinstance(result, (Done, StorageFullError)), result

    def restart(self) -> None:
        """Stop as a crash would, and begin anew."""
        self.shard = self._opened()

    def run(self, steps: int) -> None:
        """Do so many things."""
        things = [self.change] * 8 + [self.upkeep] * 4 + [self.read] * 4 + [self.compact]
        for _ in range(steps):
            self.dice.choice((*things, self.fault, *((self.restart,) if self.is_up() else ())))()

    def is_up(self) -> bool:
        """Whether nothing is failing just now."""
        return not self.objects.is_down and self.values.room_bytes is None

    def heal(self) -> None:
        """Let nothing fail any more."""
        self.objects.is_down = False
        self.objects.answers_lost = 0
        self.values.room_bytes = None
        self.wall.ms += 120_000
        self.clock.advance(120_000)

    def check(self) -> None:
        """Hold everything against the model."""
        self._forget_expired()
        for key, items in self.model.items():
            result = self.call(ReadItems(context=key))
            assert isinstance(result, Items), result
            assert list(result.bodies) == bodies_of(items)
        report = self.call(Audit())
        assert isinstance(report, AuditReport)
        assert report.findings == ()


def bodies_of(items: Sequence[Item]) -> list[bytes]:
    """Return the whole bodies of items."""
    return [
        joined([piece.body for piece in each.pieces]) if each.pieces else each.segment.body
        for each in items
    ]


@pytest.mark.parametrize("seed", range(6))
def test_upkeep_changes_no_content_and_leaves_nothing_behind(seed: int, tmp_path: Path) -> None:
    """Whatever order changes, upkeep, faults and restarts come in: contents are right, the audit
    is clean, L4 alone can bring all of it back, and what is deleted is gone from every tier."""
    simulation = Simulation(seed, tmp_path / "l1")
    simulation.run(STEPS)
    simulation.heal()
    simulation.call(Compact())
    simulation.check()
    tiers = simulation.call(GetTiers())
    assert isinstance(tiers, TiersReport)
    assert (tiers.backlog_blocks, tiers.backlog_contexts) == (0, 0)
    assert tiers.contexts == len(simulation.model)
    restored = MemoryKeyValues()
    assert restore(simulation.inner, restored).problems == []
    heads = list(simulation.memory.scan(Family.HEAD, b""))
    assert list(restored.scan(Family.HEAD, b"")) == heads

    for key in list(simulation.model):
        simulation.call(Delete(context=key))
    for _ in range(3):
        simulation.heal()
        simulation.call(Compact())
        simulation.upkeep()
    left = {family for family in Family if list(simulation.memory.scan(family, b""))}
    assert left - {Family.SEARCH} == {Family.META}  # the index is upkept by itself
    assert list(simulation.memory.scan(Family.META, b"4")) == []
    assert list(simulation.inner.keys("")) == []
    assert list((tmp_path / "l1").iterdir()) == []
    assert len(simulation.shard.blocks) == 0


def test_callers_and_upkeep_work_at_the_same_time(tmp_path: Path) -> None:
    """With threads that append, replace, read and delete, upkeep still changes no content."""
    shard = OpenShard(
        ShardParts(
            values=MemoryKeyValues(),
            settings=Settings(tiers=replace(TIERS, seal_age_ms=10, l3_bytes_max=None)),
            wall=Ticking(),
            clock=MonotonicClock(),
            dice=random.Random(1),
            objects=MemoryObjects(),
            folder=SharedFolder(tmp_path / "l1", bytes_max=200_000),
        )
    )
    shard.start()
    until = time.monotonic() + 1.5
    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(talk, shard, f"c{n}", until) for n in range(4)]
        while not all(caller.done() for caller in callers):
            shard.call([Compact()])
            time.sleep(0.05)
        said = [caller.result() for caller in callers]
    for n, items in enumerate(said):
        (result,) = shard.call([ReadItems(context=ContextKey("acme", f"c{n}"))])
        assert isinstance(result, Items)
        assert list(result.bodies) == bodies_of(items)
    shard.call([Compact()])  # what was left behind since the last one is no damage
    (report,) = shard.call([Audit()])
    shard.close()
    assert isinstance(report, AuditReport)
    assert report.findings == ()


class Ticking:
    """Time that passes a hundred times as fast."""

    def unix_ms(self) -> int:
        return int(time.monotonic() * 100_000)


def talk(shard: OpenShard, identity: str, until: float) -> list[Item]:
    """Change one context for a while, with words that all share; returns what it holds then."""
    key = ContextKey("acme", identity)
    dice = random.Random(identity)
    items: list[Item] = []
    shard.call([Create(context=key, shape=Shape.MESSAGES)])
    while time.monotonic() < until:
        added = tuple(message(f"line {dice.randrange(300)} of a talk") for _ in range(5))
        if len(items) > 120:
            shard.call([Delete(context=key), Create(context=key, shape=Shape.MESSAGES)])
            items = []
        (result,) = shard.call([Append(context=key, shape=Shape.MESSAGES, items=added)])
        assert not isinstance(result, TierfoldError), result
        items += added
        (read,) = shard.call([ReadItems(context=key)])
        assert isinstance(read, Items), read
        assert list(read.bodies) == bodies_of(items)
    return items
