"""A hierarchy whose order changes with what is read; recency at first, and in trouble."""

from collections.abc import Mapping, Sequence

from tierfold.memory.adaptive import FALLBACK, Explanation
from tierfold.memory.hierarchy.hierarchy import Hierarchy
from tierfold.memory.hierarchy.moves import Request
from tierfold.memory.hierarchy.placement import MayLeave
from tierfold.memory.hierarchy.settings import HierarchySettings, Prices, RankSettings
from tierfold.memory.hierarchy.tenants import TenantOf
from tierfold.memory.hierarchy.trials import Trials
from tierfold.memory.policies import Key

RECENCY = RankSettings(counts_uses=False, doubts_newcomers=False)
ORDERS: Mapping[str, RankSettings] = {FALLBACK: RECENCY, "context": RankSettings()}
ORDERS_OF_WHOLES: Mapping[str, RankSettings] = {  # where each key is a context of its own
    **ORDERS,
    "density": RankSettings(kappa=3.0, size_weight=1.0),
}


class AdaptiveHierarchy(Hierarchy):
    """Follows the order whose shadow costs the least.

    A change moves nothing: what is ranked already keeps its rank until it is read.
    """

    def __init__(
        self,
        settings: HierarchySettings,
        *,
        prices: Prices,
        orders: Mapping[str, RankSettings] = ORDERS,
        tenant_of: TenantOf | None = None,
        may_leave: MayLeave = lambda _key: True,
    ) -> None:
        """Take what one key costs to read in each level, and below them all."""
        self._orders = {**orders, FALLBACK: orders.get(FALLBACK, RECENCY)}
        super().__init__(settings, tenant_of=tenant_of, may_leave=may_leave)
        self._trials = Trials(settings, self._orders, prices=prices, tenant_of=tenant_of)
        self.follow(self._orders[FALLBACK])

    def access(self, request: Request, now_ms: float) -> list[int]:
        """Note a request; returns for each key where it was found: a level, or `below`."""
        found = super().access(request, now_ms)
        before = self._trials.chosen
        self._trials.note(request, found, contexts=self.contexts_max, now_ms=now_ms)
        chosen = self._trials.chosen
        if chosen != before:
            self.follow(self._orders[chosen])
        return found

    def measured(self, key: Key, bytes_here: int) -> None:
        """Note what a key really takes in its level."""
        self._trials.measured(key, self.place(key), bytes_here)
        super().measured(key, bytes_here)

    def supersede(self, keys: Sequence[Key]) -> None:
        """Send keys of which a newer version exists below all levels, pinned or not."""
        super().supersede(keys)
        self._trials.supersede(keys)

    def forget(self, keys: Sequence[Key]) -> None:
        """Drop all memory of keys that were deleted; nothing is moved."""
        super().forget(keys)
        self._trials.forget(keys)

    def resize(self, level: int, bytes_max: int) -> None:
        """Change a level's limit."""
        super().resize(level, bytes_max)
        self._trials.resize(level, bytes_max)

    def explain(self) -> Explanation:
        """Return who decides and the costs that say why, in ms of a request."""
        return self._trials.explain()
