"""What was found and what the tiers hold, as documents."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tierfold.engine.shard.operations import Hits, TiersReport
from tierfold.engine.shard.quantile import quantile
from tierfold.engine.shard.tier_bodies import choice_body, prefetch_body, tier_body
from tierfold.engine.working import WorkingSetsReport

Document = dict[str, Any]

_SHARD_TIERS = ("L1", "L2", "L3", "L4")
_L4_AWAY = "it does not answer, or refuses us"
_UPKEEP_FAILS = "a job of its upkeep failed the last time"
_SUMMED = ("size_bytes", "items", "hits", "misses", "promotions", "demotions", "pinned_bytes")


def search_body(found: Hits, ignored_fields: tuple[str, ...] = ()) -> Document:
    """Return what was found, the best first."""
    data = [
        {
            "context": hit.context,
            "item": hit.item,
            "score": round(hit.score, 4),
            "text": hit.text,
            "handle": hit.handle,
        }
        for hit in found.hits
    ]
    return {
        "object": "list",
        "data": data,
        "segments_waiting": found.segments_waiting,
        "ignored_fields": list(ignored_fields),
    }


def tiers_body(
    reports: Sequence[TiersReport],
    l0: WorkingSetsReport,
    l0_latency_ms: Iterable[float],
    *,
    is_open: bool,
) -> Document:
    """Return the tiers of each shard, of this process, and their sums.

    Where there are several tenants (not `is_open`), none learns where the object store is.
    """
    shards = [_shard(number, report, is_open=is_open) for number, report in enumerate(reports)]
    here = _l0(l0, sorted(l0_latency_ms))
    sums = [_sum(tier, shards) for tier in _SHARD_TIERS]
    return {"shards": shards, "l0": here, "tiers": [here, *sums]}


def _shard(number: int, report: TiersReport, *, is_open: bool) -> Document:
    return {
        "shard": number,
        "tiers": [tier_body(tier) for tier in report.tiers],
        "contexts": report.contexts,
        "search_bytes": report.search_bytes,
        "unsealed_bytes": report.unsealed_bytes,
        "backlog": {"blocks": report.backlog_blocks, "contexts": report.backlog_contexts},
        "object_store": _object_store(report, is_open=is_open),
        "problem": _problem(report, is_open=is_open),
        "upkeep": [asdict(each) for each in report.passes],
        "choice": choice_body(report),
        "prefetch": prefetch_body(report),
    }


def _object_store(report: TiersReport, *, is_open: bool) -> Document:
    url, problem = report.object_store, report.object_store_problem
    if is_open:
        return {"url": url, "problem": problem}
    scheme, colon, _ = url.partition(":")
    return {"url": scheme + colon, "problem": _L4_AWAY if problem else ""}


def _problem(report: TiersReport, *, is_open: bool) -> str:
    return report.upkeep_problem if is_open or not report.upkeep_problem else _UPKEEP_FAILS


def _l0(report: WorkingSetsReport, latency_ms: Sequence[float]) -> Document:
    return {
        "tier": "L0",
        "size_bytes": report.size_bytes,
        "limit_bytes": report.limit_bytes,
        "items": report.items,
        "hits": report.hits,
        "misses": report.misses,
        "latency_ms": {"p50": quantile(latency_ms, 0.5), "p99": quantile(latency_ms, 0.99)},
    }


def _sum(name: str, shards: Sequence[Document]) -> Document:
    """Add up a tier of all shards; no latencies can be added, so the slowest shard's stand."""
    tiers = [tier for shard in shards for tier in shard["tiers"] if tier["tier"] == name]
    limits = [tier["limit_bytes"] for tier in tiers]
    return {
        "tier": name,
        **{field: sum(tier[field] for tier in tiers) for field in _SUMMED},
        "limit_bytes": None if None in limits else sum(limits),
        "order": ", ".join(dict.fromkeys(tier["order"] for tier in tiers if tier["order"])),
        "latency_ms": {
            quantile: max(
                (t["latency_ms"][quantile] for t in tiers if t["latency_ms"][quantile] is not None),
                default=None,
            )
            for quantile in ("p50", "p99")
        },
    }
