import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

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
from tierfold.context.manifest import Shape
from tierfold.context.segment import SegmentKind, item
from tierfold.context.stored import about_segment
from tierfold.engine.shard.keys import block_key, block_stub, head_key, split_tenant
from tierfold.engine.shard.making import ROUNDS_MAX
from tierfold.engine.shard.operations import (
    Append,
    Changed,
    Changing,
    Create,
    Delete,
    Deleted,
    GetInfo,
    Patch,
)
from tierfold.errors import (
    CorruptError,
    ObjectStoreError,
    OverloadError,
    UnknownContextError,
    VersionConflictError,
)
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

CHAT = [message(f"sentence {n}") for n in range(300)]
LARGE = item(SegmentKind.MESSAGE, b'{"content":"' + bytes(range(32, 127)) * 2000 + b'"}')
LISTED = [LARGE, *CHAT[:130]]
ABOUT = about_segment("A trip", {}, size_bytes_max=1000)
NEW_ABOUT = about_segment("Another", {}, size_bytes_max=1000)
MESSAGES = Shape.MESSAGES


@dataclass
class Remote:
    """A shard of which L4 alone has every block, and somebody to do something at each L4 call."""

    during: list[Callable[[], object]] = field(default_factory=list)  # one for each call
    held_up: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects = FaultyObjects(MemoryObjects(), pause=self._called)
        self.world = World(objects=self.objects)

    def _called(self, _: float) -> None:
        if self.during:
            self.during.pop(0)()

    def evict(self) -> None:
        """Leave nothing of any block on the disk or in memory."""
        self.objects.call_ms = 0.0
        assert self.world.shard.upkeep.flush()
        stubs = Batch()
        for found, _ in self.world.values.scan(Family.META, b"4"):
            tenant, rest = split_tenant(found[1:])
            number = int.from_bytes(rest[16:], "big")
            stubs.put(Family.BLOCK, block_key(tenant, number), block_stub(rest[:16]))
        self.world.values.write(stubs)
        self.world.shard.blocks.clear()
        self.objects.call_ms = 1.0


def is_held_up(world: World) -> bool:
    """Whether somebody else cannot write now."""
    other = threading.Thread(target=world.append, args=("other",), daemon=True)
    other.start()
    other.join(timeout=2)
    return other.is_alive()


def remote(*during: Callable[[], object]) -> Remote:
    """Return a shard with one long context, two short ones, and one that ends in a moment."""
    made = Remote()
    made.world.create("a", LISTED, about=ABOUT, keyed=keyed(b"make"))
    made.world.create("b", CHAT[:1])
    made.world.create("other")
    made.world.create("ended", LISTED, ttl_ms=1)
    made.evict()
    made.world.reopen()
    made.during = list(during)
    return made


