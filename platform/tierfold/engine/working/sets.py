"""L0: working sets in this process's heap, bounded by bytes, the longest unused gone first.

Each is leased from the cache's pool, which may want those back that are worth least.
"""

import math
import weakref
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import get_args

from tierfold.context import Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.engine.process_memory import unlimited_keeper
from tierfold.engine.working.loaded import Loaded
from tierfold.engine.working.set_leases import SetLeases

CHANGES_NOTED_MAX = 4096  # contexts whose last change is remembered; 1 MB

_TOKENIZERS: tuple[Tokenizer, ...] = get_args(Tokenizer)

_Key = tuple[ContextKey, Tokenizer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A working set, and when home last confirmed that it is of the newest version."""

    loaded: Loaded
    checked_ms: float  # on the monotonic clock of the process
    is_current: bool = True  # else a change that was made from here is newer, or may be


@dataclass(frozen=True, slots=True)
class _Noted:
    """The changes of one context that were made from here, the last of them."""

    version: int
    asked_ms: float
    made_ms: float

    def is_seen(self, held: Held) -> bool:
        """Whether a working set has seen them: it was checked after them, or is what they made."""
        if held.checked_ms >= self.made_ms:
            return True
        return held.checked_ms >= self.asked_ms and held.loaded.info.version >= self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingSetsReport:
    """What L0 holds and how often it had what was asked."""

    size_bytes: int
    limit_bytes: int
    items: int
    hits: int
    misses: int


class WorkingSets:
    """Holds working sets; safe to share between threads, each call takes one short lock."""

    def __init__(self, bytes_max: int, keeper: PoolKeeper | None = None) -> None:
        self.bytes_max = bytes_max
        self._leases = SetLeases(keeper or unlimited_keeper())
        self._held: OrderedDict[_Key, Held] = OrderedDict()
        self._noted: OrderedDict[ContextKey, _Noted] = OrderedDict()
        self._forgotten = _Noted(0, -math.inf, -math.inf)  # stands for all that were noted before
        self._size_bytes = 0
        self._hits = 0
        self._misses = 0
        self._lock = Lock()

    def get(self, key: ContextKey, tokenizer: Tokenizer) -> Held | None:
        """Return what is held, now the last to go; counts as a hit or a miss."""
        with self._lock:
            held = self._held.get((key, tokenizer))
            if held is None:
                self._misses += 1
                return None
            self._hits += 1
            self._held.move_to_end((key, tokenizer))
            self._leases.used((key, tokenizer))
            is_current = self._noted.get(key, self._forgotten).is_seen(held)
            return held if is_current else replace(held, is_current=False)

    def of(self, key: ContextKey) -> list[tuple[Tokenizer, Loaded]]:
        """Return the working sets of a context, one for each tokenizer; changes no order."""
        with self._lock:
            return [
                (tokenizer, held.loaded)
                for tokenizer in _TOKENIZERS
                if (held := self._held.get((key, tokenizer))) is not None
            ]

    def put(
        self, key: ContextKey, tokenizer: Tokenizer, loaded: Loaded, *, checked_ms: float
    ) -> bool:
        """Hold a working set unless one confirmed later is held, or it is larger than all room.

        Not the version decides: a context that was deleted and made again begins at 1. Returns
        whether it is held now. One that is not held is not leased either.
        """
        place = (key, tokenizer)
        if not self._may_hold(place, loaded, checked_ms):
            return False
        lease = self._leases.lease(loaded, partial(self._evict, place, weakref.ref(loaded)))
        if lease is None:
            with self._lock:
                self._leases.refused()
            return False
        with self._lock:
            if self._is_older(place, checked_ms):
                lease.lease.release()
                return False
            self._remove(place)
            self._held[place] = Held(loaded=loaded, checked_ms=checked_ms)
            self._leases.hold(place, lease)
            self._size_bytes += loaded.size_bytes
            while self._size_bytes > self.bytes_max:
                self._remove(next(iter(self._held)))
            return True

    def clear(self) -> None:
        """Forget all contexts."""
        with self._lock:
            for place in list(self._held):
                self._remove(place)

    def changed(self, key: ContextKey, version: int, *, asked_ms: float, made_ms: float) -> None:
        """Note a change that was made from here: what has not seen it is current no more.

        Of changes that overlap the larger version is the later one.
        """
        with self._lock:
            last = self._noted.get(key, self._forgotten)
            noted = _Noted(
                max(last.version, version),
                max(last.asked_ms, asked_ms),
                max(last.made_ms, made_ms),
            )
            self._note(key, noted)

    def deleted(self, key: ContextKey, made_ms: float) -> None:
        """Forget a context that was deleted from here, and what a question is still reading."""
        with self._lock:
            self._drop(key)
            self._note(key, _Noted(0, made_ms, made_ms))

    def confirm(self, key: ContextKey, tokenizer: Tokenizer, checked_ms: float) -> None:
        """Note when home said that what is held is the newest version."""
        with self._lock:
            held = self._held.get((key, tokenizer))
            if held is not None and held.checked_ms < checked_ms:
                self._held[key, tokenizer] = replace(held, checked_ms=checked_ms)

    def drop(self, key: ContextKey) -> None:
        """Forget a context."""
        with self._lock:
            self._drop(key)

    @property
    def size_bytes(self) -> int:
        """Bytes of all that is held."""
        return self._size_bytes

    def __len__(self) -> int:
        """Return the number of working sets held."""
        return len(self._held)

    def report(self) -> WorkingSetsReport:
        """Return sizes and counts."""
        with self._lock:
            return WorkingSetsReport(
                size_bytes=self._size_bytes,
                limit_bytes=self.bytes_max,
                items=len(self._held),
                hits=self._hits,
                misses=self._misses,
            )

    def _may_hold(self, place: _Key, loaded: Loaded, checked_ms: float) -> bool:
        with self._lock:
            if self._is_older(place, checked_ms):
                return False
            if loaded.size_bytes > self.bytes_max:
                self._remove(place)
                return False
            return True

    def _is_older(self, place: _Key, checked_ms: float) -> bool:
        before = self._held.get(place)
        return before is not None and before.checked_ms > checked_ms

    def _evict(self, place: _Key, asked: "weakref.ref[Loaded]") -> None:
        """Let go of a working set because the pool wants its bytes; of none that came after it."""
        loaded = asked()
        with self._lock:
            held = self._held.get(place)
            if held is not None and held.loaded is loaded:
                self._remove(place, was_evicted=True)

    def _drop(self, key: ContextKey) -> None:
        for tokenizer in _TOKENIZERS:
            self._remove((key, tokenizer))

    def _note(self, key: ContextKey, noted: _Noted) -> None:
        self._noted[key] = noted
        self._noted.move_to_end(key)
        if len(self._noted) > CHANGES_NOTED_MAX:
            _, oldest = self._noted.popitem(last=False)
            made_ms = max(oldest.made_ms, self._forgotten.made_ms)
            self._forgotten = _Noted(0, made_ms, made_ms)

    def _remove(self, key: _Key, *, was_evicted: bool = False) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._size_bytes -= held.loaded.size_bytes
            self._leases.left(key, was_evicted=was_evicted)
