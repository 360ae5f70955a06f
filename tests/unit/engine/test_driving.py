"""Verbs side by side: what they ask at one time goes to a shard together."""

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from tierfold.context.identity import SLOT_COUNT, ContextKey
from tierfold.engine.driving import LocalDriver, run_all
from tierfold.engine.shard.operations import Done, GetTiers, GetVersion, Operation, Result
from tierfold.engine.verbs import Ask, AskAll, Compute, Step
from tierfold.errors import InvalidInputError, TierfoldError, UnknownContextError
from tierfold.replication import Placement


class Shard:
    """Answers versions with Done, and knows no context "nobody"."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def call(self, operations: Sequence[Operation]) -> list[Result]:
        self.calls.append(len(operations))
        return [self._answer(each) for each in operations]

    def _answer(self, operation: Operation) -> Result:
        if isinstance(operation, GetVersion) and operation.context.id == "nobody":
            return UnknownContextError("nobody")
        return Done()


def asking(id_: str, times: int) -> Generator[Step, Any, str]:
    key = ContextKey("t", id_)
    for _ in range(times):
        assert (yield Ask(key.slot, GetVersion(context=key))) == Done()
    return f"{id_} {times}"


def mixed() -> Generator[Step, Any, list[Any]]:
    reports = yield AskAll(GetTiers())
    return [len(reports), (yield Compute(lambda: 7, 1))]


def failing() -> Generator[Step, Any, None]:
    yield Compute(_fail, 1)


def _fail() -> None:
    problem = "no"
    raise InvalidInputError(problem)


def forgiving() -> Generator[Step, Any, str]:
    key = ContextKey("t", "nobody")
    try:
        yield Ask(key.slot, GetVersion(context=key))
    except UnknownContextError:
        return "forgiven"
    return "found"


def test_what_is_asked_at_one_time_goes_in_one_call() -> None:
    """Each verb goes on with its own answer; those that end early are waited for by nobody."""
    shards = [Shard(), Shard()]
    placement = Placement(["a", "b"])
    ids = [f"c{at}" for at in range(40)]
    verbs: list[Generator[Step, Any, Any]] = [asking(id_, at % 3) for at, id_ in enumerate(ids)]
    results = run_all([*verbs, mixed()], shards, placement)

    assert results == [*(f"{id_} {at % 3}" for at, id_ in enumerate(ids)), [2, 7]]
    assert sum(sum(shard.calls) for shard in shards) == sum(at % 3 for at in range(40)) + 2
    assert all(len(shard.calls) <= 3 for shard in shards)
    assert {placement.home(slot) for slot in range(SLOT_COUNT)} == {0, 1}


def test_an_error_is_the_outcome_of_its_verb_alone() -> None:
    """It is thrown into the verb first: some know what to do with it."""
    verbs: list[Generator[Step, Any, Any]] = [
        asking("nobody", 1),
        forgiving(),
        failing(),
        asking("x", 1),
    ]
    first, second, third, fourth = run_all(verbs, [Shard()], Placement(["a"]))

    assert isinstance(first, UnknownContextError)
    assert isinstance(third, InvalidInputError)
    assert (second, fourth) == ("forgiven", "x 1")


def test_a_closed_store_drives_nothing() -> None:
    """Neither one verb nor several."""
    shard = Shard()

    def closed() -> None:
        problem = "closed"
        raise InvalidInputError(problem)

    driver = LocalDriver([shard], Placement(["a"]), closed)
    for drive in (lambda: driver.run(asking("a", 1)), lambda: driver.run_all([asking("a", 1)])):
        with pytest.raises(TierfoldError, match="closed"):
            drive()
    assert shard.calls == []
