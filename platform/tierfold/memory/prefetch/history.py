"""What each context's last request read: the best guess at what its next one will."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from tierfold.memory.policies import Key


class History:
    """The last request of the contexts read last; bounded in contexts and in keys."""

    def __init__(self, *, contexts_max: int, keys_max: int) -> None:
        self._contexts_max = contexts_max
        self._keys_max = keys_max
        self._keys = 0
        self._last: OrderedDict[Hashable, tuple[tuple[Key, ...], tuple[int, ...]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._last)

    def note(self, context: Hashable, keys: Sequence[Key], sizes: Sequence[int]) -> None:
        """Remember a request; of one that is too long, its beginning."""
        self.forget(context)
        kept = tuple(keys[: self._keys_max])
        self._last[context] = kept, tuple(sizes[: self._keys_max])
        self._keys += len(kept)
        while self._keys > self._keys_max or len(self._last) > self._contexts_max:
            _, (oldest, _) = self._last.popitem(last=False)
            self._keys -= len(oldest)

    def last(self, context: Hashable) -> tuple[tuple[Key, ...], tuple[int, ...]]:
        """Return the keys and sizes of its last request, in the order of the prompt."""
        return self._last.get(context, ((), ()))

    def forget(self, context: Hashable) -> None:
        """Drop a context."""
        keys, _ = self._last.pop(context, ((), ()))
        self._keys -= len(keys)
