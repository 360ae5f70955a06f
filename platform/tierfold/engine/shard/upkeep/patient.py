"""Upkeep that waits for others: for the object store, for a training, for the disk's own tidying.

It has a thread of its own. While it waits for an object store that does not answer, contexts
expire, rows are sealed and deletions give space back as before.
"""

import threading
from collections.abc import Callable, Iterator, Mapping

from tierfold.engine.shard.operations import PassReport
from tierfold.engine.shard.upkeep.backoff import Backoff
from tierfold.engine.shard.upkeep.counting import waiting_blocks, waiting_contexts
from tierfold.engine.shard.upkeep.retaining import Left
from tierfold.engine.shard.upkeep.rota import Job, Rota
from tierfold.engine.shard.upkeep.space import Space
from tierfold.engine.shard.upkeep.sweeping import tenants
from tierfold.engine.shard.upkeep.workers import UpkeepParts, Workers
from tierfold.errors import ObjectStoreError, TierfoldError
from tierfold.ports import Family

UPLOAD_EVERY_MS = 1000.0
TRAIN_EVERY_MS = 600_000.0
DISK_EVERY_MS = 60_000.0
RETAIN_EVERY_MS = 60_000.0
GIVE_BACK_EVERY_MS = 2_000.0
LEISURE_SHARE = 0.05  # of one core
HASTE_SHARE = 0.5  # of the time, while the disk has no room


class PatientUpkeep:
    """The jobs that wait; one thread at a time works."""

    def __init__(
        self, parts: UpkeepParts, workers: Workers, space: Space, *, was_deleted: Left
    ) -> None:
        self._parts = parts
        self._was_deleted = was_deleted
        self._retainer = workers.retainer
        self._space = space
        self._uploader = workers.uploader
        self._eviction = workers.eviction
        self._trainer = workers.trainer
        self._working = threading.RLock()
        self._uploads_from_ms = 0.0
        self._has_answered = False
        self._backoff = Backoff(parts.dice)
        self._rota = Rota(parts.clock, list(self._jobs()))

    def step(self, budget_ms: float) -> bool:
        """Work for about so long, or as long as one call takes; returns whether there is more."""
        with self._working:
            return self._rota.step(budget_ms)

    def flush(self) -> bool:
        """Bring L4 up to date now; returns whether it is."""
        if self._uploader is None:
            return False
        with self._working:
            self._rota.abandon()
            try:
                for _ in range(2):  # the second pass deletes what the first made unneeded
                    exhaust(self._uploader.one_pass())
            except ObjectStoreError as error:
                self._l4_failed(error)
                return False
            self._backoff.succeeded()
        values = self._parts.values
        return not (waiting_blocks(values) or waiting_contexts(values))

    def drop_unneeded(self) -> None:
        """Drop the dictionaries of tenants that have nothing any more."""
        with self._working:
            self._trainer.drop_unneeded(self._parts.clock.now_ms())

    @property
    def l4_problem(self) -> str:
        """Why L4 was not reached the last time; "" where it was."""
        return self._backoff.problem

    @property
    def problems(self) -> Mapping[str, str]:
        """Why the last run of a job failed, by job."""
        return dict(self._rota.problems)

    def reports(self) -> Iterator[PassReport]:
        """Yield how far each job is, and what its last whole run took."""
        return self._rota.reports()

    def _jobs(self) -> Iterator[Job]:
        if self._uploader is not None:
            yield Job(
                name="upload",
                start=self._upload,
                every_ms=UPLOAD_EVERY_MS,
                is_wanted=self._may_upload,
                failed=self._l4_failed,
            )
        yield Job(
            name="give back",
            start=self._give_back,
            every_ms=GIVE_BACK_EVERY_MS,
            share_max=HASTE_SHARE,
            is_wanted=self._may_give_back,
        )
        yield self._leisurely("train", self._train, TRAIN_EVERY_MS)
        yield self._leisurely("retain", self._retain, RETAIN_EVERY_MS)
        if self._eviction is not None:
            yield self._leisurely("disk", self._eviction.one_pass, DISK_EVERY_MS)

    def _leisurely(self, name: str, start: Callable[[], Iterator[object]], every_ms: float) -> Job:
        return leisurely(name, start, every_ms, now_ms=self._parts.clock.now_ms())

    def _may_upload(self) -> bool:
        """Whether the outbox has waited for a seal's age, or L4 is to be asked again."""
        now_ms = self._parts.clock.now_ms()
        return now_ms >= self._uploads_from_ms and self._backoff.may_try(now_ms)

    def _upload(self) -> Iterator[None]:
        """Let L4 follow; not more often than rows are sealed, or blocks would be tiny."""
        assert self._uploader is not None
        self._ask_once()
        yield from self._uploader.one_pass()
        self._backoff.succeeded()
        seal_age_ms = self._parts.settings.tiers.seal_age_ms
        self._uploads_from_ms = self._parts.clock.now_ms() + seal_age_ms

    def _ask_once(self) -> None:
        """Find out that L4 answers before there is something to put: it is said at once if not."""
        source = self._parts.source
        if source is not None and not self._has_answered:
            next(iter(source.objects.keys(source.owner.hex())), None)
            self._has_answered = True

    def _l4_failed(self, error: TierfoldError) -> None:
        self._backoff.failed(str(error), self._parts.clock.now_ms())

    def _may_give_back(self) -> bool:
        return self._space.has_deleted and not self._parts.values.has_room()

    def _give_back(self) -> Iterator[None]:
        """Let the disk have the space of what was deleted: it is nearly full."""
        self._space.has_deleted = False
        try:
            self._parts.values.compact(deleted_only=True)
        except TierfoldError:
            self._space.has_deleted = True
            raise
        yield

    def _retain(self) -> Iterator[None]:
        """Let go the contexts that go by the rules in force now."""
        yield from self._retainer.one_pass(self._parts.retention(), was_deleted=self._was_deleted)

    def _train(self) -> Iterator[None]:
        self._trainer.drop_unneeded(self._parts.clock.now_ms())
        for tenant in tenants(self._parts.values, Family.BLOCK):
            self._trainer.train(tenant)
            yield


def leisurely(
    name: str, start: Callable[[], Iterator[object]], every_ms: float, *, now_ms: float
) -> Job:
    """Return a job that nobody waits for: not at the start, and never most of the time."""
    return Job(
        name=name,
        start=start,
        every_ms=every_ms,
        share_max=LEISURE_SHARE,
        due_ms=now_ms + every_ms,
    )


def exhaust(work: Iterator[object]) -> None:
    """Do all of a job."""
    for _ in work:
        pass
