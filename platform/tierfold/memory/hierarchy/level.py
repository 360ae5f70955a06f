"""One level: a policy of its own, and what happens when that fails."""

from collections.abc import Callable

from tierfold.memory.hierarchy.moves import Problem
from tierfold.memory.hierarchy.selective import Selective
from tierfold.memory.hierarchy.settings import LevelSettings
from tierfold.memory.policies import Key, Lru, Policy

_MEASURED_KEPT = 0.7  # of the old estimate of expansion, as each new measure comes

Leaving = list[tuple[Key, int]]


class Level:
    """A policy that may fail: from then on recency decides, over the same keys.

    Sizes that come and go are those of requests; how much a key takes here is its own matter.
    """

    def __init__(self, settings: LevelSettings, build: Callable[[int], Policy]) -> None:
        self.name = settings.name
        self.bytes_max = settings.bytes_max  # of the level; its policy has what pins leave
        self.problem: Problem | None = None
        self._expansion = settings.expansion
        self._sizes: dict[Key, int] = {}
        self._measured: dict[Key, int] = {}
        self._decide_by(build(settings.bytes_max))

    @property
    def size_bytes(self) -> int:
        """The bytes in its policy's order: pinned ones are not."""
        return self._policy.size_bytes

    @property
    def policy(self) -> Policy:
        """Who decides now."""
        return self._policy

    @property
    def expansion(self) -> float:
        """What it takes for each byte of a size that was never measured."""
        return self._expansion

    def __len__(self) -> int:
        return len(self._sizes)

    def size_of(self, key: Key) -> int:
        """Return the size that a key in its order came with."""
        return self._sizes[key]

    def bytes_of(self, key: Key, size_bytes: int) -> int:
        """Return what a key takes here, or would."""
        if self._measured and key in self._measured:
            return self._measured[key]
        size = size_bytes if self._expansion == 1.0 else int(size_bytes * self._expansion)
        return size if size > 0 else 1

    def can_hold(self, key: Key, size_bytes: int) -> bool:
        """Return whether it is large enough for a key."""
        return self.bytes_of(key, size_bytes) <= self._policy.bytes_max

    def has_room(self, key: Key, size_bytes: int, share: float) -> bool:
        """Return whether a key that is not here leaves it under a share of its limit."""
        policy = self._policy
        return policy.size_bytes + self.bytes_of(key, size_bytes) <= policy.bytes_max * share

    def admits(self, key: Key, size_bytes: int) -> bool:
        """Return whether it would take in a key that is not here."""
        needed = self.bytes_of(key, size_bytes)
        if needed > self._policy.bytes_max:
            return False
        if self._selective is None:
            return True
        try:
            return self._selective.admits(key, needed)
        except Exception as error:  # noqa: BLE001 - whatever a policy raises, its level goes on
            self._fall_back(error, self._policy.bytes_max)
            return True

    def access(self, key: Key, size_bytes: int) -> Leaving:
        """Touch a key, or take it in; returns who must leave, perhaps itself."""
        self._sizes[key] = size_bytes
        policy = self._policy
        try:
            policy.access(key, self.bytes_of(key, size_bytes))
        except Exception as error:  # noqa: BLE001 - whatever a policy raises, its level goes on
            self._fall_back(error, policy.bytes_max)
        return self._left()

    def measure(self, key: Key, bytes_here: int) -> Leaving:
        """Note how much a key in its order really takes; others are estimated by it."""
        size = self._sizes[key]
        self._measured[key] = max(bytes_here, 1)
        if size > 0:
            estimate = _MEASURED_KEPT * self._expansion + (1 - _MEASURED_KEPT) * bytes_here / size
            self._expansion = max(estimate, 1e-6)
        return self.access(key, size)

    def expect(self, key: Key, size_bytes: int, bytes_here: int) -> None:
        """Note how much a key takes that comes next, if that is not what would be estimated."""
        if bytes_here != self.bytes_of(key, size_bytes):
            self._measured[key] = bytes_here

    def remove(self, key: Key) -> None:
        """Take a key out, if it is in its order."""
        self._measured.pop(key, None)
        if self._sizes.pop(key, None) is not None:
            try:
                self._policy.remove(key)
            except Exception as error:  # noqa: BLE001 - whatever a policy raises, its level goes on
                self._fall_back(error, self._policy.bytes_max)

    def resize(self, policy_bytes_max: int) -> Leaving:
        """Give its policy another limit; returns who must leave."""
        if policy_bytes_max == self._policy.bytes_max:
            return []
        try:
            self._policy.resize(policy_bytes_max)
        except Exception as error:  # noqa: BLE001 - whatever a policy raises, its level goes on
            self._fall_back(error, policy_bytes_max)
        return self._left()

    def shed(self) -> Leaving:
        """Return at least one that leaves, if there is any: there are too many keys."""
        limit = self._policy.bytes_max
        left = self.resize(max(self._policy.size_bytes - 1, 0))
        return left + self.resize(limit)

    def _left(self) -> Leaving:
        """Return whom the policy let go; one that keeps too much has failed."""
        policy = self._policy
        named = policy.evicted
        if not named and policy.size_bytes <= policy.bytes_max:
            return []
        left = self._let_go([key for key, _ in named])
        named.clear()
        if policy.size_bytes > policy.bytes_max:
            self._fall_back(OverflowError(), policy.bytes_max)
            left += self._left()
        return left

    def _let_go(self, named: list[Key]) -> Leaving:
        """Take keys out of the order; a policy may name strangers, or one of them twice."""
        known = dict.fromkeys(key for key in named if key in self._sizes)
        for key in known:
            self._measured.pop(key, None)
        return [(key, self._sizes.pop(key)) for key in known]

    def _decide_by(self, policy: Policy) -> None:
        self._policy = policy
        self._selective = policy if isinstance(policy, Selective) else None

    def _fall_back(self, error: Exception, bytes_max: int) -> None:
        """Let recency decide over all that were here."""
        self.problem = Problem(
            level=self.name, policy=type(self._policy).__name__, error=type(error).__name__
        )
        policy = Lru(bytes_max)
        for key, size in self._sizes.items():
            policy.access(key, self.bytes_of(key, size))
        self._decide_by(policy)
