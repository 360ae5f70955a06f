"""The order in which units are worth taking: value per token, frames paid for."""

import numpy as np

from tierfold.optimizer.problem import (
    NO_FRAME,
    BoolArray,
    FloatArray,
    IntArray,
    Problem,
    owed_above,
)

_PLACE_BITS = 32


def densities(problem: Problem, *, exponent: float, paid: BoolArray) -> FloatArray:
    """Return the (n,) sort key: value / tokens**exponent, lowered where a frame is still unpaid.

    A frame is worth opening for its best bundle: the prefix of its units, densest first, whose
    value per token is highest once the frame's own tokens are added. The units of that bundle
    share the bundle's key, so that they come together.
    """
    tokens = np.maximum(problem.tokens, 1).astype(np.float64)
    own = problem.value / tokens**exponent
    if not len(problem.frame_parent):
        return own.astype(np.float32)
    unpaid = owed_above(problem, problem.frame_tokens, paid)
    owing = problem.free & (problem.frame != NO_FRAME)
    owing[owing] = unpaid[problem.frame[owing]] > 0
    key = own.copy()
    places = np.flatnonzero(owing)
    if len(places):
        key[places] = _bundled(problem, places, own, unpaid=unpaid, exponent=exponent)
    return key.astype(np.float32)


def in_order(key: FloatArray, units: IntArray) -> IntArray:
    """Return the units, highest key first, equal keys by place.

    Key and place in one integer make every value distinct, so the fastest sort is stable.
    """
    bits = np.maximum(key[units], 0).astype(np.float32).view(np.uint32)  # orders as the floats do
    composed = (~bits).astype(np.uint64) << np.uint64(_PLACE_BITS) | units.astype(np.uint64)
    composed.sort()
    return (composed & np.uint64((1 << _PLACE_BITS) - 1)).astype(np.int32)


def _bundled(
    problem: Problem, places: IntArray, own: FloatArray, *, unpaid: IntArray, exponent: float
) -> FloatArray:
    frame = problem.frame[places]
    order = np.lexsort((-own[places], frame))
    sorted_frame = frame[order]
    value = problem.value[places][order].astype(np.float64)
    tokens = np.maximum(problem.tokens[places][order], 1).astype(np.float64)
    first = np.flatnonzero(np.r_[True, sorted_frame[1:] != sorted_frame[:-1]])
    sizes = np.diff(np.r_[first, len(order)])
    sum_value = _running_sum(value, first, sizes)
    sum_tokens = _running_sum(tokens, first, sizes)
    # The exponent rewards short units; a bundle is judged as if its frame were spread over it.
    average = sum_tokens / (np.arange(len(order)) - np.repeat(first, sizes) + 1)
    bundle = sum_value / (sum_tokens + unpaid[sorted_frame]) * average ** (1.0 - exponent)
    best = np.repeat(np.maximum.reduceat(bundle, first), sizes)
    is_best = bundle == best
    last_best = np.maximum.reduceat(np.where(is_best, np.arange(len(order)), -1), first)
    in_bundle = np.arange(len(order)) <= np.repeat(last_best, sizes)
    keyed = np.where(in_bundle, best, np.minimum(own[places][order], best))
    result = np.empty(len(places))
    result[order] = keyed
    return result


def _running_sum(values: FloatArray, first: IntArray, sizes: IntArray) -> FloatArray:
    total = np.cumsum(values)
    before = np.concatenate(([0.0], total))[first]
    running: FloatArray = total - np.repeat(before, sizes)
    return running
