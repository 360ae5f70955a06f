"""Which order would cost the least: small hierarchies, one for each, told of a sample of requests.

A context is in the sample or it is not, whole: so a request's slowest part is known for each order.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from tierfold.errors import InvalidInputError
from tierfold.memory.adaptive import FALLBACK, Explanation, Selector, stable_hash
from tierfold.memory.adaptive.sample import is_under, limit_of, rate_for
from tierfold.memory.adaptive.selector import Window
from tierfold.memory.hierarchy.hierarchy import Hierarchy
from tierfold.memory.hierarchy.moves import Request
from tierfold.memory.hierarchy.settings import HierarchySettings, Prices, RankSettings
from tierfold.memory.hierarchy.tenants import TenantOf
from tierfold.memory.policies import Key

WINDOW_CAPACITIES = 0.5  # requests in a window, for each context that all levels can hold
CHANGE_CAPACITIES = 0.05  # requests whose cost a change of orders is worth, for each likewise
CHANGE_SAMPLES = 64  # that must differ at least: fewer are chance
WINDOW_MIN = 128  # requests that the shadows see
WINDOW_MAX = 100_000


class Trials:
    """Shadows of all orders, what each has cost, and who decides."""

    def __init__(
        self,
        settings: HierarchySettings,
        orders: Mapping[str, RankSettings],
        *,
        prices: Prices,
        tenant_of: TenantOf | None = None,
    ) -> None:
        if len(prices.ms) != len(settings.levels) + 1:
            problem = f"{len(prices.ms)} prices: give one per level and one for below them all"
            raise InvalidInputError(problem, path="prices")
        self._settings = settings
        self._orders = dict(orders)
        self._prices = prices
        self._tenant_of = tenant_of
        self._selector = Selector()
        self._rate, self._limit = 1, limit_of(1)
        self._shadows = self._fresh()
        self._costs_ms = dict.fromkeys(self._orders, 0.0)
        self._own_ms = self._own_last_ms = 0.0
        self._seen, self._left = 0, WINDOW_MIN
        self._changes = 0
        self._problem = ""

    @property
    def chosen(self) -> str:
        """The order that decides."""
        return self._selector.chosen

    def note(
        self, request: Request, found: Sequence[int], *, contexts: float, now_ms: float
    ) -> None:
        """Learn where a request was found, and where each shadow has it.

        `contexts` is how many of them all levels can hold.
        """
        sampled, own = self._sampled(request, found)
        if not sampled.keys:
            return
        self._own_ms += self._cost_ms(sampled, own)
        for name, shadow in self._shadows.items():
            self._costs_ms[name] += self._cost_ms(sampled, shadow.access(sampled, now_ms))
            shadow.take_moves()
        self._seen += 1
        self._left -= 1
        if self._left <= 0:
            self._close_window(contexts)

    def measured(self, key: Key, level: int, bytes_here: int) -> None:
        """Tell those that have a key in this level too what it takes there."""
        for shadow in self._shadows.values():
            if shadow.place(key) == level:
                shadow.measured(key, bytes_here)

    def supersede(self, keys: Sequence[Key]) -> None:
        """Send keys of which a newer version exists below, in all shadows."""
        for shadow in self._shadows.values():
            shadow.supersede(keys)

    def forget(self, keys: Sequence[Key]) -> None:
        """Drop all memory of keys that were deleted."""
        for shadow in self._shadows.values():
            shadow.forget(keys)

    def resize(self, level: int, bytes_max: int) -> None:
        """Change the limit of a level."""
        levels = list(self._settings.levels)
        levels[level] = replace(levels[level], bytes_max=bytes_max)
        self._settings = replace(self._settings, levels=tuple(levels))
        for shadow in self._shadows.values():
            shadow.resize(level, bytes_max // self._rate)

    def explain(self) -> Explanation:
        """Return who decides and the costs that say why."""
        selector = self._selector
        return Explanation(
            expert=selector.chosen,
            reason=selector.reason,
            since_window=selector.since_window,
            windows=selector.windows,
            changes=self._changes,
            losses=dict(selector.losses),
            own_loss=self._own_last_ms,
            sampling=self._rate,
            problem=self._problem,
        )

    def _sampled(self, request: Request, found: Sequence[int]) -> tuple[Request, Sequence[int]]:
        """Return what the shadows see of a request, and where that was found."""
        if self._rate == 1:
            return request, found
        if request.group is not None:
            return (request, found) if self._sees(request.group) else (_NOTHING, ())
        seen = [at for at, key in enumerate(request.keys) if self._sees(key)]
        if len(seen) == len(request.keys):
            return request, found
        part = replace(
            request,
            keys=[request.keys[at] for at in seen],
            sizes=[request.sizes[at] for at in seen],
            is_new=[request.is_new[at] for at in seen] if request.is_new else (),
        )
        return part, [found[at] for at in seen]

    def _sees(self, unit: Hashable) -> bool:
        return is_under(self._limit, stable_hash(unit))

    def _cost_ms(self, request: Request, found: Sequence[int]) -> float:
        """Return what a request waits for, and what all its parts take; writes cost nothing."""
        parts = list(zip(found, request.sizes, strict=True))
        if request.is_new:
            news = request.is_new
            parts = [part for part, is_new in zip(parts, news, strict=True) if not is_new]
        if not parts:
            return 0.0
        fixed, per_kib = self._prices.ms, self._prices.ms_per_kib
        if per_kib:
            costs = [fixed[level] + per_kib[level] * size / 1024 for level, size in parts]
        else:
            costs = [fixed[level] for level, _ in parts]
        return max(costs) + sum(costs)

    def _close_window(self, contexts: float) -> None:
        self._dismiss_failed()
        self._own_last_ms = self._own_ms / self._seen
        before = self._selector.chosen
        self._selector.window(
            Window(
                accesses=self._seen * self._rate,
                losses={name: cost / self._seen for name, cost in self._costs_ms.items()},
                own_loss=self._own_last_ms,
                price=self._own_last_ms
                * max(CHANGE_CAPACITIES * contexts, CHANGE_SAMPLES * self._rate),
            )
        )
        self._changes += self._selector.chosen != before
        self._costs_ms = dict.fromkeys(self._shadows, 0.0)
        self._own_ms, self._seen = 0.0, 0
        self._measure(contexts)

    def _dismiss_failed(self) -> None:
        """Let an order compete no longer that raised an error; recency has nothing to fail by."""
        for name, shadow in list(self._shadows.items()):
            problems = [level.problem for level in shadow.state() if level.problem]
            if problems and name != FALLBACK:
                self._problem = f"{name}: {problems[0].error}"
                del self._shadows[name], self._orders[name], self._costs_ms[name]
                self._selector.failed(name)

    def _measure(self, contexts: float) -> None:
        """Set the length of a window and the sampling by how many contexts there is room for."""
        rate = rate_for(contexts, self._rate)
        if rate != self._rate:
            self._rate, self._limit = rate, limit_of(rate)
            self._shadows = self._fresh()
        requests = min(WINDOW_CAPACITIES * contexts, WINDOW_MAX) / self._rate
        self._left = max(WINDOW_MIN, int(requests))

    def _fresh(self) -> dict[str, Hierarchy]:
        """Return empty shadows: all begin alike, so that none has an advantage."""
        settings = self._settings
        levels = tuple(
            replace(each, bytes_max=each.bytes_max // self._rate, write_budget=None)
            for each in settings.levels
        )
        settings = replace(
            settings,
            levels=levels,
            pinned_bytes_max=0,
            keys_max=max(1, settings.keys_max // self._rate),
        )
        return {
            name: Hierarchy(replace(settings, ranks=ranks), tenant_of=self._tenant_of)
            for name, ranks in self._orders.items()
        }


_NOTHING = Request(keys=(), sizes=())
