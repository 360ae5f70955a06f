"""The steps that verbs consist of, and what drivers do with a result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tierfold.engine.shard.operations import Operation, Result
from tierfold.errors import TierfoldError


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this to the shard of a slot; the driver sends back its result or throws its error."""

    slot: int
    operation: Operation


@dataclass(frozen=True, slots=True)
class AskAll:
    """Send this to every shard; the driver sends back all results, in the order of shards."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Compute:
    """Do this somewhere; the driver sends back what it returns, or throws what it raises."""

    work: Callable[[], Any]
    size_bytes: int  # of text it is about: how long it will take


Step = Ask | AskAll | Compute


def require_result(result: Result) -> Any:
    """Return a result, or raise it where it is an error; for drivers."""
    if isinstance(result, TierfoldError):
        raise result
    return result
