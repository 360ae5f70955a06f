"""Where every key lies: in one level, or below them all; who is pushed out goes down."""

from collections import deque
from collections.abc import Callable, Sequence

from tierfold.memory.hierarchy.level import Leaving, Level
from tierfold.memory.hierarchy.moves import Move
from tierfold.memory.hierarchy.write_budget import WriteMeter
from tierfold.memory.policies import Key

MayLeave = Callable[[Key], bool]  # whether a verified copy lies below
Forget = Callable[[Key], None]  # is told of keys that have left all levels


class Placement:
    """Exclusive levels; decides at once, and lists the moves for whoever carries them out.

    What may not leave, because no copy below is verified, waits where it was, over the limit.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        meters: Sequence[WriteMeter | None],
        *,
        may_leave: MayLeave,
        forget: Forget,
    ) -> None:
        self.levels = tuple(levels)
        self.below = len(levels)
        self.moved: list[Move] = []
        self.meters = tuple(meters)
        self.now_ms = 0.0
        self.repeated: set[Key] = set()  # read again since they came up; kept for meters alone
        self._has_meters = any(meter is not None for meter in meters)
        self._may_leave = may_leave
        self._forget = forget
        self._place: dict[Key, int] = {}
        self._waiting: dict[Key, tuple[int, int, int]] = {}  # size, level, bytes there
        self._waiting_bytes = [0] * len(levels)

    def __len__(self) -> int:
        return len(self._place)

    def place(self, key: Key) -> int:
        """Return the level of a key, or the number below them all."""
        return self._place.get(key, self.below)

    def waiting_bytes(self, level: int) -> int:
        """Return the bytes that wait in a level for a verified copy below."""
        return self._waiting_bytes[level]

    def is_waiting(self, key: Key) -> bool:
        """Return whether a key was pushed out and may not leave yet."""
        return key in self._waiting

    def touch(self, key: Key, size_bytes: int, level: int) -> None:
        """Note a read of a key that stays in its level."""
        if self._has_meters:
            self.repeated.add(key)
        if key in self._waiting:
            self._take_up(key)
        leaving = self.levels[level].access(key, size_bytes)
        if leaving:
            self.push_down(level, leaving)

    def put(self, key: Key, size_bytes: int, level: int, *, is_listed: bool = True) -> None:
        """Bring a key to a level, from wherever it lies; not listed if it is there already."""
        source = self._place.get(key, self.below)
        if source < self.below:
            if self._has_meters:
                self.repeated.add(key)
            self._take_out(key, source)
        self._place[key] = level
        if is_listed:
            self.moved.append(Move(key, size_bytes, source, level))
        leaving = self.levels[level].access(key, size_bytes)
        if leaving:
            self.push_down(level, leaving)

    def set_aside(self, key: Key, size_bytes: int, level: int) -> None:
        """Keep a key in a level, out of its order."""
        source = self._place.get(key, self.below)
        if source < self.below:
            self._take_out(key, source)
        self._place[key] = level
        if source != level:
            self.moved.append(Move(key, size_bytes, source, level))

    def return_to(self, key: Key, size_bytes: int, level: int) -> None:
        """Bring a key that was set aside back into its level's order."""
        self.push_down(level, self.levels[level].access(key, size_bytes))

    def push_down(self, level: int, leaving: Leaving) -> None:
        """Find each its next place below, and so on for whom it pushes out there."""
        pushed = deque((level, key, size) for key, size in leaving)
        while pushed:
            source, key, size = pushed.popleft()
            target = self._next_below(source, key, size)
            if target == self.below:
                self._drop(key, size, source)
                continue
            self._place[key] = target
            self.moved.append(Move(key, size, source, target))
            pushed += [(target, *each) for each in self.levels[target].access(key, size)]

    def drop(self, key: Key, size_bytes: int) -> None:
        """Send a key below all levels, if it may leave."""
        source = self._place.get(key, self.below)
        if source < self.below:
            self._take_out(key, source)
            self._drop(key, size_bytes, source)

    def forget(self, key: Key) -> None:
        """Drop all memory of a key that is no more; nothing is moved."""
        source = self._place.pop(key, self.below)
        if source < self.below:
            self._take_out(key, source)
        self._gone(key)

    def release(self) -> None:
        """Let those go that waited for a copy below and have one now."""
        for key in [key for key in self._waiting if self._may_leave(key)]:
            size, level = self._take_up(key)
            self._drop(key, size, level)

    def may_write(self, level: int, key: Key, size_bytes: int) -> bool:
        """Return whether a level's write budget allows a key, and spend it if so."""
        meter = self.meters[level]
        return meter is None or meter.allows(
            self.levels[level].bytes_of(key, size_bytes),
            is_repeated=key in self.repeated,
            now_ms=self.now_ms,
        )

    def _next_below(self, source: int, key: Key, size_bytes: int) -> int:
        for level in range(source + 1, self.below):
            if self.levels[level].can_hold(key, size_bytes):
                meter = self.meters[level]
                # Wear is not worth a loss: what has no copy below is written whatever it costs.
                if (
                    meter is None
                    or self.may_write(level, key, size_bytes)
                    or not self._may_leave(key)
                ):
                    return level
        return self.below

    def _drop(self, key: Key, size_bytes: int, source: int) -> None:
        if not self._may_leave(key):
            held = self.levels[source].bytes_of(key, size_bytes)
            self._waiting[key] = (size_bytes, source, held)
            self._waiting_bytes[source] += held
            self._place[key] = source
            return
        self._place.pop(key, None)
        self.moved.append(Move(key, size_bytes, source, self.below))
        self._gone(key)

    def _take_out(self, key: Key, level: int) -> None:
        if key in self._waiting:
            self._take_up(key)
        else:
            self.levels[level].remove(key)

    def _take_up(self, key: Key) -> tuple[int, int]:
        size, level, held = self._waiting.pop(key)
        self._waiting_bytes[level] -= held
        return size, level

    def _gone(self, key: Key) -> None:
        if self._has_meters:
            self.repeated.discard(key)
        self._forget(key)
