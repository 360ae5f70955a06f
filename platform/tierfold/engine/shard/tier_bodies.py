"""What the tiers of a shard hold and who decides in them, as documents."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tierfold.engine.shard.operations import TierReport, TiersReport

Document = dict[str, Any]

_COUNTED = ("size_bytes", "limit_bytes", "items", "hits", "misses")
_DECIDED = ("order", "promotions", "demotions", "pinned_bytes", "tenant_bytes_max", "problem")


def tier_body(tier: TierReport) -> Document:
    """Return one tier."""
    return {
        "tier": tier.tier,
        **{name: getattr(tier, name) for name in _COUNTED},
        "latency_ms": {"p50": tier.latency_ms_p50, "p99": tier.latency_ms_p99},
        **{name: getattr(tier, name) for name in _DECIDED},
    }


def choice_body(report: TiersReport) -> Document | None:
    """Return why the present order decides in L1 and L2; None where one is set.

    The costs are those of sampled requests in shadows, in the milliseconds of a model.
    """
    choice = report.choice
    if choice is None:
        return None
    return {
        "order": choice.expert,
        "reason": choice.reason.value,
        "since_window": choice.since_window,
        "windows": choice.windows,
        "changes": choice.changes,
        "cost_ms": {name: round(cost, 4) for name, cost in choice.losses.items()},
        "own_cost_ms": round(choice.own_loss, 4),
        "sampling": choice.sampling,
        "problem": choice.problem,
    }


def prefetch_body(report: TiersReport) -> Document:
    """Return what reading ahead has brought, by evidence."""
    figures: Mapping[str, Any] = {
        evidence: {**asdict(each), "accuracy": each.accuracy}
        for evidence, each in report.prefetch.items()
    }
    return {"coverage": report.prefetch_coverage, "evidence": figures}
