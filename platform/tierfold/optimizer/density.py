"""The order in which units are worth taking: value per token, frames paid for."""

import numpy as np

from tierfold.optimizer.problem import (
    BoolArray,
    FloatArray,
    IntArray,
    Problem,
    owed_above,
)

_PLACE_BITS = 32
_RADIX_MAX = 1 << 16  # numpy sorts integers of 16 bits by radix, in a tenth of the time


class Densities:
    """The sort keys of a problem's units; only the frames already paid change between passes."""

    def __init__(self, problem: Problem, *, exponent: float) -> None:
        self._problem = problem
        self._exponent = exponent
        self._own = problem.value / problem.stock.size(exponent)
        self._by_frame: IntArray | None = None

    def keys(self, paid: BoolArray) -> FloatArray:
        """Return value / tokens**exponent, (n,), lowered where a frame is still unpaid.

        A frame is worth opening for its best bundle: the prefix of its units, densest first,
        whose value per token is highest once the frame's own tokens are added. The units of that
        bundle share the bundle's key, so that they come together.
        """
        stock = self._problem.stock
        if not len(stock.needing_frame):
            return self._own.astype(np.float32)
        if self._by_frame is None:
            self._by_frame = self._in_frames()
        unpaid = owed_above(stock, paid)
        places = self._by_frame[unpaid.take(stock.frame.take(self._by_frame)) > 0]
        key = self._own.copy()
        if len(places):
            key[places] = self._bundled(places, unpaid)
        return key.astype(np.float32)

    def _in_frames(self) -> IntArray:
        """Return the units that stand in frames, frame by frame, the densest first."""
        stock = self._problem.stock
        places = in_order(self._own, stock.needing_frame)
        frame = stock.frame.take(places)
        if len(stock.frame_parent) <= _RADIX_MAX:
            frame = frame.astype(np.uint16)
        return places[np.argsort(frame, kind="stable")]

    def _bundled(self, places: IntArray, unpaid: IntArray) -> FloatArray:
        """Return the keys of units that stand frame by frame, the densest first."""
        stock = self._problem.stock
        frame = stock.frame.take(places)
        first = np.concatenate(([0], (frame[1:] != frame[:-1]).nonzero()[0] + 1))
        sizes = np.concatenate((first[1:], [len(places)])) - first
        place = np.arange(len(places))
        value = _running_sum(self._problem.value.take(places).astype(np.float64), first, sizes)
        tokens = _running_sum(np.maximum(stock.tokens.take(places), 1.0), first, sizes)
        # The exponent rewards short units; a bundle is judged as if its frame were spread over it.
        average = tokens / (place - np.repeat(first - 1, sizes))
        bundle = value / (tokens + unpaid.take(frame)) * average ** (1.0 - self._exponent)
        best_of_frame = np.maximum.reduceat(bundle, first)
        best = np.repeat(best_of_frame, sizes)
        last_best = np.maximum.reduceat(np.where(bundle == best, place, -1), first)
        in_bundle = place <= np.repeat(last_best, sizes)
        return np.where(in_bundle, best, np.minimum(self._own.take(places), best))


def in_order(key: FloatArray, units: IntArray) -> IntArray:
    """Return the units, highest key first, equal keys by place.

    Key and place in one integer make every value distinct, so the fastest sort is stable.
    """
    bits = (
        np.maximum(key.take(units), 0).astype(np.float32).view(np.uint32)
    )  # orders as the floats do
    composed = (~bits).astype(np.uint64) << np.uint64(_PLACE_BITS) | units.astype(np.uint64)
    composed.sort()
    return (composed & np.uint64((1 << _PLACE_BITS) - 1)).astype(np.int32)


def _running_sum(values: FloatArray, first: IntArray, sizes: IntArray) -> FloatArray:
    """Return the sums from the begin of each frame on."""
    total = np.zeros(len(values) + 1)
    np.cumsum(values, out=total[1:])
    running: FloatArray = total[1:] - np.repeat(total[first], sizes)
    return running
