"""Committing: what waits is evaluated, written with one fsync, and answered.

There is no thread for it. Of the callers that wait, one leads: it commits a round for all of them
and hands the lead to one that came meanwhile. So a caller alone never changes threads, and while
one round waits for the disk the next one gathers.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Any, TypeVar

from tierfold.engine.shard.settled import Settled
from tierfold.engine.shard.view import View
from tierfold.errors import (
    OverloadError,
    ShardUnavailableError,
    StorageFullError,
    TierfoldError,
)
from tierfold.ports import Batch, KeyValues

T = TypeVar("T")
StepOf = Callable[[View, Batch], Any]
Outcome = Any  # what a step returned, or the exception it raised

_RETRY_AFTER_S = 1


@dataclass(slots=True, eq=False)
class _Waiting:
    """A caller and the steps it waits for."""

    steps: Sequence[StepOf]
    size_bytes: int
    wake: Lock
    leads: bool = False  # it is the one to commit the next round
    outcomes: list[Outcome] | None = None  # None while it waits
    broken: BaseException | None = None  # why its round never ended


class Committer:
    """Makes changes one after another and many with one write; safe to call from any thread."""

    def __init__(self, values: KeyValues, *, steps_max: int, round_bytes_max: int) -> None:
        """Take at most `steps_max` steps into the queue, and about so many bytes into a round."""
        self._values = values
        self.settled = Settled(values)
        self._steps_max = steps_max
        self._round_bytes_max = round_bytes_max
        self._mutex = Lock()
        self._queue: deque[_Waiting] = deque()
        self._steps_waiting = 0
        self._is_led = False
        self._is_closed = False
        self._idle = Condition(self._mutex)

    def __len__(self) -> int:
        """Return the number of steps that wait for their round."""
        return self._steps_waiting

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._is_closed

    def run(self, step: Callable[[View, Batch], T]) -> T:
        """Return what the step returns once its batch is on the disk; raises what it raises.

        The step reads through the view and puts its changes into the batch, all or nothing.
        """
        (outcome,) = self.run_all([step])
        if isinstance(outcome, BaseException):
            raise outcome
        result: T = outcome
        return result

    def run_all(self, steps: Sequence[StepOf], *, size_bytes: int = 0) -> list[Outcome]:
        """Return each step's result, or the exception it raised, once all are on the disk.

        Raises OverloadError when too much waits already.
        """
        waiting = _Waiting(steps, size_bytes, Lock())
        self._enqueue(waiting)
        if not waiting.leads:
            self._wait(waiting)
        if waiting.leads:
            self._lead()
        if waiting.outcomes is None:
            raise ShardUnavailableError from waiting.broken
        return waiting.outcomes

    def close(self) -> None:
        """Refuse what comes from now on, and return when what waits is done."""
        with self._idle:
            self._is_closed = True
            while self._is_led:
                self._idle.wait()

    def _enqueue(self, waiting: _Waiting) -> None:
        """Let a caller wait, or lead where nobody does."""
        with self._mutex:
            if self._is_closed:
                raise ShardUnavailableError
            if self._queue and self._steps_waiting + len(waiting.steps) > self._steps_max:
                raise OverloadError(retry_after_s=_RETRY_AFTER_S)
            self._steps_waiting += len(waiting.steps)
            self._queue.append(waiting)
            if self._is_led:
                waiting.wake.acquire()
            else:
                self._is_led = waiting.leads = True

    def _wait(self, waiting: _Waiting) -> None:
        """Return when another caller has done it, or hands on the lead."""
        try:
            waiting.wake.acquire()
        except BaseException:  # the interpreter's signal to stop: nobody may wait for this caller
            with self._mutex:
                if waiting in self._queue:
                    self._queue.remove(waiting)
                    self._steps_waiting -= len(waiting.steps)
                if waiting.leads:
                    self._hand_on()
            raise

    def _lead(self) -> None:
        """Commit one round, then hand on the lead and wake those whose changes are made."""
        callers = self._taken()
        try:
            self._commit(callers)
        except BaseException as error:
            for caller in callers:
                caller.broken = error
            raise
        finally:
            with self._mutex:
                self._hand_on()
            for caller in callers:
                if caller.wake.locked():
                    caller.wake.release()

    def _taken(self) -> list[_Waiting]:
        """Return the callers of the next round."""
        callers: list[_Waiting] = []
        size_bytes = 0
        with self._mutex:
            while self._queue:
                size_bytes += self._queue[0].size_bytes
                if callers and size_bytes > self._round_bytes_max:
                    break
                callers.append(self._queue.popleft())
                self._steps_waiting -= len(callers[-1].steps)
        return callers

    def _hand_on(self) -> None:
        if self._queue:
            self._queue[0].leads = True
            self._queue[0].wake.release()
        else:
            self._is_led = False
            self._idle.notify_all()

    def _commit(self, callers: Sequence[_Waiting]) -> None:
        view = View(self._values)
        done = [(caller, [_evaluated(step, view) for step in caller.steps]) for caller in callers]
        failed = self._written(view)
        for caller, outcomes in done:
            caller.outcomes = outcomes if failed is None else [failed] * len(outcomes)
        if isinstance(failed, StorageFullError):
            self._make_lean(callers)

    def _make_lean(self, callers: Iterable[_Waiting]) -> None:
        """Of a round that found no room make the deletions, each on its own, until one fails."""
        for caller in callers:
            for at, step in enumerate(caller.steps):
                view = View(self._values)
                outcome = _evaluated(step, view)
                if not view.changes.puts or not view.changes.makes_room:
                    continue
                if self._written(view) is not None:
                    return
                assert caller.outcomes is not None, "its round has failed"
                caller.outcomes[at] = outcome

    def _written(self, view: View) -> TierfoldError | None:
        """Make a round's changes durable; returns why that failed."""
        if not view.changes.puts:
            return None
        self.settled.begin(view.changes, view.heads)
        try:
            self._values.write(view.changes)
        except TierfoldError as error:
            return error
        finally:
            self.settled.end()
        return None


def _evaluated(step: StepOf, view: View) -> Outcome:
    """Return a step's result or exception; only in the first case its changes count."""
    batch = Batch()
    try:
        result = step(view, batch)
    except Exception as error:  # noqa: BLE001  # its caller's alone: the others' changes go on
        return error
    if batch.puts:
        view.absorb(batch)
    return result
