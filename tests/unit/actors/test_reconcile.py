"""The way of a call to an actor, without one."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from tests.unit.actors.test_links import KEY, append
from tierfold.engine.shard.operations import Done, GetInfo, Operation, Result
from tierfold.errors import ShardUnavailableError
from tierfold_actors.reconcile import _sends

READ = (GetInfo(context=KEY),)


@dataclass
class Method:
    """An actor's method: notes the thread that calls it, then fails or answers."""

    error: Exception | None = None
    threads: list[str] = field(default_factory=list)

    def remote(self, operations: tuple[Operation, ...]) -> Any:
        self.threads.append(threading.current_thread().name)
        return self._answer(operations)

    async def _answer(self, operations: tuple[Operation, ...]) -> list[Result]:
        if self.error is not None:
            raise self.error
        return [Done() for _ in operations]

    async def called(self, operations: tuple[Operation, ...]) -> list[Result]:
        shard: Any = SimpleNamespace(read=self, write=self, maintain=self)
        return await _sends(shard).write(operations)


@pytest.mark.parametrize(
    "error",
    [
        ray.exceptions.ActorDiedError(),
        ray.exceptions.ActorUnavailableError("away", None),
        ray.exceptions.ObjectLostError("0" * 56, None, "here"),
    ],
)
async def test_a_shard_that_is_away_is_unavailable(error: Exception) -> None:
    """So is one whose answer is lost on the way: a change is sent again under its key."""
    with pytest.raises(ShardUnavailableError):
        await Method(error).called(READ)


async def test_a_bug_in_the_shard_is_no_outage() -> None:
    """The same again would end the same."""
    kind: Any = ray.exceptions.RayTaskError
    error: Exception = kind("write", "", ValueError())

    with pytest.raises(ray.exceptions.RayTaskError):
        await Method(error).called(READ)


@pytest.mark.parametrize(("size", "is_here"), [(10, True), (300_000, False)])
async def test_a_heavy_call_is_packed_in_a_thread(size: int, is_here: bool) -> None:  # noqa: FBT001
    """The event loop goes on meanwhile."""
    method = Method()

    assert await method.called((append("x" * size),)) == [Done()]
    assert (method.threads == [threading.current_thread().name]) is is_here
