"""How much of the needed evidence a selection keeps: calibrated, and cheap for many selections."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance.free import FreeUnits
from tierfold.relevance.model import sigmoid
from tierfold.relevance.ranking import Ranking
from tierfold.relevance.signals import DoubleArray
from tierfold.relevance.weights import coefficients
from tierfold.relevance.working import WorkingSet
from tierfold.text.table import BoolArray

_GRID = 256  # selections looked at by smallest_budget
_TINY = 1e-9
_SLIGHT = 1e-3  # probabilities below this are told apart no further
_ALMOST = 0.02  # keeps ln(1 - share) finite where the whole mass is kept
_HEAD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a selection is expected to keep."""

    expected: float  # expected share of the needed evidence, 0..1
    p_floor: float  # probability that the share reaches the floor; 1.0 when none was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrator:
    """Two logistics over the same measures; those that grow with the selection weigh >= 0.

    So quality never falls when a unit is added. expected = sigmoid(measures @ expected_weights);
    p_floor = sigmoid(measures @ floor_weights - floor terms), less for a higher floor.
    """

    expected_weights: DoubleArray  # (m,)
    floor_weights: DoubleArray  # (m,)
    floor_terms: DoubleArray  # (3,) >= 0, of `floor_terms`

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "Calibrator":
        """Make a calibrator of its stored form."""
        return cls(
            expected_weights=np.array(stored["expected_weights"], dtype=np.float64),
            floor_weights=np.array(stored["floor_weights"], dtype=np.float64),
            floor_terms=np.array(stored["floor_terms"], dtype=np.float64),
        )

    def expected(self, measures: DoubleArray) -> DoubleArray:
        """Return the expected share for each row of measures."""
        return sigmoid(measures @ self.expected_weights)

    def p_floor(self, measures: DoubleArray, floor: float) -> DoubleArray:
        """Return the probability of reaching the floor for each row of measures."""
        return sigmoid(measures @ self.floor_weights - floor_terms(floor) @ self.floor_terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selections:
    """s selections of one ranking, by what they keep and leave."""

    mass: DoubleArray  # (s,) kept share of the summed probability
    square_mass: DoubleArray  # (s,) the same of the squares
    best_dropped: DoubleArray  # (s,) largest probability that was left out
    ratio: DoubleArray  # (s,) kept share of the tokens


_BASE_COUNT = 7  # measures that grow with the selection
GROWING_COUNT = 3 * _BASE_COUNT  # each of them times (1, trace, code)


def measures(selections: Selections, facts: DoubleArray) -> DoubleArray:
    """Return the rows the calibrators read, (s, GROWING_COUNT + facts + 1)."""
    ratio = np.maximum(selections.ratio, _SLIGHT)
    rows = np.empty((len(ratio), GROWING_COUNT + len(facts) + 1))
    growing = rows[:, :_BASE_COUNT]
    growing[:, 0] = selections.mass
    growing[:, 1] = selections.square_mass
    growing[:, 2] = -np.log(1.0 + _ALMOST - selections.mass)
    growing[:, 3] = -selections.best_dropped
    growing[:, 4] = -np.log(selections.best_dropped + _SLIGHT)
    growing[:, 5] = ratio
    growing[:, 6] = np.log(ratio)
    trace, code = facts[0], facts[1]
    rows[:, _BASE_COUNT : 2 * _BASE_COUNT] = trace * growing
    rows[:, 2 * _BASE_COUNT : GROWING_COUNT] = code * growing
    rows[:, GROWING_COUNT:-1] = facts
    rows[:, -1] = 1.0
    return rows


def floor_terms(floor: float) -> DoubleArray:
    """Return what grows with the floor."""
    return np.array([floor, floor * floor, -np.log(1.0 + _ALMOST - min(floor, 1.0))])


def free_units(working: WorkingSet) -> NDArray[np.int64]:
    """Return the units a selection chooses among: what stays anyway is no evidence found."""
    return working.free.places


def facts_of(working: WorkingSet, probability: DoubleArray) -> DoubleArray:
    """Return what is known of the free units before any is selected, from their probabilities."""
    known, count = working.free, max(len(probability), 1)
    mass = float(probability.sum())
    best = _largest(probability, 2 * _HEAD)
    share = probability / (mass + _TINY)
    entropy = float(-(share * np.log(share + _TINY)).sum()) / np.log(count + 1.0)
    head = float(best[:_HEAD].sum())
    return np.array(
        [
            known.is_trace,
            known.code_share,
            known.bracket_share,
            np.log(mass + _SLIGHT),
            mass,
            float(best[:1].sum()),
            head,
            head / (mass + _TINY),
            float(best[-1]) if len(best) == 2 * _HEAD else 0.0,
            entropy,
            np.log(count),
            np.log(known.tokens_sum + 1.0),
        ],
    )


def _largest(values: DoubleArray, count: int) -> DoubleArray:
    """Return the largest values, at most `count`, in falling order."""
    if len(values) > count:
        values = np.partition(values, len(values) - count)[-count:]
    return np.sort(values)[::-1]


def estimate_quality(
    working: WorkingSet,
    ranking: Ranking,
    kept: BoolArray,
    *,
    floor: float | None,
) -> Quality:
    """Estimate what a selection keeps of the free units; exactly 1 for all, 0 for none of them."""
    free = working.free
    kept_free = kept[free.places]
    count = int(np.count_nonzero(kept_free))
    no_floor = floor is None or floor <= 0
    if count == len(free.places):
        return Quality(expected=1.0, p_floor=1.0)
    if not count:
        return Quality(expected=0.0, p_floor=float(no_floor))
    probability = ranking.probability.take(free.places).astype(np.float64)
    selection = _selection(probability, free, kept_free)
    rows = measures(selection, facts_of(working, probability))
    calibrator = _calibrator(ranking.calibrator)
    sure = 1.0 if floor is None or floor <= 0 else float(calibrator.p_floor(rows, floor)[0])
    return Quality(expected=float(calibrator.expected(rows)[0]), p_floor=sure)


def _selection(probability: DoubleArray, free: FreeUnits, kept: BoolArray) -> Selections:
    """Measure one selection."""
    mass, square = probability.sum(), (probability * probability).sum()
    found = probability[kept]
    dropped = probability[~kept].max(initial=0.0)
    return Selections(
        mass=np.array([min(found.sum() / (mass + _TINY), 1.0)]),
        square_mass=np.array([min((found * found).sum() / (square + _TINY), 1.0)]),
        best_dropped=np.array([dropped]),
        ratio=np.array([free.tokens[kept].sum() / max(free.tokens_sum, 1.0)]),
    )


def smallest_budget(working: WorkingSet, ranking: Ranking, *, floor: float) -> int:
    """Return the tokens of the pinned units and of the densest free ones the floor needs.

    Looks at _GRID selections, spaced closer where few tokens are kept.
    """
    units = working.units
    pinned = int(units.tokens[units.pinned & ~units.framing].sum())
    free = free_units(working)
    if floor <= 0 or not len(free):
        return pinned
    probability = ranking.probability.astype(np.float64)[free]
    tokens = units.tokens[free].astype(np.float64)
    density = probability / np.maximum(tokens, 1.0) ** ranking.density_exponent
    order = np.argsort(-density, kind="stable")
    probability, tokens = probability[order], tokens[order]
    share = np.linspace(0.0, 1.0, _GRID) ** 2
    total = np.cumsum(tokens)
    cuts = np.unique(np.searchsorted(total, share * total[-1], side="left") + 1)
    cuts = np.minimum(cuts, len(free))
    rows = measures(prefixes(probability, tokens, cuts), facts_of(working, probability))
    expected = _calibrator(ranking.calibrator).expected(rows)
    enough = np.flatnonzero((expected >= floor) | (cuts == len(free)))
    return pinned + int(total[cuts[enough[0]] - 1])


def prefixes(probability: DoubleArray, tokens: DoubleArray, cuts: NDArray[np.int64]) -> Selections:
    """Measure the selections that keep the first `cut` units of an order."""
    mass = np.concatenate([[0.0], np.cumsum(probability)])
    square = np.concatenate([[0.0], np.cumsum(probability**2)])
    spent = np.concatenate([[0.0], np.cumsum(tokens)])
    dropped = np.append(np.maximum.accumulate(probability[::-1])[::-1], 0.0)
    return Selections(
        mass=np.minimum(mass[cuts] / (mass[-1] + _TINY), 1.0),
        square_mass=np.minimum(square[cuts] / (square[-1] + _TINY), 1.0),
        best_dropped=dropped[cuts],
        ratio=spent[cuts] / max(spent[-1], 1.0),
    )


@cache
def _calibrator(stage: str) -> Calibrator:
    return Calibrator.load(coefficients()["quality"][stage])
