"""Upkeep of one shard: sealing, L4, expiry, defragmentation, tiers, audit, put together."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tierfold.engine.shard.operations import AuditReport, TierReport, TiersReport
from tierfold.engine.shard.upkeep.adopting import adopt
from tierfold.engine.shard.upkeep.backoff import Backoff
from tierfold.engine.shard.upkeep.counting import (
    count,
    uploaded,
    waiting_blocks,
    waiting_contexts,
)
from tierfold.engine.shard.upkeep.defragmenting import Defragmented
from tierfold.engine.shard.upkeep.open_rows import OpenRows
from tierfold.engine.shard.upkeep.rota import Job, Rota
from tierfold.engine.shard.upkeep.sweeping import tenants
from tierfold.engine.shard.upkeep.tiering import WasRead, heads_of
from tierfold.engine.shard.upkeep.workers import UpkeepParts, assembled
from tierfold.errors import ObjectStoreError, TierfoldError
from tierfold.memory import Level
from tierfold.ports import Family

__all__ = ["NO_READS", "ReadsOfTier", "Upkeep", "UpkeepParts"]

REAP_EVERY_MS = 1000.0
SEAL_EVERY_MS = 250.0
TIERS_EVERY_MS = 250.0
UPLOAD_EVERY_MS = 1000.0
DEFRAGMENT_EVERY_MS = 60_000.0
TRAIN_EVERY_MS = 600_000.0
DISK_EVERY_MS = 60_000.0
LEISURE_SHARE = 0.05  # of one core

_PASSES_MAX = 4  # of defragmentation in one compaction: each leaves less than the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadsOfTier:
    """How many reads ended in a tier, and how long those took."""

    hits: int = 0
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None


NO_READS = ReadsOfTier()


class Upkeep:
    """All upkeep of one shard; one thread at a time works, any thread may tell it news."""

    def __init__(self, parts: UpkeepParts) -> None:
        self._parts = parts
        self._working = threading.RLock()
        self._has_garbage = True  # for all we know
        self._uploads_from_ms = 0.0
        self._backoff = Backoff(parts.dice)
        self._open_rows = OpenRows(parts.settings.tiers)
        workers = assembled(parts, self._open_rows)
        self._sealer = workers.sealer
        self._defragmenter = workers.defragmenter
        self._reaper = workers.reaper
        self._auditor = workers.auditor
        self._trainer = workers.trainer
        self._tiering = workers.tiering
        self._uploader = workers.uploader
        self._eviction = workers.eviction
        self._rota = Rota(parts.clock, list(self._jobs()))

    def begin(self) -> None:
        """Find out what was left to do when the shard stopped."""
        with self._working:
            if self._parts.folder is not None:
                digests = {file.digest for file in self._parts.folder.files()}
                self._tiering.adopt(heads_of(self._parts.values, digests))
            self._sealer.count()
            if self._parts.source is not None:
                adopt(self._parts.values, self._parts.commits, self._parts.source)

    def was_changed(self, tenant: str, digest: bytes, *, row_bytes: int, leaves: bool) -> bool:
        """Note a change: bytes of new rows, whether names were left behind.

        Returns whether there is something to do at once.
        """
        self._has_garbage |= leaves
        self._tiering.was_changed((tenant, digest))
        if not row_bytes:
            return False
        return self._open_rows.add(tenant, row_bytes, self._parts.clock.now_ms())

    def was_deleted(self, tenant: str, digest: bytes) -> None:
        """Note that a context is gone: nothing above the disk may keep it."""
        self._has_garbage = True
        self._tiering.was_deleted((tenant, digest))

    def was_read(self, read: WasRead) -> None:
        """Note a read."""
        self._tiering.was_read(read)

    def step(self, budget_ms: float) -> bool:
        """Work for about so long; returns whether there is more to do at once."""
        with self._working:
            return self._rota.step(budget_ms)

    def audit(self, *, repair: bool = False) -> AuditReport:
        """Hold everything stored against everything else."""
        with self._working:
            return self._auditor.audit(repair=repair)

    def compact(self) -> None:
        """Seal and defragment everything, bring L4 up to date if it answers, give space back."""
        with self._working:
            self._rota.abandon()
            _exhaust(self._reap())
            _exhaust(self._sealer.seal_all())
            for _ in range(_PASSES_MAX):
                self._has_garbage = True  # whatever was noticed: everything is looked at
                if not sum(each.rewritten + each.dropped for each in self._defragment()):
                    break
            self.flush()
            self._trainer.drop_unneeded(self._parts.clock.now_ms())
            self._parts.values.compact()

    def seal(self) -> None:
        """Seal all rows now."""
        with self._working:
            _exhaust(self._sealer.seal_all())

    def flush(self) -> bool:
        """Bring L4 up to date now; returns whether it is."""
        with self._working:
            if self._uploader is None:
                return False
            try:
                _exhaust(self._sealer.seal_all())
                _exhaust(self._uploader.one_pass())
                _exhaust(self._uploader.one_pass())  # deletes what the first made unneeded
            except ObjectStoreError as error:
                self._l4_failed(error)
                return False
            self._backoff.succeeded()
            values = self._parts.values
            return not (waiting_blocks(values) or waiting_contexts(values))

    def report(self, reads: Mapping[str, ReadsOfTier] | None = None) -> TiersReport:
        """Return what the tiers hold and what waits; `reads` by tier come from the shard."""
        parts = self._parts
        sizes = parts.values.size_bytes()
        return TiersReport(
            tiers=tuple(self._tiers(sizes, reads or {})),
            contexts=count(parts.values, Family.HEAD),
            search_bytes=sizes.get(Family.SEARCH, 0),
            backlog_blocks=waiting_blocks(parts.values),
            backlog_contexts=waiting_contexts(parts.values),
            unsealed_bytes=self._open_rows.size_bytes,
            object_store="" if parts.source is None else parts.source.objects.url,
            object_store_problem=self._backoff.problem,
        )

    @property
    def problems(self) -> Mapping[str, str]:
        """Why the last run of a job failed, by job."""
        return dict(self._rota.problems)

    def _tiers(
        self, sizes: Mapping[Family, int], reads: Mapping[str, ReadsOfTier]
    ) -> Iterator[TierReport]:
        parts, limits = self._parts, self._parts.settings.tiers
        disk = sum(size for family, size in sizes.items() if family is not Family.SEARCH)
        rows: Sequence[tuple[str, int, int | None, int]] = [
            ("L1", self._tiering.size_bytes(Level.L1), limits.l1_bytes_max, self._l1_count()),
            ("L2", parts.blocks.size_bytes, limits.l2_bytes_max, len(parts.blocks)),
            ("L3", disk, limits.l3_bytes_max, count(parts.values, Family.REFERENCE)),
        ]
        if parts.source is not None:
            l4_bytes, objects = uploaded(parts.values)
            rows = [*rows, ("L4", l4_bytes, None, objects)]
        for tier, size_bytes, limit, items in rows:
            measured = reads.get(tier, NO_READS)
            yield TierReport(
                tier=tier,
                size_bytes=size_bytes,
                limit_bytes=limit,
                items=items,
                hits=measured.hits,
                latency_ms_p50=measured.latency_ms_p50,
                latency_ms_p99=measured.latency_ms_p99,
            )

    def _l1_count(self) -> int:
        folder = self._parts.folder
        return 0 if folder is None else sum(1 for _ in folder.files())

    def _jobs(self) -> Iterator[Job]:
        now = self._parts.clock.now_ms
        yield Job(name="reap", start=self._reap, every_ms=REAP_EVERY_MS)
        yield Job(
            name="seal",
            start=self._sealer.seal_due,
            every_ms=SEAL_EVERY_MS,
            is_wanted=lambda: bool(self._open_rows.due(now())),
        )
        yield Job(
            name="tiers",
            start=self._tiering.one_pass,
            every_ms=TIERS_EVERY_MS,
            is_wanted=self._tiering.has_news,
        )
        if self._uploader is not None:
            yield Job(
                name="upload",
                start=self._upload,
                every_ms=UPLOAD_EVERY_MS,
                is_wanted=self._may_upload,
                failed=self._l4_failed,
            )
        yield self._leisurely("defragment", self._defragment, DEFRAGMENT_EVERY_MS)
        yield self._leisurely("pack again", self._pack_again, DEFRAGMENT_EVERY_MS)
        yield self._leisurely("train", self._train, TRAIN_EVERY_MS)
        if self._eviction is not None:
            yield self._leisurely("disk", self._eviction.one_pass, DISK_EVERY_MS)

    def _leisurely(self, name: str, start: Callable[[], Iterator[object]], every_ms: float) -> Job:
        """Return a job that nobody waits for: not at the start, and never most of the time."""
        first_ms = self._parts.clock.now_ms() + every_ms
        return Job(
            name=name, start=start, every_ms=every_ms, share_max=LEISURE_SHARE, due_ms=first_ms
        )

    def _reap(self) -> Iterator[None]:
        for tenant, digest in self._reaper.one_pass():
            self.was_deleted(tenant, digest)
            yield

    def _may_upload(self) -> bool:
        """Whether the outbox has waited for a seal's age, or L4 is to be asked again."""
        now_ms = self._parts.clock.now_ms()
        return now_ms >= self._uploads_from_ms and self._backoff.may_try(now_ms)

    def _upload(self) -> Iterator[None]:
        """Let L4 follow; not more often than rows are sealed, or blocks would be tiny."""
        assert self._uploader is not None
        yield from self._uploader.one_pass()
        self._backoff.succeeded()
        seal_age_ms = self._parts.settings.tiers.seal_age_ms
        self._uploads_from_ms = self._parts.clock.now_ms() + seal_age_ms

    def _l4_failed(self, error: TierfoldError) -> None:
        self._backoff.failed(str(error), self._parts.clock.now_ms())

    def _defragment(self) -> Iterator[Defragmented]:
        if self._has_garbage:
            self._has_garbage = False
            yield from self._defragmenter.one_pass()

    def _pack_again(self) -> Iterator[None]:
        """Pack what was sealed in a hurry, once there is no hurry."""
        while self._sealer.pressed and not self._parts.is_cpu_pressed():
            self._defragmenter.rewrite(*self._sealer.pressed.pop())
            yield

    def _train(self) -> Iterator[None]:
        self._trainer.drop_unneeded(self._parts.clock.now_ms())
        for tenant in tenants(self._parts.values, Family.BLOCK):
            self._trainer.train(tenant)
            yield


def _exhaust(work: Iterator[object]) -> None:
    for _ in work:
        pass
