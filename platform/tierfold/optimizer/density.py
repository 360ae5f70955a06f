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
        self._key = self._own.copy()  # where frames owe what is in `_owed`
        self._owed: IntArray = np.zeros(len(problem.stock.frame_parent), np.int32)
        self._by_frame: tuple[IntArray, IntArray] | None = None

    def keys(self, paid: BoolArray) -> FloatArray:
        """Return value / tokens**exponent, (n,), lowered where a frame is still unpaid.

        A frame is worth opening for its best bundle: the prefix of its units, densest first,
        whose value per token is highest once the frame's own tokens are added. The units of that
        bundle share the bundle's key, so that they come together.
        """
        stock = self._problem.stock
        if not len(stock.needing_frame):
            return self._own.astype(np.float32)
        owed = owed_above(stock, paid)
        is_changed = owed != self._owed  # units of other frames keep their keys
        self._owed = owed
        self._settle(is_changed & (owed == 0))
        self._bundle(is_changed & (owed > 0))
        return self._key.astype(np.float32)

    def _in_frames(self) -> tuple[IntArray, IntArray]:
        """Return the units in frames, frame by frame, the densest first, and the frame of each."""
        stock = self._problem.stock
        places = in_order(self._own, stock.needing_frame)
        frame = stock.frame.take(places)
        if len(stock.frame_parent) <= _RADIX_MAX:
            frame = frame.astype(np.uint16)
        order = np.argsort(frame, kind="stable")
        return places.take(order), frame.take(order)

    def _in(self, frames: BoolArray) -> tuple[IntArray, IntArray]:
        """Return the units of these frames as `_in_frames` does."""
        if self._by_frame is None:
            self._by_frame = self._in_frames()
        places, frame = self._by_frame
        at = frames.take(frame).nonzero()[0]
        return places.take(at), frame.take(at)

    def _settle(self, frames: BoolArray) -> None:
        """Give the units of frames that are paid now their own keys."""
        if frames.any():
            places, _ = self._in(frames)
            self._key[places] = self._own.take(places)

    def _bundle(self, frames: BoolArray) -> None:
        """Give the units of frames that owe the keys of their bundles."""
        if frames.any():
            places, frame = self._in(frames)
            if len(places):
                self._key[places] = self._bundled(places, frame)

    def _bundled(self, places: IntArray, frame: IntArray) -> FloatArray:
        """Return the keys of units that stand frame by frame, the densest first."""
        first = np.concatenate(([0], (frame[1:] != frame[:-1]).nonzero()[0] + 1))
        sizes = np.concatenate((first[1:], [len(places)])) - first
        bundle_of = np.repeat(np.arange(len(first)), sizes)
        place = np.arange(len(places))
        problem = self._problem
        value = _running_sum(problem.value.take(places).astype(np.float64), first, bundle_of)
        tokens = _running_sum(np.maximum(problem.stock.tokens.take(places), 1), first, bundle_of)
        # The exponent rewards short units; a bundle is judged as if its frame were spread over it.
        average = tokens / (place - (first - 1).take(bundle_of))
        bundle = value / (tokens + self._owed.take(frame)) * average ** (1.0 - self._exponent)
        best_of_frame = np.maximum.reduceat(bundle, first)
        best = best_of_frame.take(bundle_of)
        last_best = np.maximum.reduceat(np.where(bundle == best, place, -1), first)
        in_bundle = place <= last_best.take(bundle_of)
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


def _running_sum(
    values: FloatArray | IntArray, first: IntArray, bundle_of: IntArray
) -> FloatArray | IntArray:
    """Return the sums from the begin of each frame on."""
    total = np.concatenate(([0], values.cumsum()))
    running: FloatArray | IntArray = total[1:] - total.take(first).take(bundle_of)
    return running
