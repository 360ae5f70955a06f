"""The memory of requests: leased before anything is read, and once more before it is ranked.

Reading is leased by the characters there are; where there is no room for all, and the request would
rather have less than nothing, the newest part is read. When the units are counted the lease shrinks
to what they hold, and ranking them is leased.
"""

import contextlib
import itertools
import weakref
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, Self

from tierfold.config import MemorySettings
from tierfold.context import MessagesSource, Source
from tierfold.engine.pool_keeper import Lease, PoolKeeper
from tierfold.errors import OverloadError, TooLargeError
from tierfold.memory.pools import Ask, Pool

CHARACTERS_READ_MIN = 4_000  # a millisecond's worth: an answer that has nothing helps nobody

# While they are made they take two to four times what they hold in the end.
PEAK_PER_HELD = 3

Reading = Literal["read/chat", "read/text"]


def reading_of(sources: Iterable[Source]) -> Reading:
    """Return how reading such sources is called where needs are learned."""
    is_chat = any(isinstance(source, MessagesSource) for source in sources)
    return "read/chat" if is_chat else "read/text"


class ReadLease:
    """A lease for reading so many characters; for one thread at a time."""

    def __init__(self, keeper: PoolKeeper, lease: Lease, reading: Reading, characters: int) -> None:
        self._keeper = keeper
        self._lease = lease
        self._reading = reading
        self.characters = characters  # that may be read
        self.is_degraded = lease.is_degraded  # they are fewer than what was wanted

    def grow_to(self, characters: int, *, wait_ms: float) -> None:
        """Lease what reading so many takes; raises OverloadError or TooLargeError."""
        need = self._keeper.need(self._reading, characters).size_bytes
        if need > self._lease.size_bytes:
            self._lease.grow(need - self._lease.size_bytes, wait_ms=wait_ms)
        self.characters = characters

    def settle(self, held_bytes: int) -> None:
        """Account for what was read as what it holds now, and learn from that."""
        need = self._keeper.need(self._reading, self.characters)
        self._keeper.learn(need, PEAK_PER_HELD * held_bytes)
        self.resize(held_bytes)

    def resize(self, held_bytes: int) -> None:
        """Account for so many bytes from now on."""
        more = held_bytes - self._lease.size_bytes
        if more <= 0:
            self._lease.shrink(-more)
            return
        with contextlib.suppress(OverloadError, TooLargeError):  # it is there all the same
            self._lease.grow(more)

    def keep(self, kept: object) -> None:
        """Hold the lease for as long as what was read lives."""
        weakref.finalize(kept, self._lease.give_up).atexit = False

    def release(self) -> None:
        """Give it back; a second time does nothing."""
        self._lease.release()


class RequestMemory:
    """Leases for the requests of one process."""

    def __init__(self, keeper: PoolKeeper, settings: MemorySettings) -> None:
        self.keeper = keeper
        self._wait_ms_max = settings.wait_ms_max
        self._numbers = itertools.count(1)

    def request(self, remaining_ms: float | None = None) -> "RequestLeases":
        """Return the leases of a request that has so much time; a context, so that they end."""
        wait_ms = self.wait_ms(remaining_ms)
        return RequestLeases(self, f"request-{next(self._numbers)}-{id(self)}", wait_ms)

    def wait_ms(self, remaining_ms: float | None) -> float:
        """Return how long a request with so much time waits for memory; None has no deadline."""
        if remaining_ms is None:
            return float(self._wait_ms_max)
        return max(0.0, min(float(self._wait_ms_max), remaining_ms / 2))

    def write(self, size_bytes: int) -> Lease:
        """Lease what storing so much content takes; a context. Raises as `RequestLeases.read`."""
        need = self.keeper.need("write", size_bytes).size_bytes
        ask = Ask(pool=Pool.OVERHEAD, size_bytes=need)
        return self.keeper.lease(ask, wait_ms=self._wait_ms_max)

    def read(
        self, reading: Reading, characters: int, *, may_read_less: bool = False, wait_ms: float
    ) -> ReadLease:
        """Lease what reading takes, for as long as it is held; raises as `RequestLeases.read`."""
        size_bytes = self.keeper.need(reading, characters).size_bytes
        ask = Ask(pool=Pool.ACTIVE, size_bytes=size_bytes, is_lasting=True)
        return self.leased(ask, reading, characters, may_read_less=may_read_less, wait_ms=wait_ms)

    def leased(
        self,
        ask: Ask,
        reading: Reading,
        characters: int,
        *,
        may_read_less: bool,
        wait_ms: float,
    ) -> ReadLease:
        """Lease what is asked, or what reading less takes where that may be."""
        if may_read_less and characters > CHARACTERS_READ_MIN:
            least = self.keeper.need(reading, CHARACTERS_READ_MIN).size_bytes
            ask = replace(ask, size_bytes_min=min(ask.size_bytes, least))
        lease = self.keeper.lease(ask, wait_ms=wait_ms)
        if lease.is_degraded:
            fits = self.keeper.largest(reading, characters, lease.size_bytes)
            characters = max(fits, CHARACTERS_READ_MIN)
        return ReadLease(self.keeper, lease, reading, characters)


class RequestLeases:
    """What one request holds; for one thread at a time."""

    def __init__(self, memory: RequestMemory, owner: str, wait_ms: float) -> None:
        self._memory = memory
        self._owner = owner
        self._wait_ms = wait_ms
        self._read: ReadLease | None = None
        self._rank: Lease | None = None

    def __enter__(self) -> Self:
        """Hold nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give everything back; what was lost on the way is taken, and counted."""
        for lease in (self._rank, self._read):
            if lease is not None:
                lease.release()
        self._memory.keeper.end(self._owner)

    def read(self, reading: Reading, characters: int, *, may_read_less: bool) -> int:
        """Lease what reading so many characters takes; returns how many may be read.

        Raises OverloadError where there is no room, TooLargeError where there never could be.
        """
        size_bytes = self._memory.keeper.need(reading, characters).size_bytes
        ask = Ask(pool=Pool.ACTIVE, size_bytes=size_bytes, owner=self._owner)
        self._read = self._memory.leased(
            ask, reading, characters, may_read_less=may_read_less, wait_ms=self._wait_ms
        )
        return self._read.characters

    def read_all(self, characters: int) -> None:
        """Lease what reading all takes after all, where less was leased; raises as `read` does."""
        if self._read is not None and self._read.characters < characters:
            self._read.grow_to(characters, wait_ms=self._wait_ms)

    @property
    def has_read(self) -> bool:
        """Whether this request read its sources itself."""
        return self._read is not None

    def settle(self, held_bytes: int) -> None:
        """Account for what was read as what it holds now."""
        if self._read is not None:
            self._read.settle(held_bytes)

    def rank(self, units: int) -> None:
        """Lease what ranking so many units takes; raises OverloadError or TooLargeError."""
        keeper = self._memory.keeper
        ask = Ask(
            pool=Pool.PROCESSING,
            size_bytes=keeper.need("rank", units).size_bytes,
            owner=self._owner,
        )
        self._rank = keeper.lease(ask, wait_ms=self._wait_ms)
