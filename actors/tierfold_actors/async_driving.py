"""Running a verb against shards behind an event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import closing
from typing import Any, Protocol, TypeVar

from tierfold.engine.shard.operations import Operation, Result
from tierfold.engine.verbs import Ask, AskAll, Build, Compute, Step, require_result
from tierfold.errors import TierfoldError
from tierfold.replication import Placement

T = TypeVar("T")


class Link(Protocol):
    """A way to one shard: `links.AsyncShardLink`."""

    async def ask(self, operation: Operation, timeout_s: float | None = None) -> Result:
        """Return the operation's result; raises ShardUnavailableError where it is not in time."""
        ...


class AsyncDriver:
    """Drives verbs: operations to their shards, computing to wherever it disturbs nobody."""

    def __init__(
        self,
        links: Sequence[Link],
        placement: Placement,
        compute: Callable[[Compute | Build], Awaitable[Any]],
    ) -> None:
        self._links = links
        self._placement = placement
        self._compute = compute

    async def run(self, steps: Generator[Step, Any, T]) -> T:
        """Drive a verb to its end and return what it returns; raises what it raises.

        A verb that needs nothing returns without a single turn of the event loop.
        """
        with closing(steps):
            try:
                step = next(steps)
                while True:
                    try:
                        value = await self._done(step)
                    except TierfoldError as error:
                        step = steps.throw(error)
                    else:
                        step = steps.send(value)
            except StopIteration as end:
                result: T = end.value
                return result

    async def _done(self, step: Step) -> Any:
        match step:
            case Ask(slot=slot, operation=operation, timeout_ms=timeout_ms):
                timeout_s = None if timeout_ms is None else timeout_ms / 1000
                link = self._links[self._placement.home(slot)]
                return await _asked(link, operation, timeout_s)
            case AskAll(operation=operation):
                asked = [_asked(link, operation) for link in self._links]
                return _all(await asyncio.gather(*asked, return_exceptions=True))
            case Compute() | Build():
                return await self._compute(step)


async def _asked(link: Link, operation: Operation, timeout_s: float | None = None) -> Any:
    return require_result(await link.ask(operation, timeout_s))


def _all(results: list[Any]) -> list[Any]:
    """Return the results, or raise the first error among them; nobody is left running."""
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
