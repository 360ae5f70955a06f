"""What the routes stand on."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from tierfold.config import Settings
from tierfold.context.identity import ContextKey
from tierfold.engine.verbs import Step, Verbs
from tierfold.errors import KeyInFlightError
from tierfold.ports import Clock, WallClock
from tierfold_actors.arrival import BodyLedgers
from tierfold_actors.async_driving import AsyncDriver
from tierfold_actors.keys import Keyring
from tierfold_actors.problems import NoStoreError
from tierfold_actors.work import Work

T = TypeVar("T")

_LATENCIES_KEPT = 1024
_ALONE_S_MAX = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDesk:
    """Stored contexts, as the routes reach them."""

    verbs: Verbs
    driver: AsyncDriver
    wall: WallClock
    new_id: Callable[[], str]
    keys_in_flight: set[tuple[ContextKey, bytes]] = field(default_factory=set)
    readers: WeakValueDictionary[ContextKey, asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )
    l0_latency_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))

    async def run(self, steps: Generator[Step, Any, T]) -> T:
        """Drive a verb to its end."""
        return await self.driver.run(steps)

    @contextmanager
    def in_flight(self, context: ContextKey, key: bytes) -> Iterator[None]:
        """Hold a context's idempotency key while the block lasts; raises KeyInFlightError."""
        entry = (context, key)
        if entry in self.keys_in_flight:
            raise KeyInFlightError
        self.keys_in_flight.add(entry)
        try:
            yield
        finally:
            self.keys_in_flight.discard(entry)

    @asynccontextmanager
    async def alone(self, context: ContextKey) -> AsyncIterator[None]:
        """Let one caller at a time read a context that nobody holds: the next ones find it held.

        Whoever has waited long goes in all the same: a shard that hangs holds up nobody in turn.
        """
        lock = self.readers.get(context)
        if lock is None:
            lock = self.readers[context] = asyncio.Lock()
        async with AsyncExitStack() as stack:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ALONE_S_MAX):
                    await stack.enter_async_context(lock)
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything the routes need."""

    work: Work
    ledgers: BodyLedgers
    keyring: Keyring
    clock: Clock
    settings: Settings
    version: str
    store: StoreDesk | None = None

    def require_store(self) -> StoreDesk:
        """Return the store; raises NoStoreError where none was set up."""
        if self.store is None:
            raise NoStoreError
        return self.store
