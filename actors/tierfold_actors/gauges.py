"""What a shard's tiers hold and what waits, as metrics of Ray's."""

import logging
import threading
from collections.abc import Callable

from ray.util.metrics import Gauge

from tierfold.engine.shard.operations import GetTiers, Operation, Result, TiersReport
from tierfold.engine.shard.upkeep.unforeseen import described, is_to_survive, pause_ms

_INTERVAL_S = 10.0

_log = logging.getLogger(__name__)


class TierGauges:
    """The gauges of one shard."""

    def __init__(self, shard: str) -> None:
        self._shard = {"shard": shard}
        self._unsealed = _gauge("tierfold_unsealed_bytes", "bytes that are in no block yet")
        self._blocks = _gauge("tierfold_backlog_blocks", "blocks that L4 does not have yet")
        self._contexts = _gauge("tierfold_backlog_contexts", "contexts changed since L4 has them")
        self._sizes = _gauge("tierfold_tier_bytes", "bytes that a tier holds", "tier")
        self._hits = _gauge("tierfold_tier_hits", "reads that ended in a tier", "tier")
        self._misses = _gauge("tierfold_tier_misses", "reads that went further down", "tier")
        self._ups = _gauge("tierfold_tier_promotions", "contexts brought up to a tier", "tier")
        self._downs = _gauge("tierfold_tier_demotions", "contexts gone down from a tier", "tier")
        self._pinned = _gauge("tierfold_tier_pinned_bytes", "bytes that pins hold", "tier")
        self._orders = _gauge("tierfold_tier_order", "1 for the order that decides", "order")
        self._costs = _gauge(
            "tierfold_tier_order_cost_ms", "what a request would cost in each order", "order"
        )
        self._accuracy = _gauge(
            "tierfold_prefetch_accuracy", "contexts read of those read ahead", "evidence"
        )
        self._wasted = _gauge(
            "tierfold_prefetch_wasted_bytes", "bytes read ahead in vain", "evidence"
        )

    def set(self, report: TiersReport) -> None:
        """Show what a report says."""
        self._unsealed.set(report.unsealed_bytes, self._shard)
        self._blocks.set(report.backlog_blocks, self._shard)
        self._contexts.set(report.backlog_contexts, self._shard)
        for tier in report.tiers:
            tags = {**self._shard, "tier": tier.tier}
            self._sizes.set(tier.size_bytes, tags)
            self._hits.set(tier.hits, tags)
            self._misses.set(tier.misses, tags)
            self._ups.set(tier.promotions, tags)
            self._downs.set(tier.demotions, tags)
            self._pinned.set(tier.pinned_bytes, tags)
        self._show_choice(report)
        for evidence, figures in report.prefetch.items():
            tags = {**self._shard, "evidence": evidence}
            self._wasted.set(figures.wasted_bytes, tags)
            if figures.accuracy is not None:
                self._accuracy.set(figures.accuracy, tags)

    def _show_choice(self, report: TiersReport) -> None:
        if report.choice is None:
            return
        for order, cost_ms in report.choice.losses.items():
            tags = {**self._shard, "order": order}
            self._orders.set(float(order == report.choice.expert), tags)
            self._costs.set(cost_ms, tags)


class GaugeThread:
    """Asks a shard every few seconds and shows what it says, until it is closed.

    Whatever goes wrong, it asks again, later and later.
    """

    def __init__(self, ask: Callable[[tuple[Operation, ...]], list[Result]], shard: str) -> None:
        self._ask = ask
        self._gauges = TierGauges(shard)
        self._is_closed = threading.Event()
        self._failures_in_row = 0
        self.failures = 0  # that nobody foresaw
        self.problem = ""  # of the last time; "" where that went well
        self._thread = threading.Thread(target=self._run, name=f"gauges-{shard}", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Return whether it still asks."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop."""
        self._is_closed.set()
        self._thread.join()

    def _run(self) -> None:
        wait_s = _INTERVAL_S
        while not self._is_closed.wait(wait_s):
            try:
                self._show()
            except BaseException as error:
                if not is_to_survive(error):
                    raise
                self._note(error)
            else:
                self._failures_in_row, self.problem = 0, ""
            wait_s = max(_INTERVAL_S, pause_ms(self._failures_in_row) / 1000)

    def _show(self) -> None:
        (report,) = self._ask((GetTiers(),))
        if isinstance(report, TiersReport):
            self._gauges.set(report)

    def _note(self, error: BaseException) -> None:
        self.failures += 1
        self._failures_in_row += 1
        self.problem = described(error)
        _log.error("%s failed, %s; it is tried again", self._thread.name, self.problem)


def _gauge(name: str, meaning: str, *tags: str) -> Gauge:
    return Gauge(name, description=meaning, tag_keys=("shard", *tags))
