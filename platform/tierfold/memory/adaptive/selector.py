"""Who decides next, from the losses of windows alone.

A change of experts costs misses until the new one knows the keys. So another expert takes over when
what it would have saved so far pays for that, and not before: at once where it is much better,
late where it is a little better, never where they are equal but for chance. Pure: the same object
runs in a shard and in the simulator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

FALLBACK = "lru"  # what starts, and what takes over when the choice does worse than it would


class Reason(StrEnum):
    """Why the present expert decides."""

    START = "start"  # nothing was better by enough
    SAVING = "saving"  # its shadow saved enough over that of the last one
    FALLBACK = "fallback"  # the cache lost more than its own shadow and that of LRU
    FAILED = "failed"  # the last one raised an error


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorSettings:
    """How quickly an expert is followed."""

    lead: float = 0.005  # by which another must be better to save anything, relative
    excess: float = 0.01  # of the cache's loss over its shadow's and LRU's that passes, relative
    first: float = 0.25  # of the price, for the first change: nothing spoke for what started
    dearer: float = 2.0  # times the price, after each change: who changes often learns nothing
    cheaper: float = 0.005  # of what it is dearer by passes with each window
    rest_windows: int = 4  # for which LRU stays when it took over
    decay: float = 0.8  # of older windows in the mean losses that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What some accesses have cost."""

    accesses: int
    losses: Mapping[str, float]  # of each expert's shadow, per access
    own_loss: float  # of the cache itself, per access
    price: float  # of a change of experts, in all


@dataclass(slots=True)
class Selector:
    """Follows the expert that has saved the price of a change; keeps account of all."""

    settings: SelectorSettings = field(default_factory=SelectorSettings)
    chosen: str = FALLBACK
    reason: Reason = Reason.START
    windows: int = 0
    since_window: int = 0
    losses: dict[str, float] = field(default_factory=dict)  # means; older windows count less
    savings: dict[str, float] = field(default_factory=dict)  # of each over the chosen one, so far
    excess: float = 0.0  # what the cache lost beyond LRU's shadow and its own, so far
    _rest: int = 0
    _dearness: float = 1.0

    def window(self, window: Window) -> str:
        """Learn what a window has cost; return who decides now."""
        self.windows += 1
        self._dearness -= (self._dearness - 1.0) * self.settings.cheaper
        self._show(window.losses)
        self._account(window)
        if self.excess > window.price * self._dearness:
            self._choose(FALLBACK, Reason.FALLBACK)
            self._rest = self.settings.rest_windows
        elif self._rest:
            self._rest -= 1
        else:
            self._follow(window.price)
        return self.chosen

    def failed(self, name: str) -> str:
        """Forget an expert that raised an error; return who decides now."""
        self.losses.pop(name, None)
        self.savings.pop(name, None)
        if name == self.chosen:
            self._choose(FALLBACK, Reason.FAILED)
        return self.chosen

    def _show(self, losses: Mapping[str, float]) -> None:
        kept = self.settings.decay if self.losses else 0.0
        self.losses = {
            name: kept * self.losses.get(name, loss) + (1 - kept) * loss
            for name, loss in losses.items()
        }

    def _account(self, window: Window) -> None:
        losses, accesses = window.losses, window.accesses
        chosen = losses[self.chosen] * (1 - self.settings.lead)
        self.savings = {
            name: max(0.0, self.savings.get(name, 0.0) + (chosen - loss) * accesses)
            for name, loss in losses.items()
            if name != self.chosen
        }
        passed = max(losses[FALLBACK], losses[self.chosen]) * (1 + self.settings.excess)
        if self.chosen != FALLBACK:
            beyond = (window.own_loss - passed) * accesses
            self.excess = max(0.0, self.excess + beyond)

    def _follow(self, price: float) -> None:
        price *= self.settings.first if self.reason is Reason.START else self._dearness
        best = max(self.savings, key=self.savings.__getitem__, default=self.chosen)
        if self.savings.get(best, 0.0) > price:
            self._choose(best, Reason.SAVING)

    def _choose(self, name: str, reason: Reason) -> None:
        if self.reason is not Reason.START:
            self._dearness *= self.settings.dearer
        self.since_window = self.windows
        self.chosen, self.reason = name, reason
        self.savings = {}
        self.excess = 0.0
