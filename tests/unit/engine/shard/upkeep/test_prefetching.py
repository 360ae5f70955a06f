"""Bringing contexts up on hints: what is made, what is given up, and what comes of damage."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.engine.shard.test_pending import calling
from tests.unit.engine.shard.worlds import TENANT, World, key, message
from tierfold.config import TierSettings
from tierfold.engine.shard.keys import head_key
from tierfold.engine.shard.operations import (
    Items,
    Prefetch,
    Prefetched,
    ReadItems,
    ReadSince,
)
from tierfold.engine.working import SharedFolder
from tierfold.memory.prefetch import Evidence, SkipReason
from tierfold.ports import Family
from tierfold.storage.memory import MemoryKeyValues

DICE = random.Random(5)
WORDS = [f"{a}{b}" for a in ("ba", "ko", "mi") for b in ("rel", "tan", "vos", "dim")]
CHAT = [message(" ".join(DICE.choices(WORDS, k=60)) + f" {n}") for n in range(40)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(folder=SharedFolder(tmp_path / "l1", bytes_max=400 << 20))
    yield world
    world.shard.close()


def hint(world: World, *ids: str, **fields: object) -> Prefetched:
    operation = Prefetch(contexts=tuple(map(key, ids)), evidence=Evidence.ASKED_FOR)
    return world.get(replace(operation, **fields), Prefetched)  # type: ignore[arg-type]


def work(world: World) -> None:
    """Do what waits in the background."""
    world.clock.advance(1_000.0)
    while world.shard.upkeep.step(1e6):
        pass


def reason(said: Prefetched) -> SkipReason:
    (skipped,) = said.skipped
    return skipped.reason


def asked(world: World, id_: str, tokenizer: str = "o200k") -> Items:
    return world.get(ReadSince(context=key(id_), shared=tokenizer), Items)


def test_the_working_set_is_of_the_tokenizer_that_will_be_asked_with(world: World) -> None:
    """As the hint says, else as of the last question, else the usual one."""
    for id_ in ("said", "last", "new"):
        world.create(id_, CHAT)
    asked(world, "last", "cl100k")
    hint(world, "said", tokenizer="cl100k")
    hint(world, "last", "new")
    work(world)

    assert [asked(world, id_, "cl100k").tier for id_ in ("said", "last")] == ["L1", "L1"]
    assert asked(world, "new").tier == "L1"
    assert asked(world, "said").tier != "L1"


def test_a_large_context_is_made_in_a_process_of_its_own(world: World) -> None:
    """Upkeep only waits for it; it is on its way until then, and used by whoever asks."""
    world.create("large", [message(" ".join(DICE.choices(WORDS, k=20_000))) for _ in range(12)])
    assert hint(world, "large").accepted == ("large",)
    until_s = time.monotonic() + 60
    while hint(world, "large").ready != ("large",) and time.monotonic() < until_s:
        work(world)
        time.sleep(0.02)

    work(world)
    assert asked(world, "large").tier == "L1"
    figures = world.shard.upkeep.prefetching.figures()[Evidence.ASKED_FOR]
    assert (figures.batches, figures.used_keys) == (1, 1)


def test_what_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    """Its working set would be larger than L1: making it would cost much, and bring nothing."""
    world = World(
        tiers=TierSettings(l1_bytes_max=50_000),
        folder=SharedFolder(tmp_path / "l1", bytes_max=50_000),
    )
    world.create("a", CHAT)
    assert reason(hint(world, "a")) is SkipReason.NO_ROOM
    assert not world.shard.upkeep.prefetching.has_work()


def test_what_is_damaged_is_named_and_harms_no_other(world: World) -> None:
    """A hint asks for nothing that could fail; the question will say what is wrong."""
    assert isinstance(world.values, MemoryKeyValues)
    world.create("a", CHAT)
    world.create("b", CHAT)
    world.reopen()
    world.values.damage(Family.HEAD, head_key(TENANT, key("a").digest))
    said = hint(world, "a", "b", "c")

    assert said.accepted == ("b",)
    assert {each.id: each.reason for each in said.skipped} == {
        "a": SkipReason.DAMAGED,
        "c": SkipReason.UNKNOWN,
    }


def test_what_is_damaged_below_is_given_up(world: World) -> None:
    """Its bodies cannot be read: it is neither used nor wasted, and upkeep goes on."""
    assert isinstance(world.values, MemoryKeyValues)
    world.create("a", CHAT)
    world.create("b", CHAT[:20])
    for name, _ in list(world.values.scan(Family.BODY, b"")):
        world.values.damage(Family.BODY, name)
    assert hint(world, "a").accepted == ("a",)
    work(world)

    figures = world.shard.upkeep.prefetching.figures()[Evidence.ASKED_FOR]
    assert (figures.used_keys, figures.wasted_keys) == (0, 0)
    assert not world.shard.upkeep.prefetching.has_work()
    assert hint(world, "a").ready == ()


def test_a_change_while_it_is_made_is_not_missed(world: World) -> None:
    """What is made of an old version is made again, until the hint counts no more."""
    world.create("a", CHAT)
    hint(world, "a", deadline_ms=60_000.0)
    work(world)
    for n in range(3):
        world.append("a", message(f"one more {n}"))
        work(world)
        assert hint(world, "a").ready == ("a",)
    world.clock.advance(120_000.0)
    world.append("a", message("too late"))
    work(world)

    assert not world.shard.upkeep.prefetching.has_work()
    assert asked(world, "a").tier != "L1"
    figures = world.shard.upkeep.prefetching.figures()[Evidence.ASKED_FOR]
    assert (figures.used_keys, figures.wasted_keys) == (0, 1)


def test_what_went_down_before_it_was_asked_is_noticed(world: World) -> None:
    """It was brought up in vain, whether or not anybody asks later."""
    world.create("a", CHAT)
    world.create("b", CHAT)
    hint(world, "a")
    work(world)
    assert world.folder is not None
    world.folder.remove(key("a").digest)
    world.clock.advance(10_000.0)
    hint(world, "b")
    work(world)

    figures = world.shard.upkeep.prefetching.figures()[Evidence.ASKED_FOR]
    assert figures.wasted_keys == 1


def test_reads_of_single_items_are_no_use_of_a_working_set(world: World) -> None:
    """Only whoever could have mapped it counts."""
    world.create("a", CHAT)
    hint(world, "a")
    work(world)
    world.get(ReadItems(context=key("a"), start=0, stop=1), Items)

    figures = world.shard.upkeep.prefetching.figures()[Evidence.ASKED_FOR]
    assert (figures.used_keys, figures.wasted_keys) == (0, 0)


def test_a_pending_tool_call_keeps_a_context_above() -> None:
    """The row that calls tools is enough: whoever was read later goes down before it."""
    rows = {id_: [message(DICE.randbytes(8_000).hex()) for _ in range(4)] for id_ in "abc"}
    for is_calling in (False, True):
        world = World(tiers=TierSettings(l2_bytes_max=100_000, order="lru"))
        for id_, items in rows.items():
            world.create(id_, items)
            world.seal()
        world.shard.blocks.clear()
        for id_ in "ab":
            world.read(id_)
            work(world)
        world.append("a", calling() if is_calling else message("hello"))
        work(world)
        world.read("c")
        work(world)
        tiers = {id_: world.get(ReadItems(context=key(id_), stop=4), Items).tier for id_ in "ab"}
        world.shard.close()
        assert tiers == ({"a": "L2", "b": "L3"} if is_calling else {"a": "L3", "b": "L2"})
