"""A circuit breaker: an object store that left a call without an answer is not waited for again.

Whoever asks while it is open gets the same error at once. When it has been open for a while, one
caller finds out how things are; the others do not wait with it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tierfold.errors import ObjectStoreError
from tierfold.ports import Clock, Objects

T = TypeVar("T")

OPEN_MS = 2_000.0


class CircuitBreaker:
    """An object store behind a breaker; for any thread."""

    def __init__(self, inner: Objects, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()
        self._problem: str | None = None  # None while it is shut
        self._open_until_ms = 0.0
        self._probing = threading.local()

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        return self._inner.url

    @property
    def problem(self) -> str:
        """Why it is open; "" while it is shut."""
        return self._problem or ""

    @contextmanager
    def leaving_probes(self) -> Iterator[None]:
        """Let this thread fail at once until another one has found out that there are answers."""
        before = getattr(self._probing, "is_left", False)
        self._probing.is_left = True
        try:
            yield
        finally:
            self._probing.is_left = before

    def put_new(self, key: str, body: bytes) -> bool:
        """Store an object durably unless the key is taken; False where it is."""
        return self._done(lambda: self._inner.put_new(key, body))

    def get(self, key: str) -> bytes | None:
        """Return an object, or None."""
        return self._done(lambda: self._inner.get(key))

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in order."""
        keys = self._done(lambda: self._inner.keys(prefix))
        while (key := self._done(lambda: next(keys, None))) is not None:
            yield key

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, whether or not they are there."""
        self._done(lambda: self._inner.delete(keys))

    def close(self) -> None:
        """Stop."""
        self._inner.close()

    def _done(self, call: Callable[[], T]) -> T:
        self._require_shut()
        try:
            result = call()
        except ObjectStoreError as error:
            self._note(str(error) if error.is_silent else None)
            raise
        self._note(None)
        return result

    def _require_shut(self) -> None:
        with self._lock:
            if self._problem is None:
                return
            now_ms = self._clock.now_ms()
            if now_ms >= self._open_until_ms and not getattr(self._probing, "is_left", False):
                self._open_until_ms = now_ms + OPEN_MS  # the others go on failing meanwhile
                return
        problem = "it did not answer in time and is not asked again yet"
        raise ObjectStoreError(url=self.url, problem=problem)

    def _note(self, problem: str | None) -> None:
        if problem is None and self._problem is None:
            return
        with self._lock:
            self._problem = problem
            self._open_until_ms = self._clock.now_ms() + OPEN_MS
