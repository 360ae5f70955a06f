"""What a block costs in the memory hierarchy, against tiers that each hold a copy by recency.

`python -m benchmarks.tiers [--data DIR] [--quick]`. L0 to L3 hold 1, 2, 6 and 20 % of a trace's
footprint (and, for information, .1, 1, 3 and 10 %); a block costs 5 us, 1, 3, 10 and 100 ms there
and below. First accesses are free, means are over re-reads. One configuration, the default, runs on
all traces. `batched` reads a conversation's last request ahead at the first block of the next: the
blocks that wait for the batch are found in L1, but a request's slowest block counts as long as the
batch waited for. Without `--data` the traces are generated; with it they are those below DIR.
"""

import multiprocessing as mp
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.meter import Options, finish, joined, null, parse, parser, say, table
from benchmarks.pictures import draw
from benchmarks.tiers_traces import KINDS, TierSource, data_sources, generated_sources
from tierfold.sim.tier_model import LARGE, SMALL, TierCosts, TierShares
from tierfold.sim.tiers import hierarchy_for, read_ahead, replay_inclusive, replay_tiers

HANDBOOK_MS = {"mooncake_conv": 11.06, "claudecode_dev": 2.287, "arc_oltp": 11.85}
TOLERANCE_MS = 0.006  # the last digit of what is published
CASE_S_MAX = 900.0
BATCHED = ("coding_agent", "mooncake")  # databases have no conversations
KEYS = {
    "coding_agent": ("coding_agent", "coding_agent_batched", "slowest_coding_agent"),
    "mooncake": ("mooncake", "mooncake_batched", "slowest_mooncake"),
    "oltp": ("oltp",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One trace in tiers of one set of sizes."""

    source: TierSource
    shares: TierShares


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one case cost."""

    case: Case
    inclusive: TierCosts
    tiers: TierCosts
    batched: TierCosts | None

    @property
    def kind(self) -> str:
        """The kind of its trace."""
        return self.case.source.kind

    @property
    def is_reproduced(self) -> bool:
        """Whether the baseline costs what is published, for whole traces where it is."""
        published = HANDBOOK_MS.get(self.case.source.name)
        is_whole = self.case.source.accesses is None
        return not (published and is_whole) or (
            abs(self.inclusive.mean_ms - published) <= TOLERANCE_MS
        )

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yield a line of the table for each system."""
        for costs in (self.inclusive, self.tiers, self.batched):
            if costs is not None:
                yield (
                    self.case.source.name,
                    self.case.shares.name,
                    costs.system,
                    costs.mean_ms,
                    costs.mean_ms / self.inclusive.mean_ms,
                    costs.slowest_mean_ms,
                    costs.slowest_mean_ms / self.inclusive.slowest_mean_ms,
                    costs.slowest_p99_ms,
                    costs.disk_writes_vs_footprint,
                    costs.memory_writes_vs_footprint,
                    "/".join(f"{hits / sum(costs.hits):.3f}" for hits in costs.hits),
                )


def main() -> None:
    """Replay and print."""
    options = parse(parser(__doc__))
    generated = compared(generated_sources(quick=options.quick), options)
    parts: list[Mapping[str, Any]] = []
    if options.data is None:
        parts.append(figures(generated))
        picture(generated)
    else:
        real = compared(data_sources(options.data, quick=options.quick), options)
        parts += [counted(real), {"generated": figures(generated)}]
        picture(real)
    finish(joined(*parts))


def compared(sources: Sequence[TierSource], options: Options) -> list[Compared]:
    """Return what every case cost; as many run at a time as there are cores."""
    sizes = (LARGE,) if options.quick else (LARGE, SMALL)
    cases = [Case(source=source, shares=shares) for shares in sizes for source in sources]
    if not cases:
        return []
    with mp.get_context("spawn").Pool(min(os.cpu_count() or 1, len(cases))) as pool:
        done = pool.map_async(run, cases, chunksize=1).get(timeout=CASE_S_MAX * len(cases))
    show(done)
    return done


def run(case: Case) -> Compared:
    """Replay one trace through the baseline, the hierarchy, and the hierarchy reading ahead."""
    trace = case.source.read()
    batched = None
    if case.source.kind in BATCHED:
        hierarchy = hierarchy_for(trace, case.shares)
        batched = replay_tiers(trace, hierarchy, name="batched", prefetcher=read_ahead())
    return Compared(
        case=case,
        inclusive=replay_inclusive(trace, case.shares),
        tiers=replay_tiers(trace, hierarchy_for(trace, case.shares)),
        batched=batched,
    )


def show(done: Sequence[Compared]) -> None:
    """Print what everything cost."""
    header = ("trace", "tiers", "system", "ms", "ratio", "slowest ms", "ratio", "p99 ms")
    table(
        (*header, "disk writes", "memory writes", "found in L0/1/2/3/below"),
        [row for each in done for row in each.rows()],
    )
    for each in done:
        if each.batched is not None and each.batched.accuracy is not None:
            say(
                f"{each.case.source.name}, {each.case.shares.name}: read ahead with accuracy "
                f"{each.batched.accuracy:.3f}, coverage {each.batched.coverage or 0:.3f}, "
                f"{each.batched.wasted_bytes:,} bytes in vain"
            )
        for problem in (*each.tiers.problems, *(each.batched.problems if each.batched else ())):
            say(f"{each.case.source.name}: a policy failed: {problem}")


def figures(done: Sequence[Compared]) -> dict[str, Any]:
    """Return the figures of the large tiers; of several traces of a kind, the means."""
    large = [each for each in done if each.case.shares == LARGE]
    found: dict[str, Any] = {}
    for kind in KINDS:
        found |= of_kind(kind, [each for each in large if each.kind == kind])
    costs = [each.tiers for each in large] + [each.batched for each in large if each.batched]
    accuracies = [cost.accuracy for cost in costs if cost.accuracy is not None]
    return found | {
        "disk_writes_vs_footprint": max(cost.disk_writes_vs_footprint for cost in costs),
        "prefetch_accuracy": min(accuracies, default=None),
        "small_tiers": {
            each.case.source.name: each.tiers.mean_ms / each.inclusive.mean_ms
            for each in done
            if each.case.shares == SMALL
        },
    }


def of_kind(kind: str, cases: Sequence[Compared]) -> dict[str, Any]:
    """Return a kind's ratios and its baseline's own figures, or say that there is no trace."""
    if not cases:
        return null("no trace of this kind", *KEYS[kind])
    ratios = {
        kind: fmean(each.tiers.mean_ms / each.inclusive.mean_ms for each in cases),
        f"inclusive_{kind}_ms": fmean(each.inclusive.mean_ms for each in cases),
        f"inclusive_slowest_{kind}_ms": fmean(each.inclusive.slowest_mean_ms for each in cases),
    }
    if kind in BATCHED:
        batched = [(each.batched, each.inclusive) for each in cases if each.batched]
        ratios[f"slowest_{kind}"] = fmean(
            each.tiers.slowest_mean_ms / each.inclusive.slowest_mean_ms for each in cases
        )
        ratios[f"{kind}_batched"] = fmean(b.mean_ms / i.mean_ms for b, i in batched)
        ratios[f"slowest_{kind}_batched"] = fmean(
            b.slowest_mean_ms / i.slowest_mean_ms for b, i in batched
        )
    return ratios


def counted(done: Sequence[Compared]) -> dict[str, Any]:
    """Return the figures; null are those whose baseline is not the published one."""
    if not done:
        keys = [key for kind in KINDS for key in KEYS[kind]]
        return null("no trace below --data", *keys, "disk_writes_vs_footprint", "prefetch_accuracy")
    found = figures(done)
    wrong = [each for each in done if each.case.shares == LARGE and not each.is_reproduced]
    nulls = [
        null(
            f"the baseline costs {each.inclusive.mean_ms:.3f} ms on {each.case.source.name}, "
            f"published are {HANDBOOK_MS[each.case.source.name]}",
            *KEYS[each.kind],
        )
        for each in wrong
    ]
    return joined(found, *nulls)


def picture(done: Sequence[Compared]) -> None:
    """Draw what each system costs, trace by trace."""
    large = [each for each in done if each.case.shares == LARGE]
    places = [float(at) for at in range(len(large))]
    lines = {
        "inclusive LRU": (places, [each.inclusive.mean_ms for each in large]),
        "tierfold": (places, [each.tiers.mean_ms for each in large]),
        "tierfold, batched": (
            [at for at, each in zip(places, large, strict=True) if each.batched],
            [each.batched.mean_ms for each in large if each.batched],
        ),
    }
    names = ", ".join(f"{at:g} {each.case.source.name}" for at, each in enumerate(large))
    draw("tiers", lines, x_label=f"trace: {names}", y_label="mean ms of a block")


if __name__ == "__main__":
    main()
