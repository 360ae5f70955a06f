"""Calls of an object store's asynchronous client, made from any thread, each with a deadline."""

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_ENDING_S_MAX = 1.0


class CallsClosedError(Exception):
    """The calls were closed before this one was done."""


class Calls:
    """Waits for calls in one thread of its own, which begins with the first.

    A call that is over its time is cut off, its connection with it; closing cuts off all of them,
    so that nobody waits for a store that accepts connections and never answers.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def run(self, call: Callable[[], Awaitable[T]], limit_s: float) -> T:
        """Return what the call returns; raises TimeoutError, CallsClosedError, or what it raises.

        The call is made in the thread of the calls.
        """
        with self._lock:
            if self._is_closed:
                raise CallsClosedError
            future = asyncio.run_coroutine_threadsafe(_limited(call, limit_s), self._begun())
        return future.result()

    def close(self) -> None:
        """Cut off what is under way and refuse what comes; a second time does nothing."""
        with self._lock:
            self._is_closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        atexit.unregister(self.close)
        loop.call_soon_threadsafe(_cut_off, loop)
        thread.join(_ENDING_S_MAX)
        if not thread.is_alive():
            loop.close()

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="tierfold objects", daemon=True
            )
            self._thread.start()
            atexit.register(self.close)  # what arrives after the interpreter would abort it
        return self._loop


async def _limited(call: Callable[[], Awaitable[T]], limit_s: float) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await call()
    except asyncio.CancelledError:
        raise CallsClosedError from None


def _cut_off(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    asyncio.gather(*tasks, return_exceptions=True).add_done_callback(lambda _: loop.stop())
    if not tasks:
        loop.stop()
