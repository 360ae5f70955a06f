"""Reads ahead on evidence: what a context's last request read, below a level, as one batch.

Pure: it says what to fetch and by when; its owner fetches, and tells what was read and what left.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from tierfold.memory.policies import Key
from tierfold.memory.prefetch.history import History
from tierfold.memory.prefetch.record import PrefetchFigures, Record
from tierfold.memory.prefetch.settings import Evidence, PrefetchSettings

Place = Callable[[Key], int]  # the level a key lies in; greater is slower


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Evidence that a context is about to be read."""

    evidence: Evidence
    context: Hashable
    keys: tuple[Key, ...] = ()  # named by whoever asks; empty: those of its last request
    sizes: tuple[int, ...] = ()
    read_already: frozenset[Key] = frozenset()  # such as the first block


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What to bring up to the level, in one go, in the order of the prompt."""

    evidence: Evidence
    context: Hashable
    keys: tuple[Key, ...]
    sizes: tuple[int, ...]
    deadline_ms: float  # after it nobody waits for the batch

    @property
    def size_bytes(self) -> int:
        """The bytes of all."""
        return sum(self.sizes)


class Prefetcher:
    """Brings what is expected up to one level; measures itself, and stops where it is wrong."""

    def __init__(self, settings: PrefetchSettings, *, level: int) -> None:
        self.level = level
        self._settings = settings
        self._history = History(contexts_max=settings.contexts_max, keys_max=settings.keys_max)
        self._records = {evidence: Record(settings) for evidence in Evidence}
        self._unread: dict[Key, tuple[Evidence, int]] = {}  # brought up and not read yet
        self._in_flight_bytes = 0
        self._missed_keys = 0

    @property
    def in_flight_bytes(self) -> int:
        """The bytes of batches that have not ended."""
        return self._in_flight_bytes

    @property
    def missed_keys(self) -> int:
        """The reads that lay below the level and were not foreseen."""
        return self._missed_keys

    @property
    def coverage(self) -> float | None:
        """Of the reads that lay below the level, the share that was brought up in time."""
        used = sum(record.figures().used_keys for record in self._records.values())
        reads = used + self._missed_keys
        return used / reads if reads else None

    def figures(self) -> dict[Evidence, PrefetchFigures]:
        """Return what each kind of evidence has brought."""
        return {evidence: record.figures() for evidence, record in self._records.items()}

    def is_unread(self, key: Key) -> bool:
        """Return whether a key was brought up, or is being, and was not read yet."""
        return key in self._unread

    def plan(self, hint: Hint, place: Place, now_ms: float) -> Batch | None:
        """Return what to fetch now, or None; the owner says when it has ended."""
        record = self._records[hint.evidence]
        allowed = record.keys_allowed()
        if allowed == 0:
            return None
        missing = list(islice(self._missing(hint, place), allowed))
        total = sum(size for _, size in missing)
        if not missing or total < self._settings.bytes_min:
            return None
        self._in_flight_bytes += total
        record.sent(len(missing), total)
        self._expect(hint.evidence, missing)
        settings = self._settings
        return Batch(
            evidence=hint.evidence,
            context=hint.context,
            keys=tuple(key for key, _ in missing),
            sizes=tuple(size for _, size in missing),
            deadline_ms=now_ms
            + settings.deadline_base_ms
            + settings.deadline_ms_per_kib * total / 1024,
        )

    def ended(self, batch: Batch, *, failed: Iterable[Key] = ()) -> None:
        """Note that a batch has arrived or was given up; what failed is neither used nor wasted."""
        self._in_flight_bytes -= batch.size_bytes
        for key in failed:
            self._unread.pop(key, None)

    def read(
        self,
        context: Hashable | None,
        keys: Sequence[Key],
        sizes: Sequence[int],
        found: Sequence[int],
        is_new: Sequence[bool] = (),
    ) -> None:
        """Note a request and where its keys were found; what is written anew was no read."""
        unread = self._unread
        news = is_new or (False,) * len(keys)
        for key, level, is_write in zip(keys, found, news, strict=True):
            expected = unread.pop(key, None) if unread else None
            is_here = level <= self.level
            if expected is not None:
                self._records[expected[0]].settled(expected[1], is_used=is_here)
            if not (is_here or is_write):
                self._missed_keys += 1
        if context is not None:
            self._history.note(context, keys, sizes)

    def left(self, keys: Iterable[Key]) -> None:
        """Note keys that went below the level; those not read were fetched in vain."""
        for key in keys:
            expected = self._unread.pop(key, None)
            if expected is not None:
                self._records[expected[0]].settled(expected[1], is_used=False)

    def forget(self, context: Hashable) -> None:
        """Drop a context that was deleted."""
        self._history.forget(context)

    def _expect(self, evidence: Evidence, fetched: Iterable[tuple[Key, int]]) -> None:
        """Watch keys until they are read or leave; the oldest are given up if it is too many."""
        unread = self._unread
        unread.update((key, (evidence, size)) for key, size in fetched)
        excess = len(unread) - self._settings.keys_max
        if excess > 0:
            self.left(list(islice(unread, excess)))

    def _missing(self, hint: Hint, place: Place) -> Iterable[tuple[Key, int]]:
        """Yield what lies below the level, the head first, within what may be in flight."""
        keys, sizes = (hint.keys, hint.sizes) if hint.keys else self._history.last(hint.context)
        room = self._settings.in_flight_bytes_max - self._in_flight_bytes
        for key, size in dict(zip(keys, sizes, strict=True)).items():
            if place(key) <= self.level or key in hint.read_already or key in self._unread:
                continue
            room -= size
            if room < 0:
                return
            yield key, size
