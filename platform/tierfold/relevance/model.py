"""From features to a calibrated probability, with the coefficients of one stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from tierfold.relevance.features import Features
from tierfold.relevance.forest import Codes, Forest
from tierfold.relevance.signals import STATIC, DoubleArray
from tierfold.relevance.weights import coefficients

FAST, BALANCED, QUERY_FREE = "fast", "balanced", "query_free"

# Facts of the whole table that move the base rate; taken where a stage's features have them.
CONTEXT_FACTS = ("log_units", "trace", "code", "terms_asked", "best_coverage", "best_cosine")


_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRest:
    """What a model knows of a table before any question."""

    codes: Codes
    facts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The logistic that makes a score a probability.

    p = sigmoid(intercept + slope * score + bend * max(score - knot, 0) + facts @ weights). Facts
    are the same for all units of a table, and slope and slope + bend are positive, so that p
    orders units exactly as the score does.
    """

    intercept: float
    slope: float
    knot: float
    bend: float
    weights: DoubleArray  # one for each of context_facts

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "Calibration":
        """Make a calibration of its stored form."""
        numbers = {name: float(stored[name]) for name in ("intercept", "slope", "knot", "bend")}
        return cls(**numbers, weights=np.array(stored["weights"], dtype=np.float64))

    def probability(
        self, score: DoubleArray, features: Features, at_rest: Mapping[str, float] = _NONE
    ) -> DoubleArray:
        """Return the probability of each unit, (n,)."""
        facts = float(context_facts(features, score, at_rest) @ self.weights)
        above = self.bend * np.maximum(score - self.knot, 0.0)
        return sigmoid(self.intercept + facts + self.slope * score + above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What one stage knows: its ranker, its calibration, and how units are ordered by them."""

    forest: Forest
    calibration: Calibration
    density_exponent: float

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "Model":
        """Make a model of its stored form."""
        return cls(
            forest=Forest.load(stored["forest"], resting=STATIC),
            calibration=Calibration.load(stored["calibration"]),
            density_exponent=float(stored["density_exponent"]),
        )

    def at_rest(self, static: Features) -> AtRest:
        """Look at the features that no question changes."""
        return AtRest(
            codes=self.forest.at_rest(static, len(static["log_tokens"])),
            facts={name: _fact(static, name) for name in CONTEXT_FACTS if name in static},
        )

    def probability(self, features: Features, at_rest: AtRest | None = None) -> DoubleArray:
        """Return the calibrated probability of each unit, (n,)."""
        known = self.at_rest(features) if at_rest is None else at_rest
        score = self.forest.score_from(known.codes, features)
        return self.calibration.probability(score, features, known.facts)


def context_facts(
    features: Features, score: DoubleArray, at_rest: Mapping[str, float] = _NONE
) -> DoubleArray:
    """Return what is known of the table as a whole: its facts, best score and mean odds."""
    facts = [at_rest[n] if n in at_rest else _fact(features, n) for n in CONTEXT_FACTS]
    best = float(score.max())
    mean_odds = best + float(np.log(np.exp(score - best).mean()))
    return np.array([*facts, best, mean_odds])


def _fact(features: Features, name: str) -> float:
    value = features.get(name, 0.0)
    return float(value.mean()) if isinstance(value, np.ndarray) else float(value)


def sigmoid(value: DoubleArray) -> DoubleArray:
    """Return 1 / (1 + exp(-value)), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * value)


@cache
def model(stage: str) -> Model:
    """Return the shipped model of a stage."""
    return Model.load(coefficients()["stages"][stage])
