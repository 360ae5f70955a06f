from collections.abc import Generator
from typing import Any, TypeVar

import pytest

from tests.unit.engine.shard.worlds import World, key, message
from tierfold.config import Limits, StoreLimits
from tierfold.context.manifest import Shape
from tierfold.context.segment import Item
from tierfold.context.stored import about_segment
from tierfold.engine.contents import Contents
from tierfold.engine.driving import run
from tierfold.engine.shard.operations import Create, GetVersion, Replace
from tierfold.engine.verbs import SESSION, Ask, Compute, Freshness, Life, Step, Verbs
from tierfold.engine.working import WorkingSets
from tierfold.errors import ContextExistsError, OverloadError, UnknownContextError
from tierfold.replication import Placement

A = key("a")
ANY = Freshness(consistency="any")
ONE, TWO, THREE = (message(f"sentence {n}") for n in range(3))

T = TypeVar("T")


class Process:
    """A process with working sets of its own on a shard that others use too."""

    def __init__(self, world: World, **limits: int) -> None:
        self.world = world
        self.verbs = Verbs(
            working_sets=WorkingSets(1 << 30),
            clock=world.clock,
            limits=Limits(**limits),
            store_limits=StoreLimits(),
            wall=world.wall,
        )

    def run(self, steps: Generator[Step, Any, T]) -> T:
        return run(steps, [self.world.shard], Placement(["shard-00"]))

    def asked(self, step: Step) -> Any:
        """Carry out one step of a verb that a test drives itself."""
        assert isinstance(step, Ask)
        return self.world.ask(step.operation)

    def create(self, *items: Item, ttl_ms: int = 0) -> None:
        self.run(self.verbs.create(A, chat(*items), life=Life(ttl_ms=ttl_ms)))

    def append(self, *items: Item) -> None:
        self.run(self.verbs.append(A, chat(*items)))

    def replace(self, *items: Item) -> None:
        self.run(self.verbs.replace(A, chat(*items)))

    def items(self, freshness: Freshness = SESSION) -> int:
        """Return how many items a question is answered from."""
        loaded, _ = self.run(self.verbs.working(A, "o200k", freshness))
        return loaded.items


def chat(*items: Item) -> Contents:
    return Contents(shape=Shape.MESSAGES, items=items)


def test_a_session_sees_every_change_made_from_here() -> None:
    """A list written anew and a new title too, which no working set is extended by."""
    process = Process(World())
    process.create(ONE, TWO)
    assert process.items() == 2
    process.replace(TWO)
    assert process.items() == 1
    process.run(process.verbs.delete(A))
    process.create(ONE, TWO, THREE)
    assert process.items() == 3


def test_a_session_may_be_a_second_behind_changes_made_elsewhere() -> None:
    """No longer than that; `latest` never is, `any` always may."""
    world = World()
    here, there = Process(world), Process(world)
    here.create(ONE)
    here.items()
    there.append(TWO)
    assert here.items() == here.items(ANY) == 1
    assert here.items(Freshness(version_seen=2)) == 2
    there.append(THREE)
    assert here.items(Freshness(consistency="latest")) == 3
    there.append(THREE)
    world.clock.advance(StoreLimits().session_age_ms_max)
    assert here.items(ANY) == 3
    assert here.items() == 4


def test_a_read_that_is_overtaken_by_a_change_is_looked_at_again() -> None:
    """What was read before the change and is held after it answers no question unasked."""
    process = Process(World())
    process.create(ONE)
    reading = process.verbs.working(A, "o200k")
    found = process.asked(next(reading))
    process.append(TWO)
    computing = reading.send(found)
    with pytest.raises(StopIteration):
        reading.send(computing.here())  # type: ignore[union-attr]
    assert process.items(ANY) == 1
    assert process.items() == 2


def test_a_read_that_is_overtaken_by_a_deletion_is_looked_at_again() -> None:
    """However large its version: one that is made again begins at 1."""
    process = Process(World())
    process.create(ONE)
    process.append(TWO)
    reading = process.verbs.working(A, "o200k")
    found = process.asked(next(reading))
    process.run(process.verbs.delete(A))
    computing = reading.send(found)
    with pytest.raises(StopIteration):
        reading.send(computing.here())  # type: ignore[union-attr]
    with pytest.raises(UnknownContextError):
        process.items()
    process.create(THREE)
    assert process.items() == 1


