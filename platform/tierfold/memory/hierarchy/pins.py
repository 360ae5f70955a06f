"""Keys that stay where they are for a while, out of the order: pins, and what was read ahead."""

from heapq import heapify, heappop, heappush
from typing import NamedTuple

from tierfold.errors import PinBudgetError
from tierfold.memory.policies import Key

_STALE_MIN = 64


class Pin(NamedTuple):
    """One key that is held in a level."""

    until_ms: float
    size_bytes: int
    held_bytes: int  # in its level
    level: int
    is_lift: bool  # ends when it is read, and is not of the budget


class Pins:
    """Which keys are held, until when, and how many bytes each level has of them."""

    def __init__(self, bytes_max: int, levels: int) -> None:
        self._bytes_max = bytes_max
        self._held: dict[Key, Pin] = {}
        self._expiries: list[tuple[float, int, Key]] = []
        self._entries = 0
        self._level_bytes = [0] * levels
        self._lifted_bytes = [0] * levels

    @property
    def size_bytes(self) -> int:
        """What pins hold; what was read ahead is not of their budget."""
        return sum(self._level_bytes) - sum(self._lifted_bytes)

    @property
    def is_over(self) -> bool:
        """Whether pins hold more than their budget: something took more than was thought."""
        return self.size_bytes > self._bytes_max

    def level_bytes(self, level: int) -> int:
        """Return what is held in a level."""
        return self._level_bytes[level]

    def lifted_bytes(self, level: int) -> int:
        """Return what was read ahead to a level and not read yet."""
        return self._lifted_bytes[level]

    def is_pinned(self, key: Key) -> bool:
        """Return whether a key is held because somebody asked for it."""
        pin = self._held.get(key)
        return pin is not None and not pin.is_lift

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __len__(self) -> int:
        return len(self._held)

    def check(self, added_bytes: int, *, lacking_bytes: int) -> None:
        """Raise PinBudgetError if so much more cannot be pinned, or some fits nowhere."""
        free_bytes = self._bytes_max - self.size_bytes
        if lacking_bytes or added_bytes > free_bytes:
            raise PinBudgetError(
                asked_bytes=added_bytes + lacking_bytes,
                free_bytes=max(min(free_bytes, added_bytes), 0) if lacking_bytes else free_bytes,
            )

    def add(self, key: Key, pin: Pin) -> None:
        """Hold a key that is not."""
        self._held[key] = pin
        self._level_bytes[pin.level] += pin.held_bytes
        self._lifted_bytes[pin.level] += pin.is_lift * pin.held_bytes
        self._push(pin.until_ms, key)

    def extend(self, key: Key, until_ms: float) -> None:
        """Let a held key stay longer; never shorter."""
        pin = self._held[key]
        if until_ms > pin.until_ms:
            self._held[key] = pin._replace(until_ms=until_ms)
            self._push(until_ms, key)

    def measure(self, key: Key, bytes_here: int) -> None:
        """Note what a held key really takes in its level."""
        pin = self._held[key]
        added = max(bytes_here, 1) - pin.held_bytes
        self._held[key] = pin._replace(held_bytes=pin.held_bytes + added)
        self._level_bytes[pin.level] += added
        self._lifted_bytes[pin.level] += pin.is_lift * added

    def release(self, key: Key) -> Pin | None:
        """Hold a key no longer; returns how it was held, or None if it was not."""
        pin = self._held.pop(key, None)
        if pin is None:
            return None
        self._level_bytes[pin.level] -= pin.held_bytes
        self._lifted_bytes[pin.level] -= pin.is_lift * pin.held_bytes
        return pin

    def expired(self, now_ms: float) -> list[Key]:
        """Return the keys whose time is over; they are still held."""
        ended: dict[Key, None] = {}
        while self._expiries and self._expiries[0][0] <= now_ms:
            _, _, key = heappop(self._expiries)
            if key in self._held and self._held[key].until_ms <= now_ms:
                ended[key] = None
        return list(ended)

    def first_to_end(self, level: int) -> Key:
        """Return the held key of a level whose time is over first; there is one."""
        here = ((pin.until_ms, key) for key, pin in self._held.items() if pin.level == level)
        return min(here, key=lambda each: each[0])[1]

    def _push(self, until_ms: float, key: Key) -> None:
        self._entries += 1
        heappush(self._expiries, (until_ms, self._entries, key))
        if len(self._expiries) > 2 * len(self._held) + _STALE_MIN:
            self._expiries = [
                (pin.until_ms, at, key) for at, (key, pin) in enumerate(self._held.items())
            ]
            heapify(self._expiries)
