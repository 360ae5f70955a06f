"""Making the changes of one call: prepared here, made in a round, again where one was given up."""

from collections.abc import Sequence
from typing import Any

from tierfold.context.identity import ContextKey
from tierfold.engine.shard.blocks import NotAtHandError
from tierfold.engine.shard.change import ChangeParts
from tierfold.engine.shard.changing import ChangeStep
from tierfold.engine.shard.committer import Committer
from tierfold.engine.shard.operations import Changing
from tierfold.engine.shard.view import Stored
from tierfold.errors import OverloadError, TierfoldError

Outcome = Any  # what a step returned, or the exception it raised

ROUNDS_MAX = 4  # for one change: what was read for one round serves the next, so two are rare
_RETRY_AFTER_S = 1


class Maker:
    """Makes the changes of one call together in a round, each on its own."""

    def __init__(self, parts: ChangeParts, committer: Committer, stored: Stored) -> None:
        self._parts = parts
        self._committer = committer
        self._stored = stored

    def make(self, operations: Sequence[Changing]) -> list[tuple[ChangeStep | None, Outcome]]:
        """Return each change's step and outcome; no step where it could not be prepared.

        A change whose state moved on to what L4 alone has is prepared again; OverloadError where
        that happens too often. Changes of one context stay in their order.
        """
        steps: dict[int, ChangeStep] = {}
        outcomes: dict[int, Outcome] = {}
        given_up: set[ContextKey] = set()
        for at, operation in enumerate(operations):
            try:
                steps[at] = ChangeStep(self._parts, operation, self._stored, given_up)
            except TierfoldError as error:
                outcomes[at] = error
        waiting = self._round(steps, outcomes)
        for _ in range(ROUNDS_MAX - 1):
            if not waiting:
                break
            given_up.clear()
            waiting = self._round(_prepared_again(waiting, outcomes), outcomes)
        outcomes |= {at: OverloadError(retry_after_s=_RETRY_AFTER_S) for at in waiting}
        return [(steps.get(at), outcomes[at]) for at in range(len(operations))]

    def _round(
        self, steps: dict[int, ChangeStep], outcomes: dict[int, Outcome]
    ) -> dict[int, ChangeStep]:
        """Make changes in one round; returns those that were given up."""
        if not steps:
            return {}
        size_bytes = sum(step.size_bytes for step in steps.values())
        try:
            made = self._committer.run_all(list(steps.values()), size_bytes=size_bytes)
        except TierfoldError as error:
            made = [error] * len(steps)
        outcomes.update(zip(steps, made, strict=True))
        return {at: step for at, step in steps.items() if isinstance(outcomes[at], NotAtHandError)}


def _prepared_again(
    steps: dict[int, ChangeStep], outcomes: dict[int, Outcome]
) -> dict[int, ChangeStep]:
    """Return the steps that could be prepared; what hinders the others is their outcome."""
    prepared: dict[int, ChangeStep] = {}
    for at, step in steps.items():
        try:
            step.prepare()
        except TierfoldError as error:
            outcomes[at] = error
        else:
            prepared[at] = step
    return prepared
