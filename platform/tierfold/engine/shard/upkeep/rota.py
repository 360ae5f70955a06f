"""Whose turn it is: jobs with an interval each, cut into small pieces."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tierfold.errors import CorruptError, TierfoldError
from tierfold.ports import Clock


@dataclass(slots=True, kw_only=True)
class Job:
    """Something that is done again and again, a piece at a time."""

    name: str
    start: Callable[[], Iterator[object]]
    every_ms: float  # from the end of one run to the begin of the next
    share_max: float = 1.0  # of the time that passes: after a long run it rests the longer
    is_wanted: Callable[[], bool] = lambda: True  # asked when it is due
    failed: Callable[[TierfoldError], None] | None = None
    due_ms: float = 0.0
    running: Iterator[object] | None = None
    busy_ms: float = 0.0  # of the present run


class Rota:
    """Runs jobs in turn; one that fails begins anew at its next time."""

    def __init__(self, clock: Clock, jobs: list[Job]) -> None:
        self._clock = clock
        self._jobs = jobs
        self.problems: dict[str, str] = {}  # of jobs whose last run failed

    def step(self, budget_ms: float) -> bool:
        """Do pieces of what is due until the time is over; returns whether there is more."""
        until_ms = self._clock.now_ms() + budget_ms
        while (active := self._active()) and self._clock.now_ms() < until_ms:
            for job in active:
                self._piece(job)
        return bool(self._active())

    def abandon(self) -> None:
        """Stop what is half done; it begins anew at its next time."""
        for job in self._jobs:
            if job.running is not None:
                job.running = None
                job.due_ms = self._clock.now_ms() + job.every_ms

    def _active(self) -> list[Job]:
        now_ms = self._clock.now_ms()
        return [
            job
            for job in self._jobs
            if job.running is not None or (job.due_ms <= now_ms and job.is_wanted())
        ]

    def _piece(self, job: Job) -> None:
        began_ms = self._clock.now_ms()
        self._do(job)
        job.busy_ms += self._clock.now_ms() - began_ms
        if job.running is None:
            rest_ms = max(job.every_ms, job.busy_ms * (1 / job.share_max - 1))
            job.due_ms, job.busy_ms = self._clock.now_ms() + rest_ms, 0.0

    def _do(self, job: Job) -> None:
        try:
            if job.running is None:
                job.running = job.start()
            next(job.running)
        except StopIteration:
            job.running = None
            self.problems.pop(job.name, None)
        except TierfoldError as error:
            job.running = None
            what = f"{error.what}: {error.problem}" if isinstance(error, CorruptError) else error
            self.problems[job.name] = str(what)
            if job.failed is not None:
                job.failed(error)
