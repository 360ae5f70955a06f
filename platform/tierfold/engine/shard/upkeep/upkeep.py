"""Upkeep of one shard: sealing, L4, expiry, defragmentation, tiers, audit, put together."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tierfold.engine.shard.operations import AuditReport, TierReport, TiersReport
from tierfold.engine.shard.upkeep.adopting import adopt
from tierfold.engine.shard.upkeep.audit.findings import Findings
from tierfold.engine.shard.upkeep.counting import (
    count,
    uploaded,
    waiting_blocks,
    waiting_contexts,
)
from tierfold.engine.shard.upkeep.defragmenting import Defragmented
from tierfold.engine.shard.upkeep.open_rows import OpenRows
from tierfold.engine.shard.upkeep.patient import PatientUpkeep, exhaust, leisurely
from tierfold.engine.shard.upkeep.prefetching import Prefetching, PrefetchParts
from tierfold.engine.shard.upkeep.read_contexts import WasRead, heads_of
from tierfold.engine.shard.upkeep.rota import Job, Rota
from tierfold.engine.shard.upkeep.space import Space
from tierfold.engine.shard.upkeep.thread import UpkeepThread
from tierfold.engine.shard.upkeep.workers import UpkeepParts, assembled
from tierfold.memory import Level
from tierfold.memory.prefetch import Evidence
from tierfold.ports import Family

__all__ = ["NO_READS", "ReadsOfTier", "Upkeep", "UpkeepParts"]

REAP_EVERY_MS = 1000.0
SEAL_EVERY_MS = 250.0
TIERS_EVERY_MS = 250.0
PREFETCH_EVERY_MS = 20.0
PREFETCH_SHARE_MAX = 0.5  # of this thread's time, with the rests between its pieces
DEFRAGMENT_EVERY_MS = 60_000.0
MAKE_ROOM_EVERY_MS = 2_000.0
URGENT_BLOCKS = 64  # of rows that are not sealed: 4 MB

_PASSES_MAX = 4  # of defragmentation in one compaction: each leaves less than the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadsOfTier:
    """How many reads ended in a tier, and how long those took."""

    hits: int = 0
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None


NO_READS = ReadsOfTier()


class Upkeep:
    """All upkeep of one shard; any thread may tell it news.

    One thread at a time works here, another one at what `patient` does.
    """

    def __init__(self, parts: UpkeepParts) -> None:
        self._parts = parts
        self._working = threading.RLock()
        self._space = Space()
        self._threads: tuple[UpkeepThread, ...] = ()
        self._open_rows = OpenRows(parts.settings.tiers)
        workers = assembled(parts, self._open_rows)
        self._sealer = workers.sealer
        self._defragmenter = workers.defragmenter
        self._reaper = workers.reaper
        self._auditor = workers.auditor
        self._objects_audit = workers.objects_audit
        self._tiering = workers.tiering
        tiers = parts.settings.tiers
        self.prefetching = Prefetching(
            PrefetchParts(
                tiering=workers.tiering,
                info=parts.info,
                folder=parts.folder,
                room_bytes=int(tiers.l1_bytes_max * tiers.high_watermark),
                clock=parts.clock,
            )
        )
        self.patient = PatientUpkeep(parts, workers, self._space, was_deleted=self.was_deleted)
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
        if leaves:
            self._space.has_garbage = self._space.has_deleted = True
        self.prefetching.was_changed((tenant, digest))
        self._tiering.was_changed((tenant, digest))
        if not row_bytes:
            return False
        return self._open_rows.add(tenant, row_bytes, self._parts.clock.now_ms())

    def was_deleted(self, tenant: str, digest: bytes) -> None:
        """Note that a context is gone: nothing above the disk may keep it."""
        self._space.has_garbage = self._space.has_deleted = True
        self.prefetching.was_deleted((tenant, digest))
        self._tiering.was_deleted((tenant, digest))

    def was_read(self, read: WasRead) -> None:
        """Note a read."""
        self.prefetching.was_read(read.key, read.tokenizer, tier=read.tier)
        self._tiering.was_read(read)

    def hint(self, tenant: str, digest: bytes, evidence: Evidence) -> None:
        """Note that a context will be read soon, as a change of it shows: it keeps its place."""
        self._tiering.hint([(tenant, digest)], evidence)

    def pin(self, tenant: str, digest: bytes, size_bytes: int, until_ms: int) -> None:
        """Keep a context of so many bytes above the disk; raises PinBudgetError."""
        self._tiering.pin((tenant, digest), size_bytes, until_ms)

    def unpin(self, tenant: str, digest: bytes) -> None:
        """End a pin."""
        self._tiering.unpin((tenant, digest))

    def is_pinned(self, tenant: str, digest: bytes) -> bool:
        """Whether a context is kept above the disk."""
        return self._tiering.is_pinned((tenant, digest))

    def resize(self, level: Level, bytes_max: int) -> None:
        """Change the limit of L1 or L2 while it works; what is too much goes down."""
        self._tiering.resize(level, bytes_max)

    def step(self, budget_ms: float) -> bool:
        """Work for about so long; returns whether there is more to do at once."""
        with self._working:
            return self._rota.step(budget_ms)

    def close(self) -> None:
        """Stop what works elsewhere for us, once no step is done any more."""
        self._tiering.close()

    def audit(self, *, repair: bool = False) -> AuditReport:
        """Hold everything stored against everything else, and against what L4 has."""
        findings = Findings(repair=repair)
        with self._working:
            self._auditor.check(findings)
        if self._objects_audit is not None and self._objects_audit.check(findings):
            self.patient.flush()
        return findings.report()

    def compact(self) -> None:
        """Seal and defragment everything, bring L4 up to date if it answers, give space back."""
        with self._working:
            self._rota.abandon()
            self._defragmenter.begin_anew()
            exhaust(self._reap())
            exhaust(self._sealer.seal_all())
            for _ in range(_PASSES_MAX):
                self._space.has_garbage = True  # whatever was noticed: everything is looked at
                if not sum(each.rewritten + each.dropped for each in self._defragment()):
                    break
        self.patient.flush()
        self.patient.drop_unneeded()
        self._parts.values.compact()

    def seal(self) -> None:
        """Seal all rows now."""
        with self._working:
            exhaust(self._sealer.seal_all())

    def flush(self) -> bool:
        """Bring L4 up to date now; returns whether it is."""
        self.seal()
        return self.patient.flush()

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
            object_store_problem=self.patient.l4_problem,
            upkeep_problem=self._problem(),
            passes=(*self._rota.reports(), *self.patient.reports()),
            choice=self._tiering.explain(),
            prefetch={each.value: of for each, of in self.prefetching.figures().items()},
            prefetch_coverage=self.prefetching.coverage(),
        )

    def _problem(self) -> str:
        """Return what fails, but for what is said of the object store already."""
        known = self.patient.l4_problem
        return "; ".join(f"{job}: {why}" for job, why in self.problems.items() if why != known)

    @property
    def problems(self) -> Mapping[str, str]:
        """Why the last run of a job failed, by job."""
        threads = {each.name: each.problem for each in self._threads if each.problem}
        return {**self._rota.problems, **self.patient.problems, **threads}

    @property
    def urgency(self) -> float:
        """How far rows that wait to be sealed have piled up: 0 none, 1 so many that all hurries."""
        return self._open_rows.size_bytes / (URGENT_BLOCKS * self._parts.settings.tiers.seal_bytes)

    def watch(self, *threads: UpkeepThread) -> None:
        """Report the problems of the threads that work here, too."""
        self._threads = threads

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
        further = sum(each.hits for each in reads.values())
        for tier, size_bytes, limit, items in rows:
            measured = reads.get(tier, NO_READS)
            further -= measured.hits
            report = TierReport(
                tier=tier,
                size_bytes=size_bytes,
                limit_bytes=limit,
                items=items,
                hits=measured.hits,
                latency_ms_p50=measured.latency_ms_p50,
                latency_ms_p99=measured.latency_ms_p99,
                misses=further,
            )
            yield self._tiering.described(report)

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
        yield Job(
            name="prefetch",
            start=self.prefetching.one_pass,
            every_ms=PREFETCH_EVERY_MS,
            share_max=PREFETCH_SHARE_MAX,
            is_wanted=self.prefetching.has_work,
        )
        yield Job(
            name="build",
            start=self._tiering.build_pass,
            every_ms=TIERS_EVERY_MS,
            is_wanted=self._tiering.wants_builds,
        )
        yield Job(
            name="make room",
            start=self._defragment,
            every_ms=MAKE_ROOM_EVERY_MS,
            is_wanted=lambda: self._space.has_garbage and not self._parts.values.has_room(),
        )
        yield leisurely("defragment", self._defragment, DEFRAGMENT_EVERY_MS, now_ms=now())
        yield leisurely("pack again", self._pack_again, DEFRAGMENT_EVERY_MS, now_ms=now())

    def _reap(self) -> Iterator[None]:
        for tenant, digest in self._reaper.one_pass():
            self.was_deleted(tenant, digest)
            yield

    def _defragment(self) -> Iterator[Defragmented]:
        if not self._space.has_garbage:
            return
        self._space.has_garbage = False
        for each in self._defragmenter.one_pass():
            self._space.has_deleted |= each.dropped > 0
            yield each

    def _pack_again(self) -> Iterator[None]:
        """Pack what was sealed in a hurry, once there is no hurry."""
        while self._sealer.pressed and not self._parts.is_cpu_pressed():
            self._defragmenter.rewrite(*self._sealer.pressed.pop())
            yield
