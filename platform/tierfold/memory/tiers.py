"""L1 and L2 as exclusive levels under one order: decides moves, makes none.

A context's items move together. What is read for the second time comes up to L1 while that is under
its high watermark; above it the last in order go down to the low one. Whoever carries the moves out
says what became of them (`promoted`, `left`).
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from tierfold.config import TierSettings
from tierfold.memory.order import Key, Order

READS_TO_RISE = 2
RISES_PER_DECISION = 8  # building working sets costs CPU: the rest waits for the next decision
GROWTH_FIRST = 8.0  # bytes of a working set per byte of its blocks, until one was built
TRACKED_MAX = 65_536  # contexts remembered: about 30 MB at most, whatever the disk holds

_GROWTH_KEPT = 0.7  # of the old estimate, as each new working set comes


class Level(IntEnum):
    """Where a context lies above the disk."""

    L1 = 1
    L2 = 2


class MoveKind(StrEnum):
    """What is to be done with a context."""

    PROMOTE = "promote"  # build its working set in L1, then drop its blocks from L2
    DEMOTE = "demote"  # remove it from L1; its blocks come back to L2
    DROP = "drop"  # remove its blocks from L2; the disk has them


@dataclass(frozen=True, slots=True)
class Move:
    """One move of one context."""

    kind: MoveKind
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One read of a context, as the reader saw it."""

    key: Key
    size_bytes: int  # of the blocks it read
    pinned_until_ms: int = 0
    may_rise: bool = True  # its reader could have mapped a working set


@dataclass(slots=True)
class _Resident:
    level: Level
    size_bytes: int
    reads: int = 0
    pinned_until_ms: int = 0


@dataclass(slots=True)
class _Sizes:
    bytes: dict[Level, int] = field(default_factory=lambda: dict.fromkeys(Level, 0))
    counts: dict[Level, int] = field(default_factory=lambda: dict.fromkeys(Level, 0))


