import pytest

from tests.unit.memory.hierarchy.worlds import built, places, read
from tierfold.memory.policies import Key, Lru


class Failing(Lru):
    """Raises at its third access."""

    left = 3

    def access(self, key: Key, size_bytes: int) -> bool:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError(key)
        return super().access(key, size_bytes)


class Lax(Lru):
    """Never lets anything go, and admits with an error."""

    def admits(self, key: Key, size_bytes: int) -> bool:
        raise RuntimeError(key, size_bytes)

    def _make_room(self, size_bytes: int) -> None:
        """Nothing."""


class Stuck(Lru):
    """Cannot take anything out, nor change its limit."""

    def remove(self, key: Key) -> int:
        raise RuntimeError(key)

    def resize(self, bytes_max: int) -> None:
        raise RuntimeError(bytes_max)


@pytest.mark.parametrize("policy", [Failing, Lax, Stuck])
def test_a_policy_that_fails_is_replaced_by_recency(policy: type[Lru]) -> None:
    """Its level goes on over the same keys, within its limit, and says what happened."""
    hierarchy = built(30, 30, build=policy)
    for key in range(6):
        read(hierarchy, key)
    read(hierarchy, 0)
    hierarchy.resize(0, 20)
    read(hierarchy, 7)

    state = hierarchy.state()[0]
    assert state.policy == "Lru"
    assert state.problem is not None
    assert (state.problem.level, state.problem.policy) == ("L0", policy.__name__)
    assert places(hierarchy, [0, 7]) == [0, 0]
    assert sum(each.keys for each in hierarchy.state()) == len(hierarchy) == 5


class Inventive(Lru):
    """Lets go of what it never had, and of the same key twice."""

    def _evict(self) -> None:
        super()._evict()
        self.evicted += [("stranger", 5), self.evicted[-1]]


def test_a_policy_that_names_strangers_moves_none() -> None:
    """Only what was in the level leaves it, once."""
    hierarchy = built(10, 100, build=Inventive)
    read(hierarchy, 1, 2, 3)

    moved = [(move.key, move.source, move.target) for move in hierarchy.take_moves()]
    assert moved == [(1, 2, 0), (2, 2, 0), (1, 0, 1), (3, 2, 0), (2, 0, 1)]
