"""Shadow caches: every expert decides over the sampled keys of a cache that much smaller."""

from collections.abc import Callable, Mapping

from tierfold.memory.policies import Bounded, Key

Build = Callable[[int], Bounded]


class Shadows:
    """One small cache for each expert, all told the same accesses, and what each has lost."""

    def __init__(self, experts: Mapping[str, Build], bytes_max: int) -> None:
        self._caches = {name: build(bytes_max) for name, build in experts.items()}
        self._losses = dict.fromkeys(experts, 0.0)
        self._asked = [(name, cache.access) for name, cache in self._caches.items()]
        self.accesses = 0  # since the losses were taken
        self._failures: dict[str, str] = {}  # by expert: the kind of error

    def access(self, key: Key, size_bytes: int, loss: float) -> None:
        """Tell all of them of an access that costs so much where it misses."""
        self.accesses += 1
        losses = self._losses
        name = ""
        try:
            for name, access in self._asked:
                if not access(key, size_bytes):
                    losses[name] += loss
        except Exception as error:  # noqa: BLE001 - an expert may fail in any way
            self._fail(name, error)

    def take_losses(self) -> dict[str, float]:
        """Return what each has lost per access since the last call; there was an access."""
        taken = {name: loss / self.accesses for name, loss in self._losses.items()}
        self._losses = dict.fromkeys(self._caches, 0.0)
        self.accesses = 0
        for cache in self._caches.values():
            cache.evicted.clear()
        return taken

    def remove(self, key: Key) -> None:
        """Take a key out of all."""
        self._each(lambda cache: cache.remove(key))

    def resize(self, bytes_max: int, is_sampled: Callable[[Key], bool]) -> None:
        """Change the size of all; what is not sampled any more leaves them."""

        def resize(cache: Bounded) -> None:
            for key in [each for each in cache.residents if not is_sampled(each)]:
                cache.remove(key)
            cache.resize(bytes_max)
            cache.evicted.clear()

        self._each(resize)

    def take_failures(self) -> dict[str, str]:
        """Return the experts that failed since the last call, and the kind of error of each."""
        taken, self._failures = self._failures, {}
        return taken

    def drop(self, name: str) -> None:
        """Let an expert compete no longer."""
        self._caches.pop(name, None)
        self._losses.pop(name, None)
        self._asked = [each for each in self._asked if each[0] != name]

    def _each(self, act: Callable[[Bounded], object]) -> None:
        for name, cache in list(self._caches.items()):
            try:
                act(cache)
            except Exception as error:  # noqa: BLE001 - an expert may fail in any way
                self._fail(name, error)

    def _fail(self, name: str, error: Exception) -> None:
        self._failures[name] = type(error).__name__
        self.drop(name)