class Tiers:
    """Which contexts lie in L1 and L2; bounded memory, none for contexts that nobody reads."""

    def __init__(self, settings: TierSettings, order: Order) -> None:
        self._settings = settings
        self._order = order
        self._residents: OrderedDict[Key, _Resident] = OrderedDict()  # the last touched at the end
        self._sizes = _Sizes()
        self._growth = GROWTH_FIRST

    def touch(self, touch: Touch) -> None:
        """Count a read; what is new enters L2, where reading has put its blocks."""
        resident = self._residents.get(touch.key)
        if resident is None:
            resident = _Resident(Level.L2, 0)
            self._residents[touch.key] = resident
            self._sizes.counts[Level.L2] += 1
        resident.reads += touch.may_rise
        resident.pinned_until_ms = touch.pinned_until_ms
        if resident.level is Level.L2:
            self._resize(resident, max(resident.size_bytes, touch.size_bytes))
        self._order.touch(touch.key)
        self._residents.move_to_end(touch.key)

    def keep(self, key: Key) -> None:
        """Count a context that will be read soon among those just read, if it is here."""
        if key in self._residents:
            self._order.touch(key)
            self._residents.move_to_end(key)

    def promoted(self, key: Key, size_bytes: int) -> None:
        """Note that its working set lies in L1 now."""
        resident = self._residents.get(key)
        if resident is None:
            resident = _Resident(Level.L2, 0)
            self._residents[key] = resident
            self._sizes.counts[Level.L2] += 1
        if resident.level is Level.L2 and resident.size_bytes:
            grown = size_bytes / resident.size_bytes
            self._growth = _GROWTH_KEPT * self._growth + (1 - _GROWTH_KEPT) * grown
        self._shift(resident, Level.L1, size_bytes)

    def demoted(self, key: Key, size_bytes: int) -> None:
        """Note that it left L1, and how many bytes of its blocks lie in L2 now."""
        resident = self._residents.get(key)
        if resident is None:
            return
        resident.reads = 0
        self._shift(resident, Level.L2, size_bytes)

    def left(self, key: Key) -> None:
        """Note that it lies in neither level any more."""
        resident = self._residents.pop(key, None)
        if resident is not None:
            self._sizes.bytes[resident.level] -= resident.size_bytes
            self._sizes.counts[resident.level] -= 1
        self._order.forget(key)

    def level(self, key: Key) -> Level | None:
        """Return where a context lies, or None."""
        resident = self._residents.get(key)
        return None if resident is None else resident.level

    def size_bytes(self, level: Level) -> int:
        """Return the bytes noted for a level."""
        return self._sizes.bytes[level]

    def count(self, level: Level) -> int:
        """Return the contexts in a level."""
        return self._sizes.counts[level]

    def decide(self, now_ms: int) -> list[Move]:
        """Return what is to move now: down first, so that there is room, then up."""
        settings = self._settings
        demoted = self._excess(Level.L1, settings.l1_bytes_max, now_ms)
        dropped = self._excess(Level.L2, settings.l2_bytes_max, now_ms)
        dropped += self._forgotten(dropped)
        moves = [Move(MoveKind.DEMOTE, key) for key in demoted]
        moves += [Move(MoveKind.DROP, key) for key in dropped]
        return moves + [
            Move(MoveKind.PROMOTE, key) for key in self._rising({*demoted, *dropped}, demoted)
        ]

    def _excess(self, level: Level, bytes_max: int, now_ms: int) -> list[Key]:
        """Return the victims of a level: none up to the high watermark, then down to the low."""
        size = self._sizes.bytes[level]
        if size <= bytes_max * self._settings.high_watermark:
            return []
        target = bytes_max * self._settings.low_watermark
        victims: list[Key] = []
        for key in self._in_order(level, now_ms):
            if size <= target:
                break
            size -= self._residents[key].size_bytes
            victims.append(key)
        return victims

    def _in_order(self, level: Level, now_ms: int) -> list[Key]:
        """Return a level's contexts, the first to go first; pinned ones are the last."""
        members = [key for key, each in self._residents.items() if each.level is level]

        def standing(key: Key) -> tuple[bool, float]:
            return self._residents[key].pinned_until_ms > now_ms, self._order.rank(key)

        return sorted(members, key=standing)

    def _forgotten(self, dropped: list[Key]) -> list[Key]:
        """Return those in L2 that are one too many to remember, the longest untouched first."""
        excess = len(self._residents) - len(dropped) - TRACKED_MAX
        if excess <= 0:
            return []
        gone = set(dropped)
        old = (
            key
            for key, each in self._residents.items()
            if each.level is Level.L2 and key not in gone
        )
        return [key for _, key in zip(range(excess), old, strict=False)]

    def _rising(self, leaving: set[Key], demoted: Iterable[Key]) -> list[Key]:
        """Return who comes up to L1: the last touched first, while there is room for them."""
        settings = self._settings
        freed = sum(self._residents[key].size_bytes for key in demoted)
        room = settings.l1_bytes_max * settings.high_watermark
        room -= self._sizes.bytes[Level.L1] - freed
        rising: list[Key] = []
        for key, resident in reversed(self._residents.items()):
            if len(rising) == RISES_PER_DECISION or room <= 0:
                break
            if resident.level is Level.L1 or resident.reads < READS_TO_RISE or key in leaving:
                continue
            expected = resident.size_bytes * self._growth
            if expected <= room:
                rising.append(key)
                room -= expected
        return rising

    def _resize(self, resident: _Resident, size_bytes: int) -> None:
        self._sizes.bytes[resident.level] += size_bytes - resident.size_bytes
        resident.size_bytes = size_bytes

    def _shift(self, resident: _Resident, level: Level, size_bytes: int) -> None:
        self._sizes.bytes[resident.level] -= resident.size_bytes
        self._sizes.counts[resident.level] -= 1
        resident.level = level
        resident.size_bytes = size_bytes
        self._sizes.bytes[level] += size_bytes
        self._sizes.counts[level] += 1