CHANGES: list[Changing] = [
    Append(context=key("a"), shape=MESSAGES, items=tuple(CHAT[200:264])),
    replacing("a", [*LISTED, *CHAT[200:264]], sent=CHAT[200:264]),  # longer: takes the spine
    replacing("a", [*LISTED, CHAT[5]]),  # longer by an item that is stored
    replacing("a", [CHAT[3], LARGE, CHAT[299]], sent=[CHAT[299]]),
    replacing("b", [LARGE, *CHAT[20:40]]),  # of items another context has
    Patch(context=key("a"), ttl_ms=9_000),
    Patch(context=key("a"), about=NEW_ABOUT),
    Create(context=key("a"), shape=MESSAGES, items=(CHAT[0],), keyed=keyed(b"make")),
    Create(context=key("ended"), shape=MESSAGES, items=(CHAT[0],)),
    Delete(context=key("a")),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_slow_object_store_holds_up_nobody_else(change: Changing) -> None:
    """Whatever a change has to read from L4, others write meanwhile: its round has not begun."""
    made = remote()
    made.during = [lambda: made.held_up.append(is_held_up(made.world))] * 1000
    made.world.wall.ms += 1
    made.world.get(change, Deleted if isinstance(change, Delete) else Changed)

    assert made.held_up
    assert not any(made.held_up)


def test_a_change_of_another_state_than_it_was_prepared_for_is_made_all_the_same() -> None:
    """What L4 alone has by then is fetched outside of the round, and the step comes again."""

    def rewrite() -> None:
        made.during = []
        made.world.replace("a", [CHAT[7], LARGE, *CHAT[100:280]])
        made.evict()
        made.during = [lambda: made.held_up.append(is_held_up(made.world))] * 1000

    made = remote(rewrite)
    made.world.replace("a", [LARGE, *CHAT[50:60]])

    assert made.held_up
    assert not any(made.held_up)
    assert made.world.read("a") == [body_of(each) for each in [LARGE, *CHAT[50:60]]]
    assert made.world.references("a") == made.world.reachable("a", [*CHAT, LARGE], ABOUT)
    assert [each for each in made.world.findings() if "a block that no context" not in each] == []


def test_a_context_that_changes_all_the_time_is_given_up() -> None:
    """Trying has an end, and the caller is told to come again; nothing is half made."""
    moves = iter(range(100))

    def rewrite() -> None:
        calm, made.during = made.during, []
        made.world.replace("a", [LARGE, *CHAT[next(moves) : 280]])
        made.evict()
        made.during = calm

    made = remote(*[rewrite] * 100)
    failed, made_too = made.world.shard.call(
        [Delete(context=key("a")), Append(context=key("b"), shape=MESSAGES, items=())]
    )

    assert isinstance(failed, OverloadError)
    assert isinstance(made_too, Changed)
    assert next(moves) >= ROUNDS_MAX
    made.during = []
    assert made.world.references("a") == made.world.reachable("a", [*CHAT, LARGE], ABOUT)


def test_changes_of_one_context_keep_their_order_when_one_is_given_up() -> None:
    """What a caller sends in one call is made in that order, or the list would be another."""

    def rewrite() -> None:
        made.during = []
        made.world.replace("a", [LARGE, *CHAT[50:280]])
        made.evict()

    made = remote(rewrite)
    added = Append(context=key("a"), shape=MESSAGES, items=(CHAT[9],))
    listed = replacing("a", [LARGE, *CHAT[50:60]])
    first, other, last = made.world.shard.call([listed, replace(added, context=key("b")), added])

    assert [type(each) for each in (first, other, last)] == [Changed] * 3
    assert made.world.read("a") == [body_of(each) for each in [LARGE, *CHAT[50:60], CHAT[9]]]


def test_an_object_store_that_is_down_fails_only_what_needs_it() -> None:
    """The error says why; a deletion does without, and a condition is looked at first."""
    made = remote()
    made.objects.is_down = True
    made.world.fails(CHANGES[0], ObjectStoreError)
    made.world.fails(CHANGES[4], ObjectStoreError)
    made.world.append("b", CHAT[1])
    made.world.delete("a")

    assert made.world.references("a") == set()
    made.world.wall.ms += 1
    made.world.fails(Append(context=key("ended"), shape=MESSAGES, items=()), UnknownContextError)
    made.world.fails(Delete(context=key("b"), if_version=9), VersionConflictError)


@pytest.mark.parametrize("change", [CHANGES[0], CHANGES[4], CHANGES[5]])
def test_what_l4_has_damaged_is_named(change: Changing) -> None:
    """It is looked for twice, in case it has been written anew, and then the error is told."""
    made = remote()
    made.objects.damaged = set(made.objects.keys(""))

    assert "L4 has other bytes" in made.world.fails(change, CorruptError).problem


def test_a_damaged_block_is_fetched_outside_of_a_round_and_mended() -> None:
    """Damage on this disk is what L4 is for; no writer waits for that either."""
    made = Remote()
    made.world.create("a", LISTED, about=ABOUT)
    assert made.world.shard.upkeep.flush()
    made.world.reopen()
    values = made.world.values
    assert isinstance(values, MemoryKeyValues)
    for at, _ in list(values.scan(Family.BLOCK, b"")):
        values.damage(Family.BLOCK, at)
    for id_ in ("b", "other"):
        made.world.create(id_)
    made.objects.call_ms = 1.0
    made.during = [lambda: made.held_up.append(is_held_up(made.world))] * 1000
    made.world.get(replacing("b", LISTED), Changed)
    made.world.get(Patch(context=key("a"), ttl_ms=9_000), Changed)
    made.world.append("a", *CHAT[200:264])

    assert made.held_up
    assert not any(made.held_up)
    assert made.world.read("b") == [body_of(each) for each in LISTED]
    assert made.world.findings() == []


def test_a_head_that_is_damaged_between_preparation_and_round_is_no_hindrance() -> None:
    """The deletion was prepared by its head; without one it is prepared anew."""

    def damage() -> None:
        values = made.world.values
        assert isinstance(values, MemoryKeyValues)
        values.damage(Family.HEAD, head_key(TENANT, key("a").digest))

    made = remote(damage)
    made.world.delete("a")

    made.world.fails(GetInfo(context=key("a")), UnknownContextError)
    assert made.world.references("a") == set()
