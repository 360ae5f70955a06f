"""Running a verb against shards in this process."""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

from tierfold.engine.shard.operations import Operation, ShardLink
from tierfold.engine.verbs import Ask, AskAll, Compute, Step, require_result
from tierfold.errors import TierfoldError
from tierfold.replication import Placement

T = TypeVar("T")


def run(steps: Generator[Step, Any, T], links: Sequence[ShardLink], placement: Placement) -> T:
    """Drive a verb to its end and return what it returns; raises what it raises."""
    try:
        step = next(steps)
        while True:
            try:
                value = _done(step, links, placement)
            except TierfoldError as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as end:
        result: T = end.value
        return result


def _done(step: Step, links: Sequence[ShardLink], placement: Placement) -> Any:
    match step:
        case Ask(slot=slot, operation=operation):
            return _asked(links[placement.home(slot)], operation)
        case AskAll(operation=operation):
            return [_asked(link, operation) for link in links]
        case Compute(work=work):
            return work()


def _asked(link: ShardLink, operation: Operation) -> Any:
    (result,) = link.call([operation])
    return require_result(result)
