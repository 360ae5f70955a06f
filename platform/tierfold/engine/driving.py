"""Running a verb against shards in this process."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar

from tierfold.engine.shard.operations import Operation, ShardLink
from tierfold.engine.verbs import Ask, AskAll, Build, Compute, Step, require_result
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


def run_all(
    verbs: Sequence[Generator[Step, Any, T]], links: Sequence[ShardLink], placement: Placement
) -> list[T | TierfoldError]:
    """Drive verbs to their ends side by side: what they ask a shard at one time goes in one call.

    Returns what each returned, or the TierfoldError it raised.
    """
    outcomes: dict[int, T | TierfoldError] = {}
    waiting = {at: _Waiting(steps) for at, steps in enumerate(verbs)}
    answers: dict[int, Any] = dict.fromkeys(waiting)
    while waiting:
        for at, answer in answers.items():
            try:
                waiting[at].go_on(answer)
            except StopIteration as end:
                outcomes[at] = end.value
            except TierfoldError as error:
                outcomes[at] = error
        waiting = {at: each for at, each in waiting.items() if at not in outcomes}
        answers = _answers({at: each.step for at, each in waiting.items()}, links, placement)
    return [outcomes[at] for at in range(len(verbs))]


class LocalDriver:
    """Runs verbs against the shards of a store that is open here."""

    def __init__(
        self,
        links: Sequence[ShardLink],
        placement: Placement,
        require_open: Callable[[], None],
    ) -> None:
        self._links = links
        self._placement = placement
        self._require_open = require_open

    def run(self, steps: Generator[Step, Any, T]) -> T:
        """Return what a verb returns; raises what it raises."""
        self._require_open()
        return run(steps, self._links, self._placement)

    def run_all(self, verbs: Sequence[Generator[Step, Any, T]]) -> list[T | TierfoldError]:
        """Return what verbs that are done side by side return, or the TierfoldError they raise."""
        self._require_open()
        return run_all(verbs, self._links, self._placement)


class _Waiting:
    """A verb that waits for the answer to its step."""

    def __init__(self, steps: Generator[Step, Any, Any]) -> None:
        self._steps = steps
        self.step: Any = None  # before the first one

    def go_on(self, answer: Any) -> None:
        """Give it the answer, or throw it; raises StopIteration with what it returns."""
        if isinstance(answer, TierfoldError):
            self.step = self._steps.throw(answer)
        else:
            self.step = self._steps.send(answer)


def _answers(
    steps: Mapping[int, Step], links: Sequence[ShardLink], placement: Placement
) -> dict[int, Any]:
    """Return what each step is answered; errors are answers here."""
    answers: dict[int, Any] = {}
    by_shard: dict[int, list[int]] = {}
    for at, step in steps.items():
        if isinstance(step, Ask):
            by_shard.setdefault(placement.home(step.slot), []).append(at)
            continue
        try:
            answers[at] = _done(step, links, placement)
        except TierfoldError as error:
            answers[at] = error
    for shard, asking in by_shard.items():
        operations = [step.operation for at in asking if isinstance(step := steps[at], Ask)]
        answers.update(zip(asking, links[shard].call(operations), strict=True))
    return answers


def _done(step: Step, links: Sequence[ShardLink], placement: Placement) -> Any:
    match step:
        case Ask(slot=slot, operation=operation):
            return _asked(links[placement.home(slot)], operation)
        case AskAll(operation=operation):
            return [_asked(link, operation) for link in links]
        case Compute(work=work):
            return work()
        case Build():
            return step.here()


def _asked(link: ShardLink, operation: Operation) -> Any:
    (result,) = link.call([operation])
    return require_result(result)
