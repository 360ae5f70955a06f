"""What came of reading ahead on one kind of evidence, and whether it goes on."""

from collections import deque
from dataclasses import dataclass

from tierfold.memory.prefetch.settings import PrefetchSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchFigures:
    """What one kind of evidence has brought so far."""

    is_on: bool
    batches: int
    keys: int
    size_bytes: int
    used_keys: int
    used_bytes: int
    wasted_keys: int  # left the level before they were read
    wasted_bytes: int

    @property
    def accuracy(self) -> float | None:
        """The share of keys that were used, of those whose fate is known."""
        settled = self.used_keys + self.wasted_keys
        return self.used_keys / settled if settled else None


class Record:
    """Outcomes of one kind; off below the accuracy it must have, and then tried now and then."""

    def __init__(self, settings: PrefetchSettings) -> None:
        self._settings = settings
        self._outcomes: deque[bool] = deque(maxlen=settings.window_outcomes)
        self._used_in_window = 0
        self._is_on = True
        self._passed_over = 0
        self._batches = 0
        self._prefetched = [0, 0]
        self._used = [0, 0]
        self._wasted = [0, 0]

    def keys_allowed(self) -> int | None:
        """Return how many keys the next batch may have: None any number, 0 none, else a probe."""
        if self._is_on:
            return None
        self._passed_over += 1
        if self._passed_over < self._settings.probe_every:
            return 0
        self._passed_over = 0
        return self._settings.probe_keys_max

    def sent(self, keys: int, size_bytes: int) -> None:
        """Count a batch."""
        self._batches += 1
        self._prefetched[0] += keys
        self._prefetched[1] += size_bytes

    def settled(self, size_bytes: int, *, is_used: bool) -> None:
        """Count what became of one key, and judge."""
        total = self._used if is_used else self._wasted
        total[0] += 1
        total[1] += size_bytes
        outcomes = self._outcomes
        if len(outcomes) == outcomes.maxlen:
            self._used_in_window -= outcomes[0]
        outcomes.append(is_used)
        self._used_in_window += is_used
        least = self._settings.outcomes_min if self._is_on else self._settings.probe_outcomes_min
        if len(outcomes) >= least:
            self._judge(self._used_in_window >= self._settings.accuracy_min * len(outcomes))

    def figures(self) -> PrefetchFigures:
        """Return all that was counted."""
        return PrefetchFigures(
            is_on=self._is_on,
            batches=self._batches,
            keys=self._prefetched[0],
            size_bytes=self._prefetched[1],
            used_keys=self._used[0],
            used_bytes=self._used[1],
            wasted_keys=self._wasted[0],
            wasted_bytes=self._wasted[1],
        )

    def _judge(self, is_good: bool) -> None:  # noqa: FBT001 - the verdict itself
        """Turn on or off; one round of probes is no evidence for the next, nor for what follows."""
        if is_good and self._is_on:
            return
        self._is_on = is_good
        self._outcomes.clear()
        self._used_in_window = 0
        self._passed_over = 0
