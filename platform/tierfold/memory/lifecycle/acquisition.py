"""Acquisition: one budget split over several sources, by priority and expected value.

Works for whatever is counted: characters that there is time to read, tokens, bytes of memory.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

_WEIGHT_MIN = 1e-9  # of the largest: less is none, or the level overflows
_ROUNDING = 1e-12  # relative: no share is rounded up by an error of the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one source asks of a budget."""

    size: int  # all that it has: more is of no use to it
    priority: float = 1.0  # the caller's
    expected_value: float = 1.0  # of a piece of it, before it is read
    size_min: int = 0  # what must be had whatever the budget: system rows, pins

    @property
    def least(self) -> int:
        """What it gets in any case."""
        return min(max(self.size_min, 0), self.size)

    @property
    def weight(self) -> float:
        """Its share's proportion to other sources' shares."""
        weight = self.priority * self.expected_value
        return weight if math.isfinite(weight) and weight > 0 else 0.0


def split(budget: int, claims: Sequence[Claim]) -> tuple[int, ...]:
    """Return each source's part of the budget.

    Parts are proportional to weights, at least what must be had and at most what there is; what one
    source has no use for goes to the others. Nothing is lost to rounding: parts add up to the
    budget, to all there is, or to what must be had, where that is more. A source of a higher
    priority never gets less than it would with a lower one. Sources without weight get what is
    left.
    """
    heaviest = max((claim.weight for claim in claims), default=0.0)
    weights = [claim.weight / heaviest if heaviest else 0.0 for claim in claims]
    weights = [weight if weight >= _WEIGHT_MIN else 0.0 for weight in weights]
    parts = [claim.least for claim in claims]
    for chosen in (
        [index for index, weight in enumerate(weights) if weight],
        [index for index, weight in enumerate(weights) if not weight],
    ):
        room = budget - sum(parts) + sum(parts[index] for index in chosen)
        filled = _filled(
            room,
            least=[parts[index] for index in chosen],
            most=[max(claims[index].size, 0) for index in chosen],
            weights=[weights[index] or 1.0 for index in chosen],
        )
        for index, part in zip(chosen, filled, strict=True):
            parts[index] = part
    return tuple(parts)


def _filled(
    room: int, *, least: Sequence[int], most: Sequence[int], weights: Sequence[float]
) -> list[int]:
    """Fill vessels of these widths, bottoms and rims to one level; the last drops one by one."""
    level = _level(room, least, most, weights) * (1 - _ROUNDING)
    parts = [
        min(max(int(level * weight), low), high)
        for low, high, weight in zip(least, most, weights, strict=True)
    ]
    drops = room - sum(parts)
    lowest = [
        (-weight / (part + 1), index)
        for index, (part, high, weight) in enumerate(zip(parts, most, weights, strict=True))
        if part < high
    ]
    heapq.heapify(lowest)
    while drops > 0 and lowest:
        _, index = heapq.heappop(lowest)
        parts[index] += 1
        drops -= 1
        if parts[index] < most[index]:
            heapq.heappush(lowest, (-weights[index] / (parts[index] + 1), index))
    return parts


def _level(room: int, least: Sequence[int], most: Sequence[int], weights: Sequence[float]) -> float:
    """Return the level at which the vessels hold so much together."""
    vessels = list(zip(least, most, weights, strict=True))

    def held(level: float) -> float:
        return sum(min(max(level * weight, low), high) for low, high, weight in vessels)

    borders = sorted({border / weight for *ends, weight in vessels for border in ends} | {0.0})
    below, above = 0, len(borders) - 1
    if held(borders[above]) <= room:
        return borders[above]
    if held(borders[below]) >= room:
        return borders[below]
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if held(borders[middle]) <= room else (below, middle)
    low, high = held(borders[below]), held(borders[above])
    return borders[below] + (borders[above] - borders[below]) * (room - low) / (high - low)
