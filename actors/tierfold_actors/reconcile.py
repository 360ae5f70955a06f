"""Making the actors of a store be there: run by every gateway when it starts, by none twice.

A Serve application has no driver that could make them, so whoever comes first does; the others
find them by their names.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

import ray
from ray.actor import ActorProxy

from tierfold.engine.shard.operations import Operation, Result
from tierfold.errors import SetupError, ShardUnavailableError
from tierfold_actors.compressor_actor import COMPRESSOR, CompressorActor
from tierfold_actors.links import AsyncShardLink, Send, Sends, is_heavy
from tierfold_actors.shard_actor import CONCURRENCY, ShardActor
from tierfold_actors.store_plan import NAMESPACE, StorePlan

_START_WAIT_S = 120.0
_CLOSE_WAIT_S = 5.0
_STORED_FOR_EVER: dict[str, Any] = {
    "namespace": NAMESPACE,
    "lifetime": "detached",
    "get_if_exists": True,
    "max_restarts": -1,
    "max_task_retries": 0,  # a change that is sent again must be our own decision
    "num_cpus": 0,  # they mostly wait; places are for what computes
}


class _Method(Protocol):
    """A method of an actor's that takes operations."""

    def remote(self, operations: tuple[Operation, ...], /) -> Awaitable[list[Result]]:
        """Call it."""
        ...


def reconcile(plan: StorePlan) -> tuple[AsyncShardLink, ...]:
    """Make sure that every actor of the plan is there and serves; returns the ways to its shards.

    Raises SetupError where one cannot start, or runs by another plan.
    """
    compressor: Any = ray.remote(CompressorActor).options(name=COMPRESSOR, **_STORED_FOR_EVER)
    compressor.remote()
    shards = [_shard(plan, number) for number in range(plan.shards)]
    for name, shard in zip(plan.shard_names, shards, strict=True):
        _require_plan(name, shard, plan)
    return tuple(AsyncShardLink(_sends(shard)) for shard in shards)


def close_shards() -> None:
    """Close every shard of this cluster, as far as they answer in time."""
    named = ray.util.list_named_actors(all_namespaces=True)
    ours = [each["name"] for each in named if each["namespace"] == NAMESPACE]
    closing: list[Any] = [
        ray.get_actor(name, namespace=NAMESPACE).close.remote()
        for name in ours
        if name != COMPRESSOR
    ]
    if closing:
        ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_WAIT_S)


def _shard(plan: StorePlan, number: int) -> ActorProxy[ShardActor]:
    remote: Any = ray.remote  # its types do not know concurrency groups
    threaded = remote(concurrency_groups=CONCURRENCY)(ShardActor)
    kind = threaded.options(
        name=plan.shard_names[number], scheduling_strategy="SPREAD", **_STORED_FOR_EVER
    )
    shard: ActorProxy[ShardActor] = kind.remote(plan, number)
    return shard


def _require_plan(name: str, shard: ActorProxy[ShardActor], plan: StorePlan) -> None:
    try:
        found = ray.get(shard.plan.remote(), timeout=_START_WAIT_S)
    except ray.exceptions.GetTimeoutError as error:
        problem = f"{name} did not start within {_START_WAIT_S:.0f} s"
        raise SetupError(problem) from error
    except ray.exceptions.RayActorError as error:
        raise SetupError(_last_line(name, error)) from error
    if found != plan:
        problem = f"{name} runs on {found.path} with {found.shards} shards: stop that server first"
        raise SetupError(problem)


def _last_line(name: str, error: Exception) -> str:
    """Return what the constructor said: Ray has only its traceback as text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1].rpartition("Error: ")[2] if lines else "no reason was given"
    return f"{name}: {said}"


def _sends(shard: ActorProxy[ShardActor]) -> Sends:
    return Sends(read=_send(shard.read), write=_send(shard.write), maintain=_send(shard.maintain))


def _send(method: Any) -> Send:
    called: _Method = method

    async def send(operations: tuple[Operation, ...]) -> list[Result]:
        try:
            if is_heavy(operations):
                return await (await asyncio.to_thread(called.remote, operations))
            return await called.remote(operations)
        except ray.exceptions.RayTaskError:  # a bug in the shard: the same again ends the same
            raise
        except ray.exceptions.RayError as error:  # dead, not back yet, or its answer is lost
            raise ShardUnavailableError from error

    return send
