"""L1 and L2 of one shard: who belongs where, and what is owed to get there.

Whole contexts move, each as one key. The first read of one brings its blocks to L2, the second its
working set to L1, if it ranks above whom that would push out. Pure: a shard asks it and carries the
moves out, the simulator replays it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from tierfold.config import TierSettings
from tierfold.errors import InvalidInputError
from tierfold.memory.adaptive import Explanation
from tierfold.memory.hierarchy import (
    ORDERS_OF_WHOLES,
    AdaptiveHierarchy,
    Hierarchy,
    HierarchySettings,
    Ledger,
    LevelSettings,
    LevelState,
    Move,
    Prices,
    Promotion,
    Request,
)
from tierfold.memory.policies import POLICIES

Key = tuple[str, bytes]  # tenant and a context's digest

ADAPTIVE = "adaptive"
EXPANSION_FIRST = 8.0  # bytes of a working set per byte of its blocks, until one was built
CONTEXTS_MAX = 65_536  # in both levels: some 40 MB of accounts, whatever those hold
MOVES_BYTES_MAX = 256 * 1024 * 1024  # under way at a time
PRICES = Prices(ms=(1.0, 3.0, 10.0), ms_per_kib=(0.0, 0.5, 0.6))  # below L1 sets are built anew


class Level(IntEnum):
    """Where a context lies."""

    L1 = 0
    L2 = 1
    BELOW = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One read of a context, as the reader saw it."""

    key: Key
    size_bytes: int  # of its blocks
    may_rise: bool = True  # its reader could have mapped a working set


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReport:
    """One level: who decides in it, what is held, what has moved."""

    state: LevelState
    order: str
    promotions: int  # contexts that were brought up to it
    demotions: int  # that went down from it


