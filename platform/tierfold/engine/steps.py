"""The steps that verbs consist of, and what drivers do with a result."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tierfold.engine.shard.operations import Operation, Result
from tierfold.engine.working import Build
from tierfold.errors import TierfoldError

__all__ = ["Ask", "AskAll", "Build", "Compute", "Step", "in_time", "require_result"]

T = TypeVar("T")

# A deadline is soft: a shard at work may answer so much later, one that hangs is not waited for.
PATIENCE_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this to the shard of a slot; the driver sends back its result or throws its error."""

    slot: int
    operation: Operation
    timeout_ms: float | None = None  # a shard that does not answer by then counts as away


@dataclass(frozen=True, slots=True)
class AskAll:
    """Send this to every shard; the driver sends back all results, in the order of shards."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Compute:
    """Do this somewhere; the driver sends back what it returns, or throws what it raises."""

    work: Callable[[], Any]
    size_bytes: int  # of text it is about: how long it will take


# What is built is sent back as a Loaded, what it raises is thrown.
Step = Ask | AskAll | Compute | Build


def in_time(
    steps: Generator[Step, Any, T], remaining_ms: Callable[[], float]
) -> Generator[Step, Any, T]:
    """Pass steps on, each question to a shard with the time there is for its answer."""
    with closing(steps):
        try:
            step = next(steps)
            while True:
                if isinstance(step, Ask):
                    step = replace(step, timeout_ms=max(remaining_ms(), 0.0) + PATIENCE_MS)
                try:
                    value = yield step
                except TierfoldError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(value)
        except StopIteration as end:
            result: T = end.value
            return result


def require_result(result: Result) -> Any:
    """Return a result, or raise it where it is an error; for drivers."""
    if isinstance(result, TierfoldError):
        raise result
    return result
