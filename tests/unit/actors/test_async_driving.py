import inspect
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tierfold.context.identity import ContextKey
from tierfold.engine.shard.operations import (
    Deleted,
    Done,
    GetInfo,
    GetTiers,
    Operation,
    Result,
)
from tierfold.engine.verbs import Ask, AskAll, Build, Compute, Step
from tierfold.errors import OverloadError, TierfoldError, UnknownContextError
from tierfold.replication import Placement
from tierfold_actors.async_driving import AsyncDriver

KEY = ContextKey("local", "trip")
PLACEMENT = Placement(["shard-00", "shard-01"])


@dataclass
class Link:
    """Answers as told, and notes what it was asked."""

    result: Result | Exception
    asked: list[Operation] = field(default_factory=list)
    timeouts_s: list[float | None] = field(default_factory=list)

    async def ask(self, operation: Operation, timeout_s: float | None = None) -> Result:
        self.asked.append(operation)
        self.timeouts_s.append(timeout_s)
        if isinstance(self.result, Exception) and not isinstance(self.result, TierfoldError):
            raise self.result
        return self.result


async def compute(step: Compute | Build) -> Any:
    return step.work() if isinstance(step, Compute) else step.here()


def driver(*links: Link) -> AsyncDriver:
    return AsyncDriver(links, PLACEMENT, compute)


def steps(*wanted: Step) -> Generator[Step, Any, list[Any]]:
    results = []
    for step in wanted:
        try:
            results.append((yield step))
        except UnknownContextError as error:
            results.append(error)
    return results


async def test_an_operation_goes_to_the_home_of_its_slot() -> None:
    """As it does in process."""
    links = Link(Done()), Link(Deleted())
    slots = [next(s for s in range(100) if PLACEMENT.home(s) == home) for home in (0, 1)]
    operation = GetInfo(context=KEY)

    found = await driver(*links).run(steps(*(Ask(slot, operation) for slot in slots)))

    assert found == [Done(), Deleted()]
    assert [link.asked for link in links] == [[operation], [operation]]


async def test_what_goes_to_all_shards_comes_back_in_their_order() -> None:
    """And computing is done on the way."""
    links = Link(Done()), Link(Deleted())

    found = await driver(*links).run(steps(AskAll(GetTiers()), Compute(lambda: 7, 0)))

    assert found == [[Done(), Deleted()], 7]


async def test_an_expected_failure_is_raised_inside_the_verb() -> None:
    """The verb may know what to do."""
    unknown = UnknownContextError("trip")
    link = Link(unknown)

    found = await driver(link, link).run(steps(Ask(0, GetInfo(context=KEY)), AskAll(GetTiers())))

    assert found == [unknown, unknown]


@pytest.mark.parametrize("error", [OverloadError(retry_after_s=1), ValueError("bug")])
async def test_what_the_verb_does_not_expect_reaches_the_caller(error: Exception) -> None:
    """And ends the verb."""
    verb = steps(AskAll(GetTiers()))
    with pytest.raises(type(error)):
        await driver(Link(Done()), Link(error)).run(verb)

    assert inspect.getgeneratorstate(verb) == inspect.GEN_CLOSED


async def test_a_verb_that_needs_nothing_takes_no_turn_of_the_loop() -> None:
    """A question on a working set that is held costs no more than a call of a function."""
    coroutine = driver().run(steps())

    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)

    assert ended.value.value == []


async def test_the_time_for_an_answer_is_told_to_the_shards_link() -> None:
    """In seconds; a step that says none is left to the lane."""
    link = Link(Done())
    asked = steps(
        Ask(0, GetInfo(context=KEY), timeout_ms=250.0),
        Ask(0, GetInfo(context=KEY)),
    )
    await driver(link, link).run(asked)

    assert link.timeouts_s == [0.25, None]