class Tiers:
    """Which contexts belong to L1 and to L2, where they really lie, and the moves between."""

    def __init__(self, settings: TierSettings, *, has_l1: bool = True) -> None:
        limits = (settings.l1_bytes_max if has_l1 else 0, settings.l2_bytes_max)
        self._low_watermark = settings.low_watermark
        self._order = settings.order
        self._hierarchy = _hierarchy(settings, limits)
        self._ledger = Ledger(
            self._hierarchy, bytes_max=limits, high_watermark=settings.high_watermark
        )
        self._has_l1 = has_l1
        self._counts = Counter[tuple[str, Level]]()

    def touch(self, touch: Touch, now_ms: float) -> None:
        """Count a read."""
        self._hierarchy.access(
            Request(
                keys=[touch.key],
                sizes=[touch.size_bytes],
                highest=Level.L1 if touch.may_rise and self._has_l1 else Level.L2,
            ),
            now_ms,
        )

    def keep(self, key: Key) -> None:
        """Count a context that will be read soon among those just read, if it is here."""
        self._hierarchy.foresee(key)

    def lift(self, key: Key, size_bytes: int, *, until_ms: float) -> bool:
        """Have a working set made before it is read; returns whether L1 takes it.

        A size that is only estimated keeps nobody out: as large as the level is tried once.
        """
        if self._hierarchy.place(key) == Level.L1:
            return True
        room = self._hierarchy.room_bytes(Level.L1)
        size_bytes = min(size_bytes, int(room / self._hierarchy.expansion(Level.L1)))
        lifted = self._hierarchy.lift([key], [size_bytes], level=Level.L1, until_ms=until_ms)
        return bool(lifted)

    def adopt(self, key: Key, file_bytes: int) -> bool:
        """Take over a working set that lies in L1 already; returns whether there is room."""
        size_bytes = int(file_bytes / EXPANSION_FIRST)
        self._hierarchy.access(Request(keys=[key], sizes=[size_bytes], is_new=[True]), 0.0)
        move = self._ledger.take_of(key)
        if move is None or move.target != Level.L1:
            return False
        self._settle(move, file_bytes)
        return self.lies(key) is Level.L1

    def changed(self, key: Key) -> Move | None:
        """Send a working set of an old version below; returns the move, to be made now."""
        if self.belongs(key) is Level.L1:
            self._hierarchy.supersede([key])
        return self._ledger.take_of(key) if self.lies(key) is Level.L1 else None

    def drop(self, key: Key) -> None:
        """Note that a context lies below now, whatever was decided: it cannot be read."""
        self._hierarchy.supersede([key])
        move = self._ledger.take_of(key)
        if move is not None:
            self._ledger.confirm(move)

    def forget(self, key: Key) -> None:
        """Drop a context that was deleted; nothing is moved."""
        self._hierarchy.forget([key])
        self._ledger.forget([key])

    def pin(self, key: Key, size_bytes: int, *, until_ms: float, now_ms: float) -> None:
        """Keep a context where it is, or bring it up and keep it there; raises PinBudgetError."""
        self._hierarchy.pin([key], [size_bytes], until_ms=until_ms, now_ms=now_ms)

    def unpin(self, key: Key) -> None:
        """End a pin before its time."""
        self._hierarchy.unpin([key])

    def is_pinned(self, key: Key) -> bool:
        """Return whether a context is pinned."""
        return self._hierarchy.is_pinned(key)

    def resize(self, level: Level, bytes_max: int) -> None:
        """Change a limit; what is too much goes down with the next moves."""
        self._hierarchy.resize(level, int(bytes_max * self._low_watermark))
        self._ledger.resize(level, bytes_max)

    def take(self) -> Move | None:
        """Return the next move to be made, down before up; it is confirmed later."""
        taken = self._ledger.take(moves_max=1, bytes_max=MOVES_BYTES_MAX)
        return taken[0] if taken else None

    def take_of(self, key: Key) -> Move | None:
        """Return the move of one context, to be made now whatever the watermarks say."""
        return self._ledger.take_of(key)

    def confirm(self, move: Move, *, is_done: bool = True, bytes_here: int | None = None) -> None:
        """Note that a move was made and what it takes there, or that it was not made."""
        if is_done:
            self._settle(move, bytes_here)
        else:
            self._ledger.confirm(move, is_done=False)

    def lies(self, key: Key) -> Level:
        """Return where a context really is."""
        return Level(self._ledger.lies(key))

    def belongs(self, key: Key) -> Level:
        """Return where a context is to be."""
        return Level(self._hierarchy.place(key))

    def size_of(self, key: Key) -> int:
        """Return the bytes that a context's last read had; 0 where it is not above."""
        return self._hierarchy.size_of(key)

    def size_bytes(self, level: Level) -> int:
        """Return the bytes noted for a level, as its contexts really lie."""
        return self._ledger.size_bytes(level)

    def explain(self) -> Explanation | None:
        """Return who decides and the costs that say why; None where one order is set."""
        hierarchy = self._hierarchy
        return hierarchy.explain() if isinstance(hierarchy, AdaptiveHierarchy) else None

    def report(self) -> Mapping[Level, LevelReport]:
        """Return what each level holds and what has moved."""
        explained = self.explain()
        order = self._order if explained is None else explained.expert
        return {
            level: LevelReport(
                state=state,
                order="lru" if state.problem else order,
                promotions=self._counts["up", level],
                demotions=self._counts["down", level],
            )
            for level, state in zip(Level, self._hierarchy.state(), strict=False)
        }

    def _settle(self, move: Move, bytes_here: int | None) -> None:
        self._ledger.confirm(move)
        if move.target < move.source:
            self._counts["up", Level(move.target)] += 1
        else:
            self._counts["down", Level(move.source)] += 1
        if bytes_here is not None and self._hierarchy.place(move.key) == move.target:
            self._hierarchy.measured(move.key, bytes_here)


def _hierarchy(settings: TierSettings, limits: tuple[int, int]) -> Hierarchy:
    """Return the hierarchy that the settings name; levels are decided by the low watermark."""
    low = settings.low_watermark
    l1, l2 = (int(limit * low) for limit in limits)
    built = HierarchySettings(
        levels=(
            LevelSettings(name="L1", bytes_max=l1, expansion=EXPANSION_FIRST),
            LevelSettings(name="L2", bytes_max=l2),
        ),
        promotion=Promotion.SECOND_READ,
        pinned_bytes_max=int((l1 + l2) * settings.pinned_share_max),
        lifted_share_max=1.0,
        tenant_share_max=settings.tenant_share_max,
        keys_max=CONTEXTS_MAX,
    )
    if settings.order == ADAPTIVE:
        return AdaptiveHierarchy(
            built, prices=PRICES, orders=ORDERS_OF_WHOLES, tenant_of=_tenant_of
        )
    if settings.order in ORDERS_OF_WHOLES:
        ranks = ORDERS_OF_WHOLES[settings.order]
        return Hierarchy(replace(built, ranks=ranks), tenant_of=_tenant_of)
    if settings.order in POLICIES:
        return Hierarchy(built, build=POLICIES[settings.order], tenant_of=_tenant_of)
    known = dict.fromkeys([ADAPTIVE, *ORDERS_OF_WHOLES, *POLICIES])
    problem = f"{settings.order!r} is none of {', '.join(known)}"
    raise InvalidInputError(problem, path="tiers.order")


def _tenant_of(key: object) -> str:
    assert isinstance(key, tuple), "the keys of a shard are contexts"
    return str(key[0])
