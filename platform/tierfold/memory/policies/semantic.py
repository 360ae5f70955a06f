"""Semantic: keeps what lies near the questions of late, and goes by recency where nothing tells."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from tierfold.memory.policies.bounded import Bounded
from tierfold.memory.policies.policy import Key

if TYPE_CHECKING:  # 100 ms that a command which only shows reports never needs
    import numpy as np
    from numpy.typing import NDArray

Vector: TypeAlias = "NDArray[np.float32]"

QUESTION_KEPT = 0.8  # of the earlier questions' mean, as each new one comes
SAMPLE = 16  # of the least recently used: the farthest of them goes, the nearest is spared


def no_vectors(_key: Key) -> "Vector | None":
    """Return that nothing is known of a key: all goes by recency then."""
    return None


class Semantic(Bounded):
    """Lets go of what is farthest from the decayed mean of the questions, among the oldest."""

    __slots__ = ("_centroid", "_nearness", "_recency", "_vector_of")

    def __init__(
        self, bytes_max: int, *, vector_of: Callable[[Key], "Vector | None"] = no_vectors
    ) -> None:
        super().__init__(bytes_max)
        self._recency: OrderedDict[Key, int] = OrderedDict()
        self._residents = self._recency
        self._vector_of = vector_of
        self._centroid: Vector | None = None
        self._nearness: dict[Key, float] = {}  # to the centroid of now, as far as anybody asked

    def note_question(self, vector: Vector) -> None:
        """Learn what is asked about: keys near it are kept longer. Zeros say nothing."""
        unit = _unit(vector)
        if unit is None:
            return
        before = self._centroid
        mixed = unit if before is None else QUESTION_KEPT * before + (1 - QUESTION_KEPT) * unit
        self._centroid = mixed
        self._nearness.clear()

    def in_order(self) -> Iterator[Key]:
        """Yield all keys, the least recently used or spared first."""
        return iter(self._recency)

    def _touch(self, key: Key) -> None:
        self._recency.move_to_end(key)

    def _enter(self, key: Key, size_bytes: int) -> None:
        self._make_room(size_bytes)
        self._count(key, size_bytes)

    def _leave(self, key: Key) -> None:
        self._nearness.pop(key, None)

    def _return(self, key: Key, size_bytes: int, known: None) -> None:
        """Nothing: what is counted last is the last used."""

    def _evict(self) -> None:
        if self._centroid is None:
            victim = next(iter(self._recency))
        else:
            sample = list(islice(self._recency, SAMPLE))
            nearness = [self._near(key) for key in sample]
            victim = sample[nearness.index(min(nearness))]
            if max(nearness) > min(nearness):
                self._recency.move_to_end(sample[nearness.index(max(nearness))])
        self._nearness.pop(victim, None)
        self._let_go(victim)

    def _near(self, key: Key) -> float:
        """Return the cosine to the centroid; 0 for a key without a vector."""
        near = self._nearness.get(key)
        if near is None:
            near = self._nearness[key] = self._cosine(key)
        return near

    def _cosine(self, key: Key) -> float:
        vector, centroid = self._vector_of(key), self._centroid
        unit = None if vector is None else _unit(vector)
        return 0.0 if unit is None or centroid is None else float(unit @ centroid)


def _unit(vector: Vector) -> "Vector | None":
    """Return a vector of length 1, or None for one that has no direction."""
    import numpy as np  # noqa: PLC0415 - as above

    length = float(np.linalg.norm(vector))
    if not 0.0 < length < float("inf"):
        return None
    return np.asarray(vector / length, dtype=np.float32)
