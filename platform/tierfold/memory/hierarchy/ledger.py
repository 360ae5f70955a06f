"""What was decided against what is done: moves wait here for whoever carries them out.

Several moves of a key become one, and a key that came back before it left costs nothing. Ways down
go first, so that there is room, but only from a level that is over its watermark.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tierfold.memory.hierarchy.hierarchy import Hierarchy
from tierfold.memory.hierarchy.moves import Move
from tierfold.memory.policies import Key


class _Owed(NamedTuple):
    move: Move
    leaves_bytes: int  # in the level it leaves
    fills_bytes: int  # in the one it goes to


class Ledger:
    """Where keys really lie; one move of a key is under way at a time.

    `bytes_max` are the levels' real limits: a hierarchy decides by lower ones (its low watermark),
    and between the two nothing moves down.
    """

    def __init__(
        self, hierarchy: Hierarchy, *, bytes_max: Sequence[int], high_watermark: float
    ) -> None:
        self._hierarchy = hierarchy
        self._high_watermark = high_watermark
        self._high_bytes = [int(limit * high_watermark) for limit in bytes_max]
        self._due: OrderedDict[Key, _Owed] = OrderedDict()
        self._under_way: dict[Key, _Owed] = {}
        self._under_way_bytes = 0
        self._beyond = [0] * (hierarchy.below + 1)  # bytes that lie there and not where decided

    def __len__(self) -> int:
        return len(self._due) + len(self._under_way)

    @property
    def under_way_bytes(self) -> int:
        """The bytes that are being moved."""
        return self._under_way_bytes

    def lies(self, key: Key) -> int:
        """Return where a key is now, whatever was decided."""
        self.collect()
        owed = self._under_way.get(key) or self._due.get(key)
        return self._hierarchy.place(key) if owed is None else owed.move.source

    def size_bytes(self, level: int) -> int:
        """Return what really lies in a level."""
        self.collect()
        return self._real_bytes(level)

    def collect(self) -> None:
        """Take over what the hierarchy has decided since the last time."""
        for move in self._hierarchy.take_moves():
            self._decide(move)

    def take(self, *, moves_max: int, bytes_max: int) -> list[Move]:
        """Return moves to be made now, within so many bytes under way; each is confirmed later.

        One move is given even if it alone is larger, when nothing else is under way.
        """
        self.collect()
        taken: list[Move] = []
        for owed in [*self._going(is_down=True), *self._going(is_down=False)]:
            fits = self._under_way_bytes + owed.move.size_bytes <= bytes_max
            if len(taken) == moves_max or not (fits or not self._under_way):
                break
            taken.append(self._begin(owed))
        return taken

    def take_of(self, key: Key) -> Move | None:
        """Return the move of one key, to be made now whatever the watermarks say."""
        self.collect()
        owed = self._due.get(key)
        return None if owed is None or key in self._under_way else self._begin(owed)

    def confirm(self, move: Move, *, is_done: bool = True) -> None:
        """Note that a move was made, or was not; what was decided meanwhile is due then."""
        self.collect()
        under_way = self._under_way.get(move.key)
        if under_way is None or under_way.move != move:
            return
        self._settle(self._under_way, move.key)
        later = self._settle(self._due, move.key)
        if later is not None:
            self._owe(later.move._replace(source=move.target if is_done else move.source))
        elif not is_done:
            self._hierarchy.put_back(move)

    def forget(self, keys: Iterable[Key]) -> None:
        """Drop the moves of keys that were deleted; one under way is confirmed to nobody."""
        self.collect()
        for key in keys:
            self._settle(self._due, key)
            self._settle(self._under_way, key)

    def resize(self, level: int, bytes_max: int) -> None:
        """Take another real limit of a level."""
        self._high_bytes[level] = int(bytes_max * self._high_watermark)

    def _begin(self, owed: _Owed) -> Move:
        del self._due[owed.move.key]
        self._under_way[owed.move.key] = owed
        self._under_way_bytes += owed.move.size_bytes
        return owed.move

    def _real_bytes(self, level: int) -> int:
        return self._hierarchy.size_bytes(level) + self._beyond[level]

    def _decide(self, move: Move) -> None:
        waiting = self._settle(self._due, move.key)
        if waiting is not None:
            move = move._replace(source=waiting.move.source)
        elif move.key in self._under_way:
            move = move._replace(source=self._under_way[move.key].move.target)
        self._owe(move)

    def _owe(self, move: Move) -> None:
        if move.source == move.target:
            return
        leaves, fills = (
            self._hierarchy.bytes_of(level, move.key, move.size_bytes)
            for level in (move.source, move.target)
        )
        self._due[move.key] = _Owed(move, leaves, fills)
        self._beyond[move.source] += leaves
        self._beyond[move.target] -= fills

    def _settle(self, moves: dict[Key, _Owed], key: Key) -> _Owed | None:
        """Take a move out of the account."""
        owed = moves.pop(key, None)
        if owed is not None:
            self._beyond[owed.move.source] -= owed.leaves_bytes
            self._beyond[owed.move.target] += owed.fills_bytes
            if moves is self._under_way:
                self._under_way_bytes -= owed.move.size_bytes
        return owed

    def _going(self, *, is_down: bool) -> list[_Owed]:
        """Return what is due in one direction; down only from levels that are pressed.

        Of those the lowest level's go first: they make room for the ones from above.
        """
        free = [owed for key, owed in self._due.items() if key not in self._under_way]
        if not is_down:
            return [owed for owed in free if owed.move.target < owed.move.source]
        pressed = self._pressed()
        down = [owed for owed in free if owed.move.source < owed.move.target]
        down.sort(key=lambda owed: -owed.move.source)
        return [owed for owed in down if pressed[owed.move.source]]

    def _pressed(self) -> list[bool]:
        """Return for each level whether it is too full, or would be with all that is due to come.

        Whoever comes finds room: what has none would have to go at once, whatever its rank.
        """
        coming = [self._real_bytes(level) for level in range(len(self._high_bytes))]
        for owed in self._due.values():
            if owed.move.target < len(coming):
                coming[owed.move.target] += owed.fills_bytes
        return [size > high for size, high in zip(coming, self._high_bytes, strict=True)]
