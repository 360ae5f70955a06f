"""Exclusive levels under one order: where each key of a request is found, and what moves then.

Pure and quick: it decides at once, and its owner carries the moves out later (`Ledger`). A read
brings a key up, to the highest level that has room or holds something of a lower rank; who is
pushed out goes down.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial

from tierfold.errors import InvalidInputError
from tierfold.memory.hierarchy.level import Level
from tierfold.memory.hierarchy.moves import LevelState, Move, Request
from tierfold.memory.hierarchy.pins import Pin, Pins
from tierfold.memory.hierarchy.placement import MayLeave, Placement
from tierfold.memory.hierarchy.ranking import Ranking
from tierfold.memory.hierarchy.settings import (
    HierarchySettings,
    LevelSettings,
    Promotion,
    RankSettings,
)
from tierfold.memory.hierarchy.shared_order import SharedOrder
from tierfold.memory.hierarchy.tenants import PerTenant, TenantOf
from tierfold.memory.hierarchy.write_budget import WriteMeter
from tierfold.memory.policies import Key, Policy

Build = Callable[[int], Policy]  # a policy for so many bytes

_SECONDS = (Promotion.SECOND_HIT, Promotion.SECOND_READ)


class Hierarchy:
    """Which key lies in which level; bounded in bytes and in keys.

    `build` gives every level a policy of its own instead of the shared order. `may_leave` says
    whether a copy lies below, verified; without it all may. `tenant_of` is needed for quotas.
    """

    def __init__(
        self,
        settings: HierarchySettings,
        *,
        build: Build | None = None,
        tenant_of: TenantOf | None = None,
        may_leave: MayLeave = lambda _key: True,
    ) -> None:
        self._settings = settings
        self._ranking = Ranking(settings.ranks, sum(each.bytes_max for each in settings.levels))
        self._is_by_rank = build is None
        makes = _for_tenants(
            build or partial(SharedOrder, ranking=self._ranking), settings, tenant_of
        )
        self._placement = Placement(
            [Level(each, makes) for each in settings.levels],
            [_meter(each) for each in settings.levels],
            may_leave=may_leave,
            forget=self._dropped_one,
        )
        self._levels = self._placement.levels
        self._pins = Pins(settings.pinned_bytes_max, len(settings.levels))
        self._read_once: dict[Key, int] = {}  # in which level
        self._dropped: list[Key] = []  # a request may still read what its own reads pushed out

    @property
    def below(self) -> int:
        """The number that stands for what lies below all levels."""
        return self._placement.below

    @property
    def return_share(self) -> float:
        """The share of contexts seen for the first time that came back, as it was of late."""
        return self._ranking.return_share

    @property
    def contexts_max(self) -> float:
        """About how many contexts all levels can hold, by what one use reads; 0 if unknown."""
        mean_bytes = self._ranking.mean_bytes
        bytes_max = sum(level.bytes_max for level in self._levels)
        return bytes_max / mean_bytes if mean_bytes else 0.0

    def __len__(self) -> int:
        return len(self._placement)

    def follow(self, ranks: RankSettings) -> None:
        """Let the shared order go by other settings from now on; nothing moves for it."""
        self._ranking.follow(ranks)

    def place(self, key: Key) -> int:
        """Return the level of a key, or `below`."""
        return self._placement.place(key)

    def size_of(self, key: Key) -> int:
        """Return the size that a key came with; 0 if it lies below, is held, or waits."""
        place = self.place(key)
        if place == self.below or key in self._pins or self._placement.is_waiting(key):
            return 0
        return self._levels[place].size_of(key)

    def size_bytes(self, level: int) -> int:
        """Return what a level holds: in order, pinned, and waiting for a copy below."""
        waiting = self._placement.waiting_bytes(level)
        return self._levels[level].size_bytes + self._pins.level_bytes(level) + waiting

    def bytes_of(self, level: int, key: Key, size_bytes: int) -> int:
        """Return what a key takes in a level, or would; below them all, its size."""
        return size_bytes if level == self.below else self._levels[level].bytes_of(key, size_bytes)

    def expansion(self, level: int) -> float:
        """Return the bytes that a level takes for each byte of a size, as was measured of late."""
        return self._levels[level].expansion

    def room_bytes(self, level: int) -> int:
        """Return what the order of a level has to divide: all but what is held there."""
        return max(0, self._levels[level].bytes_max - self._pins.level_bytes(level))

    def access(self, request: Request, now_ms: float) -> list[int]:
        """Note a request; returns for each key where it was found: a level, or `below`."""
        self._pass_time(now_ms)
        if self._is_by_rank:
            self._ranking.note(request.group, request.keys, request.sizes)
        news = request.is_new or (False,) * len(request.keys)
        top = request.highest
        found = [
            self._access(key, size, top, is_new=is_new)
            for key, size, is_new in zip(request.keys, request.sizes, news, strict=True)
        ]
        self._tidy()
        return found

    def lift(
        self,
        keys: Sequence[Key],
        sizes: Sequence[int],
        *,
        level: int,
        group: Hashable | None = None,
        until_ms: float,
    ) -> list[Key]:
        """Bring keys from below a level up to it before they are read; returns which.

        They are held there until they are read or their time is over, within a share of the level.
        """
        if self._is_by_rank:
            self._ranking.foresee(group, keys, sizes)
        lifted: list[Key] = []
        for key, size in zip(keys, sizes, strict=True):
            if self._is_lifted(key, size, level):
                self._hold(key, size, level=level, until_ms=until_ms, is_lift=True)
                lifted.append(key)
            elif self.place(key) == self.below:
                self._dropped.append(key)
        self._tidy()
        return lifted

    def foresee(self, key: Key) -> None:
        """Rank a key that will be read soon as if it had just been; it moves nowhere."""
        place = self.place(key)
        if place == self.below or key in self._pins or self._placement.is_waiting(key):
            return
        size = self._levels[place].size_of(key)
        if self._is_by_rank:
            self._ranking.foresee(None, [key], [size])
        self._placement.touch(key, size, place)
        self._tidy()

    def is_pinned(self, key: Key) -> bool:
        """Return whether a key is held because somebody asked for it."""
        return self._pins.is_pinned(key)

    def pin(
        self, keys: Sequence[Key], sizes: Sequence[int], *, until_ms: float, now_ms: float
    ) -> None:
        """Keep keys where they are until then; what lies below comes to where it fits.

        Raises PinBudgetError, and pins nothing, if they do not fit into the budget or the levels.
        """
        self._pass_time(now_ms)
        sized = dict(zip(keys, sizes, strict=True))
        fresh = {key: size for key, size in sized.items() if not self._pins.is_pinned(key)}
        places = self._pinned_places(fresh)
        for key in sized.keys() - fresh.keys():
            self._pins.extend(key, until_ms)
        for key, level in places.items():
            self._rejoin(key)
            if self._is_by_rank and self.place(key) == self.below:
                self._ranking.foresee(None, [key], [fresh[key]])
            self._hold(key, fresh[key], level=level, until_ms=until_ms)
        self._tidy()

    def unpin(self, keys: Sequence[Key]) -> None:
        """End pins before their time; the keys rejoin the order."""
        for key in keys:
            self._rejoin(key)
        self._tidy()

    def supersede(self, keys: Sequence[Key]) -> None:
        """Send keys of which a newer version exists below all levels, pinned or not."""
        for key in keys:
            self._rejoin(key)
            if self.place(key) < self.below and not self._placement.is_waiting(key):
                size = self._levels[self.place(key)].size_of(key)
                self._placement.drop(key, size)
        self._tidy()

    def forget(self, keys: Sequence[Key]) -> None:
        """Drop all memory of keys that were deleted; nothing is moved."""
        for key in keys:
            self._unpin(key)
            self._placement.forget(key)
        self._tidy()

    def put_back(self, move: Move) -> None:
        """Note that a move was not made: the key is still where it came from, if it is known."""
        if self.place(move.key) != move.target:
            return
        if move.source == self.below:
            self.forget([move.key])
            return
        self._unpin(move.key)
        if self._is_by_rank:
            self._ranking.foresee(None, [move.key], [move.size_bytes])
        self._placement.put(move.key, move.size_bytes, move.source, is_listed=False)
        self._tidy()

    def measured(self, key: Key, bytes_here: int) -> None:
        """Note what a key really takes in its level: it may be built from what lies below."""
        level = self.place(key)
        if level == self.below or self._placement.is_waiting(key):
            return
        if key in self._pins:
            self._pins.measure(key, bytes_here)
            too_much = self._pins.level_bytes(level) > self._levels[level].bytes_max
            if too_much or self._pins.is_over:
                self._rejoin(key)
            self._fit(level)
        else:
            self._placement.push_down(level, self._levels[level].measure(key, bytes_here))
        self._tidy()

    def verified(self) -> None:
        """Let those go that waited for a copy below and have one now."""
        self._placement.release()
        self._tidy()

    def resize(self, level: int, bytes_max: int) -> None:
        """Change a level's limit; pins give way, the first to end first, if they alone pass it."""
        if bytes_max < 0:
            problem = f"bytes_max is {bytes_max}: give 0 or more"
            raise InvalidInputError(problem, path=self._levels[level].name)
        self._levels[level].bytes_max = bytes_max
        while self._pins.level_bytes(level) > bytes_max:
            self._rejoin(self._pins.first_to_end(level))
        self._fit(level)
        self._ranking.resize(sum(each.bytes_max for each in self._levels))
        self._tidy()

    def take_moves(self) -> list[Move]:
        """Return the moves decided since the last call, in order."""
        moved, self._placement.moved = self._placement.moved, []
        return moved

    def state(self) -> tuple[LevelState, ...]:
        """Return what each level holds, and who decides in it."""
        return tuple(
            LevelState(
                name=level.name,
                policy=type(level.policy).__name__,
                keys=len(level),
                size_bytes=self.size_bytes(at),
                bytes_max=level.bytes_max,
                held_bytes=self._pins.level_bytes(at),
                waiting_bytes=self._placement.waiting_bytes(at),
                refused_bytes=meter.refused_bytes if meter else 0,
                problem=level.problem,
            )
            for at, (level, meter) in enumerate(
                zip(self._levels, self._placement.meters, strict=True)
            )
        )

    def _access(self, key: Key, size_bytes: int, top: int, *, is_new: bool) -> int:
        found = place = self._placement.place(key)
        if key in self._pins:
            if self._pins.is_pinned(key):
                return found
            self._rejoin(key)
            place = self._placement.place(key)
        target = self._rises_to(key, size_bytes, top, place, is_new=is_new)
        if target < place:
            self._put(key, size_bytes, target)
        elif place < self.below:
            self._placement.touch(key, size_bytes, place)
        else:
            self._dropped.append(key)
        return found

    def _rises_to(self, key: Key, size_bytes: int, top: int, place: int, *, is_new: bool) -> int:
        """Return the level that a read brings a key to: its own, if none above takes it."""
        if top >= place:
            return place
        for level in range(max(top, self._highest(key, place, is_new=is_new)), place):
            if (
                self._levels[level].admits(key, size_bytes)
                and (is_new or self._has_room(level, key, size_bytes))
                and self._placement.may_write(level, key, size_bytes)
            ):
                return level
        return place

    def _highest(self, key: Key, place: int, *, is_new: bool) -> int:
        """Return the highest level that the gate opens; the second hit is counted per level."""
        if is_new or self._settings.promotion not in _SECONDS:
            return 0
        if place == self.below:
            return self.below - 1
        if self._read_once.get(key) == place:
            return 0
        self._read_once[key] = place
        return place

    def _has_room(self, level: int, key: Key, size_bytes: int) -> bool:
        return self._settings.promotion is not Promotion.WATERMARK or self._levels[level].has_room(
            key, size_bytes, self._settings.high_watermark
        )

    def _put(self, key: Key, size_bytes: int, level: int) -> None:
        self._read_once.pop(key, None)
        self._placement.put(key, size_bytes, level)
        if self._settings.promotion is Promotion.SECOND_READ:
            self._read_once[key] = level

    def _is_lifted(self, key: Key, size_bytes: int, level: int) -> bool:
        """Return whether a key lies below, and there is room for what is read ahead."""
        there = self._levels[level]
        held = self._pins.lifted_bytes(level) + there.bytes_of(key, size_bytes)
        return (
            self.place(key) > level
            and key not in self._pins
            and held <= there.bytes_max * self._settings.lifted_share_max
            and there.can_hold(key, size_bytes)
        )

    def _dropped_one(self, key: Key) -> None:
        self._dropped.append(key)

    def _tidy(self) -> None:
        """Let keys go while there are too many, and forget what is in no level any more."""
        while len(self._placement) > self._settings.keys_max:
            level = next((at for at in reversed(range(self.below)) if len(self._levels[at])), None)
            if level is None:
                break
            self._placement.push_down(level, self._levels[level].shed())
        for key in self._dropped:
            if self.place(key) == self.below:
                self._ranking.forget(key)
                self._read_once.pop(key, None)
        self._dropped.clear()

    def _pass_time(self, now_ms: float) -> None:
        """End the pins whose time is over; a clock that went back stands still meanwhile."""
        now = self._placement.now_ms = max(self._placement.now_ms, now_ms)
        for key in self._pins.expired(now):
            self._rejoin(key)

    def _pinned_places(self, fresh: dict[Key, int]) -> dict[Key, int]:
        """Return where each would be pinned; raises PinBudgetError if there is no place."""
        planned = [0] * self.below
        places: dict[Key, int] = {}
        for key, size in fresh.items():
            at = self.place(key)
            for level in range(at if at < self.below else 0, self.below):
                needed = self._levels[level].bytes_of(key, size)
                held = self._pins.level_bytes(level) + planned[level]
                if held + needed <= self._levels[level].bytes_max:
                    planned[level] += needed
                    places[key] = level
                    break
        lacking = sum(fresh[key] for key in fresh.keys() - places.keys())
        self._pins.check(sum(planned), lacking_bytes=lacking)
        return places

    def _hold(
        self, key: Key, size_bytes: int, *, level: int, until_ms: float, is_lift: bool = False
    ) -> None:
        held = self._levels[level].bytes_of(key, size_bytes)
        self._placement.set_aside(key, size_bytes, level)
        self._pins.add(key, Pin(until_ms, size_bytes, held, level, is_lift))
        self._fit(level)

    def _unpin(self, key: Key) -> Pin | None:
        released = self._pins.release(key)
        if released is not None:
            self._fit(released.level)
        return released

    def _rejoin(self, key: Key) -> None:
        """End a pin, if there is one; the key is in its level's order again."""
        pin = self._unpin(key)
        if pin is not None:
            self._levels[pin.level].expect(key, pin.size_bytes, pin.held_bytes)
            self._placement.return_to(key, pin.size_bytes, pin.level)

    def _fit(self, level: int) -> None:
        """Give a level's policy what pins leave of its limit."""
        free = self._levels[level].bytes_max - self._pins.level_bytes(level)
        self._placement.push_down(level, self._levels[level].resize(max(free, 0)))


def _meter(settings: LevelSettings) -> WriteMeter | None:
    return None if settings.write_budget is None else WriteMeter(settings.write_budget)


def _for_tenants(build: Build, settings: HierarchySettings, tenant_of: TenantOf | None) -> Build:
    """Return how a level's policy is made: one for all, or one per tenant."""
    if settings.tenant_share_max == 1:
        return build
    if tenant_of is None:
        problem = "tenant_share_max below 1 needs tenant_of, which says whose a key is"
        raise InvalidInputError(problem, path="hierarchy")
    return partial(PerTenant, share_max=settings.tenant_share_max, tenant_of=tenant_of, build=build)
