"""The order over all levels: a context's uses, decayed; its parts share it, the tail goes first.

What counts is a matter of settings, and may change under way: all ranks are of one scale, so what
was ranked before the change keeps its rank until it is read again.

Lee et al., "LRFU: a spectrum of policies that subsumes the least recently used and least frequently
used policies", 2001, counted per context instead of per key: what is read together stays together,
or one slow block makes the whole request slow. Ranks are logarithms of decayed counts: no rank
changes by time passing. Time is bytes read: `kappa` halvings while as many pass as fit.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from math import log2

from tierfold.memory.hierarchy.settings import RankSettings
from tierfold.memory.policies import Key

Unit = Hashable  # a context, or a key that belongs to none

_SHARE_FIRST = 0.5  # of newcomers that return, before any did
_SHARE_MIN = 1e-6
_SHARE_STEP = 1 / 64  # weight of the newest answer
_SHARE_OF_SCAN = 0.1  # below it, what newcomers read ages the others less, and less
_SIZE_STEP = 1 / 1024  # weight of the newest read in the mean size


class Newcomers:
    """How many of those seen for the first time come back; learned as they do or do not."""

    def __init__(self, waiting_max: int) -> None:
        self.share = _SHARE_FIRST
        self._waiting_max = waiting_max
        self._waiting: OrderedDict[Unit, int] = OrderedDict()  # at which byte they came

    def came(self, unit: Unit, at_bytes: int) -> None:
        """Watch one; if too many are watched, the time of the oldest is over."""
        self._waiting[unit] = at_bytes
        if len(self._waiting) > self._waiting_max:
            self._waiting.popitem(last=False)
            self._learn(0.0)

    def came_back(self, unit: Unit) -> None:
        """Count one that returned."""
        if self._waiting.pop(unit, None) is not None:
            self._learn(1.0)

    def expire(self, before_bytes: int) -> None:
        """Count those that had their time and did not return."""
        waiting = self._waiting
        while waiting:
            unit, at_bytes = waiting.popitem(last=False)
            if at_bytes >= before_bytes:
                waiting[unit] = at_bytes
                waiting.move_to_end(unit, last=False)
                return
            self._learn(0.0)

    def _learn(self, answer: float) -> None:
        share = self.share + _SHARE_STEP * (answer - self.share)
        self.share = max(share, _SHARE_MIN)


class Ranking:
    """Ranks of what the levels hold, and decayed uses of the contexts seen last; bounded.

    A context that is new ranks lower by the share of newcomers that return, for it may never come
    again; and where hardly any does, as in a scan, their bytes hardly age the rest.
    """

    def __init__(self, settings: RankSettings, bytes_max: int) -> None:
        self._settings = settings
        self._units: OrderedDict[Unit, float] = OrderedDict()  # the last used at the end
        self._ranks: dict[Key, float] = {}
        self._newcomers = Newcomers(settings.waiting_max)
        self._now = 0.0
        self._read_bytes = 0
        self._uses = 0
        self._mean_bytes = 0.0  # of what one use reads
        self.resize(bytes_max)

    @property
    def return_share(self) -> float:
        """The share of newcomers that come back, as it was of late."""
        return self._newcomers.share

    @property
    def mean_bytes(self) -> float:
        """What one use reads, as it was of late; 0 before the first."""
        return self._mean_bytes

    def __len__(self) -> int:
        """Return how many keys have a rank."""
        return len(self._ranks)

    def follow(self, settings: RankSettings) -> None:
        """Rank by other settings from now on; what has a rank keeps it until it is read."""
        self._settings = settings
        self.resize(self._bytes_max)

    def resize(self, bytes_max: int) -> None:
        """Take another sum of all levels as the measure of time."""
        self._bytes_max = bytes_max
        self._step = self._settings.kappa / max(bytes_max, 1)
        self._horizon_bytes = int(self._settings.horizon_share * bytes_max)

    def note(self, group: Unit | None, keys: Sequence[Key], sizes: Sequence[int]) -> None:
        """Count one request for keys in the order of their prompt; they are one unit or none."""
        if group is None:
            for key, size in zip(keys, sizes, strict=True):
                rank, _ = self._use(key, size)
                self._raise(key, rank - self._burden(size))
            return
        after = sum(sizes)
        rank, pace = self._use(group, after)
        for key, size in zip(keys, sizes, strict=True):
            after -= size
            self._raise(key, rank + pace * after)

    def foresee(self, group: Unit | None, keys: Sequence[Key], sizes: Sequence[int]) -> None:
        """Rank keys that are expected to be read next as if they were; no time passes."""
        after = sum(sizes)
        for key, size in zip(keys, sizes, strict=True):
            after -= size
            before = self._units.get(key if group is None else group, self._now)
            self._raise(key, _sum(before, self._now) + self._step * after)

    def rank(self, key: Key) -> float:
        """Return the rank of a key that was noted and not forgotten."""
        return self._ranks[key]

    def forget(self, key: Key) -> None:
        """Drop the rank of a key that is in no level any more."""
        self._ranks.pop(key, None)

    def _raise(self, key: Key, rank: float) -> None:
        """Give a key a rank; what a greater context reads too is not lowered by a lesser one."""
        before = self._ranks.get(key)
        if before is None or rank > before:
            self._ranks[key] = rank

    def _use(self, unit: Unit, size_bytes: int) -> tuple[float, float]:
        """Count a use; returns its rank at the request's end, and how fast time passed in it."""
        self._read_bytes += size_bytes
        self._newcomers.expire(self._read_bytes - self._horizon_bytes)
        began, before = self._now, self._units.pop(unit, None)
        if before is None:
            rank, pace = self._came(unit, began)
        else:
            self._newcomers.came_back(unit)
            uses = self._units[unit] = _sum(before, began)
            rank, pace = (uses if self._settings.counts_uses else began), self._step
        self._now = began + pace * size_bytes
        self._uses += 1
        self._mean_bytes += max(_SIZE_STEP, 1 / self._uses) * (size_bytes - self._mean_bytes)
        return rank, pace

    def _came(self, unit: Unit, began: float) -> tuple[float, float]:
        """Return rank and pace of the first use of a unit."""
        self._newcomers.came(unit, self._read_bytes)
        self._units[unit] = began
        if len(self._units) > self._settings.units_max:
            self._units.popitem(last=False)
        if not self._settings.doubts_newcomers:
            return began, self._step
        share = self._newcomers.share
        return began + log2(share), self._step * min(1.0, share / _SHARE_OF_SCAN)

    def _burden(self, size_bytes: int) -> float:
        """Return by how much a key of no group ranks lower for its size; negative if it is small.

        Parts of a context have no weight of their own: they are read together, whatever each takes.
        """
        weight = self._settings.size_weight
        if not weight:
            return 0.0
        return weight * log2(max(size_bytes, 1) / max(self._mean_bytes, 1.0))


def _sum(left: float, right: float) -> float:
    """Return log2(2^left + 2^right) without leaving the logarithms."""
    return max(left, right) + log2(1 + 2 ** -abs(left - right))
