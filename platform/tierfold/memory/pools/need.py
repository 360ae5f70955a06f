"""How many bytes an operation will need, learned from what such operations took.

A size is what the need follows best, in the operation's own measure: bytes of text for reading it,
units for ranking them. Need per size is learned in buckets of half an octave of size. Until a
bucket has seen enough its neighbours help out, and until they have, a prior curve stands in,
corrected by how the whole operation has compared with it so far.
"""

import math
from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

WINDOW = 128  # samples of one bucket: what was learned before is forgotten
SAMPLES_MIN = 20  # with fewer there is no 95th percentile
SAMPLES_ALONE = 40  # from here on the largest of a bucket, which may be an accident, is above it
OPERATIONS_MAX = 16  # the one that was asked for least lately goes

_QUANTILE = 0.95
_BUCKETS_PER_OCTAVE = 2
_CORRECTION_MAX = 8.0  # one operation on a size it was never seen at proves little


@dataclass(frozen=True, slots=True)
class NeedCurve:
    """Bytes that an operation needs by size: the lowest of lines, each a start and a slope."""

    lines: tuple[tuple[float, float], ...]

    def at(self, size: int) -> float:
        """Return the need at a size."""
        return min(start + slope * size for start, slope in self.lines)


# Upper lines through the peaks of ADR 8; what is learned replaces them.
PRIORS: Mapping[str, NeedCurve] = MappingProxyType(
    {
        "fold": NeedCurve(((100_000, 100), (1_200_000, 62))),  # of bytes of text
        "read": NeedCurve(((60_000, 40),)),  # of bytes of text
        "write": NeedCurve(((200_000, 6),)),  # of bytes of contents
        "rank": NeedCurve(((60_000, 6_900), (1_500_000, 2_400))),  # of units
    }
)
_UNKNOWN = PRIORS["fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one operation is expected to need."""

    operation: str
    size: int
    size_bytes: int
    is_learned: bool  # else the prior stands in


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedReport:
    """Predicted against actual of one operation, over the last of its samples."""

    operation: str
    samples: int  # since it was first seen
    learned: int  # of them predicted without the prior
    under: int  # of them needed more than predicted
    ratio_p05: float  # predicted / actual
    ratio_p50: float
    ratio_p95: float


class _Window:
    """The last values, and their order; both at once, for a sort at each question costs more."""

    def __init__(self) -> None:
        self._arrived: deque[float] = deque()
        self.in_order: list[float] = []

    def add(self, value: float) -> None:
        self._arrived.append(value)
        insort(self.in_order, value)
        if len(self._arrived) > WINDOW:
            del self.in_order[bisect_left(self.in_order, self._arrived.popleft())]


class _Operation:
    """What is known of one operation."""

    def __init__(self, prior: NeedCurve) -> None:
        self.prior = prior
        self.per_size: dict[int, _Window] = {}  # actual / size, by bucket
        self.correction = _Window()  # actual / prior
        self.accuracy = _Window()  # predicted / actual
        self.samples = 0
        self.learned = 0
        self.under = 0

    def predict(self, size: int) -> tuple[float, bool]:
        """Return the need, and whether it was learned at about this size."""
        for reach, least in ((0, SAMPLES_ALONE), (1, SAMPLES_MIN)):
            ratios = self._ratios(_bucket(size), reach)
            if len(ratios) >= least:
                return _quantile(ratios, _QUANTILE) * max(size, 1), True
        need = self.prior.at(size)
        if len(self.correction.in_order) >= SAMPLES_MIN:
            need *= min(_quantile(self.correction.in_order, _QUANTILE), _CORRECTION_MAX)
        return need, False

    def _ratios(self, bucket: int, reach: int) -> list[float]:
        """Return the ratios of a bucket and of so many beside it, in order."""
        near = [self.per_size.get(bucket + step) for step in range(-reach, reach + 1)]
        windows = [window.in_order for window in near if window is not None]
        return windows[0] if len(windows) == 1 else sorted(chain.from_iterable(windows))

    def observe(self, need: Need, actual_bytes: int) -> None:
        self.samples += 1
        self.learned += need.is_learned
        self.under += actual_bytes > need.size_bytes
        self.accuracy.add(need.size_bytes / actual_bytes)
        self.correction.add(actual_bytes / self.prior.at(need.size))
        window = self.per_size.setdefault(_bucket(need.size), _Window())
        window.add(actual_bytes / max(need.size, 1))


class NeedModel:
    """Learns the needs of operations; bounded whatever it is asked. No thread's but one's."""

    def __init__(self, priors: Mapping[str, NeedCurve] = PRIORS) -> None:
        self._priors = priors
        self._operations: OrderedDict[str, _Operation] = OrderedDict()

    def predict(self, operation: str, size: int) -> Need:
        """Return what 95 of 100 such operations stay below."""
        known = self._operations.get(operation) or _Operation(self._prior(operation))
        need, is_learned = known.predict(size)
        return Need(
            operation=operation, size=size, size_bytes=math.ceil(need), is_learned=is_learned
        )

    def largest(self, operation: str, size: int, size_bytes: int) -> int:
        """Return the largest size up to `size` whose predicted need is within `size_bytes`; or 0.

        For an operation that must do with less: it reads so much.
        """
        known = self._operations.get(operation) or _Operation(self._prior(operation))
        while size > 0 and math.ceil(known.predict(size)[0]) > size_bytes:
            smallest = _smallest(_bucket(size))
            if smallest < size and math.ceil(known.predict(smallest)[0]) <= size_bytes:
                return _bisected(known, smallest, size, size_bytes)
            size = smallest - 1
        return max(size, 0)

    def observe(self, need: Need, actual_bytes: int) -> None:
        """Learn what a predicted operation took; nothing is learned from what took nothing."""
        if actual_bytes <= 0:
            return
        known = self._operations.get(need.operation)
        if known is None:
            known = self._operations[need.operation] = _Operation(self._prior(need.operation))
            if len(self._operations) > OPERATIONS_MAX:
                self._operations.popitem(last=False)
        self._operations.move_to_end(need.operation)
        known.observe(need, actual_bytes)

    def report(self) -> tuple[NeedReport, ...]:
        """Return predicted against actual for each operation, by name."""
        return tuple(
            NeedReport(
                operation=name,
                samples=known.samples,
                learned=known.learned,
                under=known.under,
                ratio_p05=_quantile(known.accuracy.in_order, 0.05),
                ratio_p50=_quantile(known.accuracy.in_order, 0.5),
                ratio_p95=_quantile(known.accuracy.in_order, 0.95),
            )
            for name, known in sorted(self._operations.items())
        )

    def _prior(self, operation: str) -> NeedCurve:
        """Return the operation's curve: `fold/chat` has that of `fold` unless it has its own."""
        family = operation.partition("/")[0]
        return self._priors.get(operation) or self._priors.get(family) or _UNKNOWN


def _quantile(in_order: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all does not exceed."""
    return in_order[max(math.ceil(share * len(in_order)) - 1, 0)]


def _bucket(size: int) -> int:
    return math.floor(_BUCKETS_PER_OCTAVE * math.log2(max(size, 1)))


def _smallest(bucket: int) -> int:
    """Return the smallest size of a bucket."""
    size = math.ceil(2 ** (bucket / _BUCKETS_PER_OCTAVE))
    return size if _bucket(size) == bucket else size + 1


def _bisected(known: _Operation, fits: int, too_large: int, size_bytes: int) -> int:
    """Return the largest size that fits; within one bucket need grows with size."""
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if math.ceil(known.predict(middle)[0]) <= size_bytes:
            fits = middle
        else:
            too_large = middle
    return fits