def test_of_two_appends_at_once_the_later_one_is_seen() -> None:
    """Whoever is answered first: the first append never hides the second from who made that."""
    process = Process(World())
    process.create(ONE)
    process.items()
    first, second = (process.verbs.append(A, chat(one)) for one in (TWO, THREE))
    made = [process.asked(next(each)) for each in (first, second)]
    with pytest.raises(StopIteration):
        second.send(made[1])
    computing = first.send(made[0])
    with pytest.raises(StopIteration):
        first.send(computing.work())  # type: ignore[union-attr]
    assert process.items() == 3


def test_an_append_is_answered_from_what_was_held() -> None:
    """What this process has appended itself costs no question to home."""
    process = Process(World())
    process.create(ONE)
    process.items()
    process.append(TWO)
    asking = process.verbs.working(A, "o200k")
    with pytest.raises(StopIteration) as end:
        next(asking)
    loaded, account = end.value.value
    assert (loaded.items, account.tier) == (2, "L0")


def test_what_has_ended_answers_no_question() -> None:
    """Its time is over for what is held in memory too, however old an answer may be."""
    world = World()
    process = Process(world)
    process.create(ONE, ttl_ms=1000)
    assert process.items(ANY) == 1
    world.wall.ms += 1000
    with pytest.raises(UnknownContextError):
        process.items(ANY)


def test_an_empty_context_made_again_in_another_shape_is_read_anew() -> None:
    """Nothing is the beginning of everything: no working set of one shape grows into another."""
    world = World()
    here, there = Process(world), Process(world)
    here.create()
    assert here.items() == 0
    there.run(there.verbs.delete(A))
    world.create("a", [ONE], shape=Shape.PARTS)
    world.delete("a")
    there.run(there.verbs.create(A, chat(ONE)))
    assert here.items(Freshness(consistency="latest")) == 1


def test_a_context_made_again_with_the_same_items_is_another() -> None:
    """Its version and its items are as before; its title and its life are not."""
    world = World()
    here, there = Process(world), Process(world)

    def made(title: str) -> tuple[str, int]:
        """Make it anew; returns what a question finds."""
        said = about_segment(title, {}, size_bytes_max=100)
        there.run(there.verbs.create(A, chat(ONE), about=said))
        latest = Freshness(consistency="latest")
        loaded, _ = here.run(here.verbs.working(A, "o200k", latest))
        there.run(there.verbs.delete(A))
        return loaded.info.about.title, loaded.info.head.created_ms

    begun_ms = world.wall.ms
    found = [made("first"), made("second")]
    world.wall.ms += 5
    found.append(made("second"))

    assert found == [("first", begun_ms), ("second", begun_ms), ("second", begun_ms + 5)]


def test_an_append_that_was_stored_never_fails_afterwards() -> None:
    """Where what is held cannot be extended, it is read anew when somebody asks."""
    process = Process(World(), messages_max=2)
    process.create(ONE, TWO)
    assert process.items() == 2
    process.append(THREE)
    assert process.world.read("a")[2:] == [THREE.segment.body]
    assert len(process.verbs.working_sets) == 0


def test_put_looks_again_where_others_make_or_delete_the_context() -> None:
    """The first put of two writers is no conflict, and one after a deletion makes it anew."""
    process = Process(World())
    steps = process.verbs.replace(A, chat(ONE))
    kinds = [_operation(next(steps))]
    kinds.append(_operation(steps.throw(UnknownContextError("a"))))
    kinds.append(_operation(steps.throw(ContextExistsError("a"))))
    process.create(ONE, TWO)
    compared = steps.send(process.world.ask(GetVersion(context=A)))
    assert isinstance(compared, Compute)
    kinds.append(_operation(steps.send(compared.work())))
    kinds.append(_operation(steps.throw(UnknownContextError("a"))))
    assert kinds == [GetVersion, Create, GetVersion, Replace, GetVersion]


def test_put_does_not_look_for_ever() -> None:
    """Where the context is made and deleted all the time, the caller is asked to come again."""
    process = Process(World())
    steps = process.verbs.replace(A, chat(ONE))
    looked = next(steps)
    with pytest.raises(OverloadError):
        _look_in_vain(steps, looked)


def _look_in_vain(steps: Generator[Step, Any, Any], looked: Step) -> None:
    """Let somebody delete the context before each look, and make it before each change."""
    for _ in range(20):
        assert _operation(looked) is GetVersion
        assert _operation(steps.throw(UnknownContextError("a"))) is Create
        looked = steps.throw(ContextExistsError("a"))


def _operation(step: Step) -> type:
    assert isinstance(step, Ask)
    return type(step.operation)
