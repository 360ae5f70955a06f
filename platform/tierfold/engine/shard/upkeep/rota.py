"""Whose turn it is: jobs with an interval each, cut into small pieces."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tierfold.engine.shard.operations import PassReport
from tierfold.engine.shard.upkeep.unforeseen import described, is_to_survive, pause_ms
from tierfold.errors import CorruptError, TierfoldError
from tierfold.ports import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A run that came to its end."""

    pieces: int
    busy_ms: float  # without the rests between its pieces
    ended_ms: float


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
    surprises: int = 0  # runs in a row that ended in an error nobody foresaw
    pieces: int = 0  # of the present run
    whole: Pass | None = None  # the last run that came to its end


class Rota:
    """Runs jobs in turn; one that fails begins anew at its next time, and holds up no other.

    After an error that nobody foresaw it rests the longer.
    """

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

    def reports(self) -> Iterator[PassReport]:
        """Yield how far each job is, and what its last whole run took."""
        now_ms = self._clock.now_ms()
        for job in self._jobs:
            whole = job.whole
            yield PassReport(
                job=job.name,
                is_running=job.running is not None,
                pieces=job.pieces,
                busy_ms=job.busy_ms,
                last_pieces=None if whole is None else whole.pieces,
                last_busy_ms=None if whole is None else whole.busy_ms,
                ended_ms_ago=None if whole is None else now_ms - whole.ended_ms,
            )

    def abandon(self) -> None:
        """Stop what is half done; it begins anew at its next time."""
        for job in self._jobs:
            if job.running is not None:
                job.running, job.pieces = None, 0
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
        job.pieces += 1
        if job.running is None:
            if job.name not in self.problems:
                job.whole = Pass(
                    pieces=job.pieces, busy_ms=job.busy_ms, ended_ms=self._clock.now_ms()
                )
            rest_ms = max(
                job.every_ms, job.busy_ms * (1 / job.share_max - 1), pause_ms(job.surprises)
            )
            job.due_ms = self._clock.now_ms() + rest_ms
            job.busy_ms, job.pieces = 0.0, 0

    def _do(self, job: Job) -> None:
        try:
            if job.running is None:
                job.running = job.start()
            next(job.running)
        except StopIteration:
            job.running, job.surprises = None, 0
            self.problems.pop(job.name, None)
        except TierfoldError as error:
            self._failed(job, error)
        except BaseException as error:
            if not is_to_survive(error):
                raise
            self._surprised(job, error)

    def _failed(self, job: Job, error: TierfoldError) -> None:
        job.running, job.surprises = None, 0
        what = f"{error.what}: {error.problem}" if isinstance(error, CorruptError) else error
        self.problems[job.name] = str(what)
        if job.failed is not None:
            job.failed(error)

    def _surprised(self, job: Job, error: BaseException) -> None:
        job.running = None
        job.surprises += 1
        self.problems[job.name] = described(error)
        _log.error("upkeep's job %s failed, %s; it is tried again", job.name, described(error))
