"""What each figure must reach, as the issues state it, and whether it did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.remembered import Found

Side = Literal[">=", "<=", ">", "="]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One figure of one bench and its bound."""

    bench: str
    key: str
    side: Side
    bound: float
    about: str
    is_of_data: bool = False  # the target is one on the real sets

    def verdict(self, figure: object) -> str:
        """Return met, or by how much it was missed."""
        if not isinstance(figure, int | float):
            return "not measured"
        miss = {
            ">=": self.bound - figure,
            "<=": figure - self.bound,
            "=": abs(figure - self.bound),
            ">": self.bound - figure,
        }[self.side]
        if miss < 0 or (miss == 0 and self.side != ">"):
            return "met"
        share = f" ({miss / self.bound:.0%})" if self.bound else ""
        return f"missed by {miss:.3g}{share}"


_CACHE: tuple[tuple[str, Side, float, str], ...] = (
    ("gap_closed", ">=", 0.27, "share of the way from LRU to the clairvoyant bound"),
    ("regret_mean_points", "<=", 0.5, "hundredths of the accesses missed beyond the best policy"),
    ("cells_within_1pct", ">=", 0.8, "share of cells within 1 % of the best policy"),
    ("regret_max_pct", "<=", 5, "its worst cell, in percent of what the best policy misses"),
)
TARGETS = (
    *(
        target
        for percent, gain in (("25", 0.07), ("10", 0.10), ("05", 0.09))
        for target in (
            Target(
                bench="quality",
                key=f"gain_{percent}",
                side=">=",
                bound=gain,
                about=f"recall gained over stemmed BM25, {int(percent)} % of tokens",
                is_of_data=True,
            ),
            Target(
                bench="quality",
                key=f"gain_low_{percent}",
                side=">",
                bound=0,
                about="its lower 95 % bound",
                is_of_data=True,
            ),
        )
    ),
    *(
        Target(bench="quality", key=key, side="=", bound=0, about=about)
        for key, about in (
            ("overshoots", "answers over their budget"),
            ("split_atoms", "tool exchanges and parts cut in two"),
            ("invalid_json", "JSON that no longer parses"),
            ("nondeterministic", "answers that differ from one time to the next"),
        )
    ),
    Target(
        bench="latency",
        key="warm_128k_cpu_ms",
        side="<=",
        bound=3,
        about="CPU ms of a question on 128k prepared tokens",
    ),
    Target(
        bench="latency",
        key="warm_128k_vs_bm25_query",
        side="<=",
        bound=8,
        about="its scoring and selection over a numpy BM25 query",
    ),
    Target(
        bench="latency",
        key="cold_32k_vs_bm25s",
        side="<=",
        bound=2,
        about="32k tokens never seen, over bm25s' build and query",
    ),
    Target(
        bench="latency",
        key="growth_exponent",
        side="<=",
        bound=1.05,
        about="exponent of CPU against tokens",
    ),
    Target(
        bench="cli",
        key="overhead_vs_import",
        side="<=",
        bound=3,
        about="the command less its pipeline, over its imports",
    ),
    Target(
        bench="http",
        key="overhead_vs_echo",
        side="<=",
        bound=3.5,
        about="HTTP less handler, over an echo",
    ),
    Target(bench="http", key="livez_max_ms", side="<=", bound=250, about="slowest /livez"),
    Target(bench="http", key="errors", side="=", bound=0, about="answers that went wrong"),
    *(
        Target(bench="storage", key=key, side="<=", bound=bound, about=about, is_of_data=True)
        for key, bound, about in (
            ("tau_vs_raw", 1 / 45, "tau's resent histories on disk, over their raw bytes"),
            ("swe_vs_raw", 1 / 27, "SWE-agent's"),
            ("all_vs_raw", 1 / 38, "both together"),
            ("all_vs_zstd", 1 / 11, "both, over zstd-3 of each request"),
        )
    ),
    Target(
        bench="storage",
        key="append_vs_rocksdb",
        side=">=",
        bound=0.5,
        about="appends a second, 32 callers, over bare RocksDB's records",
    ),
    *(
        Target(bench="storage", key=key, side="<=", bound=bound, about=about)
        for key, bound, about in (
            ("l0_read_us", 50, "us to what this process holds"),
            ("l1_first_vs_l3", 1 / 3, "first touch of a mapped context, over a read of the disk"),
            ("l1_second_ms", 1, "ms of the next touch"),
            ("idle_context_bytes", 200, "resident bytes of a sealed context nobody asks"),
            ("append_growth_bytes", 1.5, "bytes written by an append in a long context"),
            ("append_growth_cpu", 1.5, "CPU of the same, over a short context's"),
            ("head_bytes_max", 2048, "bytes of a manifest's head"),
            ("restart_100k_s", 10, "s to ready with 100,000 contexts on disk"),
        )
    ),
    *(
        Target(bench="durability", key=key, side="=", bound=0, about=about)
        for key, about in (
            ("lost", "acknowledged rows that are not there after kill -9"),
            ("torn", "rows and blocks that are damaged after it"),
        )
    ),
    Target(
        bench="stored",
        key="handler_128k_cpu_ms",
        side="<=",
        bound=3,
        about="CPU ms of a question on 128k stored tokens",
    ),
    Target(
        bench="stored",
        key="http_p50_vs_echo",
        side="<=",
        bound=6,
        about="the same over HTTP, over an echo of the answer's size",
    ),
    Target(
        bench="stored",
        key="overhead_vs_echo",
        side="<=",
        bound=3,
        about="HTTP less handler, over the echo",
    ),
    Target(
        bench="stored",
        key="http_8k_rps_vs_echo",
        side=">=",
        bound=0.28,
        about="answers a second on 8k stored tokens, 16 connections, over the echo",
    ),
    *(
        Target(bench="cache", key=key, side=side, bound=bound, about=about, is_of_data=True)
        for key, side, bound, about in _CACHE
    ),
    Target(
        bench="cache",
        key="slowest_policy_vs_dict",
        side=">=",
        bound=0.1,
        about="accesses a second of the slowest policy, over an OrderedDict LRU",
    ),
    *(
        Target(bench="tiers", key=key, side="<=", bound=bound, about=about, is_of_data=True)
        for key, bound, about in (
            ("coding_agent", 0.58, "mean cost of a block over inclusive LRU's, coding agents"),
            ("mooncake", 0.62, "the same, a chat service"),
            ("oltp", 0.72, "the same, a database"),
            ("coding_agent_batched", 0.35, "coding agents, read ahead in batches"),
            ("mooncake_batched", 0.15, "the chat service, read ahead in batches"),
            ("slowest_coding_agent", 0.60, "a request's slowest block, coding agents"),
            ("slowest_mooncake", 0.63, "the same, the chat service"),
            ("disk_writes_vs_footprint", 2.5, "bytes written to the disk tier, over all there are"),
        )
    ),
    Target(
        bench="tiers",
        key="prefetch_accuracy",
        side=">=",
        bound=0.8,
        about="share of what is read ahead that is used",
        is_of_data=True,
    ),
)


def table_of_targets(found: Mapping[str, Found]) -> Iterable[str]:
    """Yield the lines of a Markdown table: target, figure, whether it is met, day and command."""
    yield "| target | figure | | day | command |"
    yield "|---|---|---|---|---|"
    for target in TARGETS:
        run = found.get(target.bench)
        if run is None:
            continue
        figure = (run.figures or {}).get(target.key)
        bound = f"`{target.key}` {target.side} {target.bound:g}: {target.about}"
        shown = "null" if figure is None else f"{figure:.4g}"
        is_asked = run.has_data or not target.is_of_data
        verdict = target.verdict(figure) if is_asked else "on generated contexts: no target"
        yield f"| {bound} | {shown} | {verdict} | {run.day} | `{run.command}` |"
