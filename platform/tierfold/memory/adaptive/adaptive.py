"""The adaptive policy: shadow caches of several experts say which of them should decide now."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from tierfold.memory.adaptive.explanation import Explanation
from tierfold.memory.adaptive.live import Live
from tierfold.memory.adaptive.sample import (
    MASK,
    MULTIPLIER,
    is_under,
    limit_of,
    rate_for,
    stable_hash,
)
from tierfold.memory.adaptive.selector import FALLBACK, Selector, SelectorSettings, Window
from tierfold.memory.adaptive.shadows import Build, Shadows
from tierfold.memory.policies import Gdsf, Key, Lirs, Lru, S3Fifo, require_limit

EXPERTS: Mapping[str, Build] = {
    FALLBACK: Lru,
    "s3fifo": S3Fifo,
    "lirs": Lirs,
    "gdsf": Gdsf,
}
Result = TypeVar("Result")

WINDOW_CAPACITIES = 0.5  # accesses in a window, for each object that the cache can hold
CHANGE_CAPACITIES = 0.05  # misses that a change of experts costs, for each object likewise
CHANGE_SAMPLES = 64  # that must differ at least: fewer are chance
WINDOW_MIN = 128  # accesses that the shadows see
WINDOW_MAX = 100_000


def one_each(_key: Key, _size_bytes: int) -> float:
    """Return the loss of a miss where all misses cost the same."""
    return 1.0


class Adaptive:
    """One cache whose expert changes with what is asked of it; LRU at first, and in trouble."""

    def __init__(
        self,
        bytes_max: int,
        *,
        experts: Mapping[str, Build] = EXPERTS,
        loss_of: Callable[[Key, int], float] = one_each,
        hash_of: Callable[[Key], int] = stable_hash,
        settings: SelectorSettings | None = None,
    ) -> None:
        self._builds: dict[str, Build] = {**experts, FALLBACK: Lru}
        self._live = Live(FALLBACK, Lru(bytes_max))
        self._shadows = Shadows(self._builds, bytes_max)
        self._selector = Selector(settings or SelectorSettings())
        self._loss_of = loss_of
        self._hash_of = hash_of
        self._rate = 1
        self._limit = limit_of(1)
        self._left = WINDOW_MIN
        self._access: Callable[[Key, int], bool] = self._live.access
        self._loss = 0.0
        self._loss_if_all_missed = 0.0
        self._window: Window | None = None
        self._changes = 0
        self.problem = ""  # an expert that failed, and how; empty if none has

    @property
    def evicted(self) -> list[tuple[Key, int]]:
        """Keys and bytes it has let go, in order; their owner empties the list."""
        return self._live.evicted

    @evicted.setter
    def evicted(self, evicted: list[tuple[Key, int]]) -> None:
        self._live.evicted = evicted

    @property
    def bytes_max(self) -> int:
        """The most that it holds."""
        return self._live.expert.bytes_max

    @property
    def size_bytes(self) -> int:
        """What it holds now; a key counts at least 1."""
        return self._live.size_bytes

    def access(self, key: Key, size_bytes: int) -> bool:
        """Note an access and return whether the key was here.

        If the expert fails at it, the access counts as a miss, whatever it was.
        """
        try:
            is_hit = self._access(key, size_bytes)
        except Exception as error:  # noqa: BLE001 - an expert may fail in any way
            self._recover(error, without=key)
            is_hit = self._live.access(key, size_bytes)
        number = key if type(key) is int else self._hash_of(key)
        if number * MULTIPLIER & MASK < self._limit:
            self._compare(key, size_bytes, is_hit=is_hit)
        return is_hit

    def remove(self, key: Key) -> int:
        """Take a key out; returns its bytes, or 0."""
        self._shadows.remove(key)
        return self._guarded(lambda: self._live.remove(key))

    def resize(self, bytes_max: int) -> None:
        """Change the limit; what does not fit any more is evicted now."""
        require_limit(bytes_max)
        self._guarded(lambda: self._live.resize(bytes_max))
        self._resize_shadows()

    def in_order(self) -> Iterator[Key]:
        """Yield all keys, about in the order in which they would go."""
        return iter(self._guarded(self._live.in_order))

    def explain(self) -> Explanation:
        """Return who decides and the losses that say why."""
        selector = self._selector
        losses = dict(selector.losses)
        return Explanation(
            expert=self._live.name,
            reason=selector.reason,
            since_window=selector.since_window,
            windows=selector.windows,
            changes=self._changes,
            losses=losses,
            own_loss=self._window.own_loss if self._window else 0.0,
            sampling=self._rate,
            problem=self.problem,
        )

    def __contains__(self, key: object) -> bool:
        return key in self._live

    def __len__(self) -> int:
        return len(self._live)

    def _compare(self, key: Key, size_bytes: int, *, is_hit: bool) -> None:
        loss = self._loss_of(key, size_bytes)
        self._shadows.access(key, size_bytes, loss)
        self._loss_if_all_missed += loss
        if not is_hit:
            self._loss += loss
        self._left -= 1
        if self._left <= 0:
            self._close_window()
        self._access = self._live.quickest_access()

    def _guarded(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - an expert may fail in any way
            self._recover(error)
            return call()

    def _recover(self, error: Exception, without: Key | None = None) -> None:
        """Let LRU decide over all keys; the expert that failed competes no longer."""
        name = self._live.asked
        self._drop(name, type(error).__name__)
        self._live.recover(FALLBACK, Lru(self.bytes_max), without)
        self._access = self._live.access

    def _drop(self, name: str, problem: str) -> None:
        if name == FALLBACK:
            return  # the mistake is the caller's, and the next call will tell him
        self.problem = f"{name}: {problem}"
        self._builds.pop(name, None)
        self._shadows.drop(name)
        self._selector.failed(name)

    def _close_window(self) -> None:
        shadows = self._shadows
        for name, problem in shadows.take_failures().items():
            self._drop(name, problem)
        self._window = self._take_window()
        self._follow(self._selector.window(self._window))
        self._measure()

    def _take_window(self) -> Window:
        sampled = self._shadows.accesses
        price_misses = max(CHANGE_CAPACITIES * self._objects(), CHANGE_SAMPLES * self._rate)
        window = Window(
            accesses=sampled * self._rate,
            losses=self._shadows.take_losses(),
            own_loss=self._loss / sampled,
            price=price_misses * self._loss_if_all_missed / sampled,
        )
        self._loss = self._loss_if_all_missed = 0.0
        return window

    def _follow(self, name: str) -> None:
        live = self._live
        if name == live.name or not live.can_change:
            return
        try:
            expert = self._builds[name](self.bytes_max)
        except Exception as error:  # noqa: BLE001 - an expert may fail in any way
            self._drop(name, type(error).__name__)
            return
        live.change(name, expert)
        self._access = live.access
        self._changes += 1

    def _measure(self) -> None:
        """Set the length of a window and the sampling by the objects that the cache can hold."""
        objects = self._objects()
        rate = rate_for(objects, self._rate)
        if rate != self._rate:
            self._rate = rate
            self._limit = limit_of(rate)
            self._resize_shadows()
        accesses = min(WINDOW_CAPACITIES * objects, WINDOW_MAX) / rate
        self._left = max(WINDOW_MIN, int(accesses))

    def _objects(self) -> float:
        """Return how many of the objects that are held would fill it."""
        held = len(self._live)
        return self.bytes_max * held / self._live.size_bytes if held else 0.0

    def _resize_shadows(self) -> None:
        self._shadows.resize(self.bytes_max // self._rate, self._is_sampled)

    def _is_sampled(self, key: Key) -> bool:
        return is_under(self._limit, self._hash_of(key))
