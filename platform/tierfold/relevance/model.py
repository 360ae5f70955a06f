"""From features to a calibrated probability, with the coefficients of one stage."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tierfold.relevance.features import Features, matrix
from tierfold.relevance.forest import Forest
from tierfold.relevance.signals import DoubleArray
from tierfold.relevance.weights import coefficients

FAST, BALANCED, QUERY_FREE = "fast", "balanced", "query_free"

# Facts of the whole table that move the base rate; taken where a stage's features have them.
CONTEXT_FACTS = ("log_units", "trace", "code", "terms_asked", "best_coverage", "best_cosine")


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

    def probability(self, score: DoubleArray, features: Features) -> DoubleArray:
        """Return the probability of each unit, (n,)."""
        facts = float(context_facts(features, score) @ self.weights)
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
            forest=Forest.load(stored["forest"]),
            calibration=Calibration.load(stored["calibration"]),
            density_exponent=float(stored["density_exponent"]),
        )

    def probability(self, features: Features) -> DoubleArray:
        """Return the calibrated probability of each unit, (n,)."""
        score = self.forest.score(matrix(features, self.forest.names))
        return self.calibration.probability(score, features)


def context_facts(features: Features, score: DoubleArray) -> DoubleArray:
    """Return what is known of the table as a whole: its facts, best score and mean odds."""
    facts = [float(features[name].mean()) if name in features else 0.0 for name in CONTEXT_FACTS]
    best = float(score.max())
    mean_odds = best + float(np.log(np.exp(score - best).mean()))
    return np.array([*facts, best, mean_odds])


def sigmoid(value: DoubleArray) -> DoubleArray:
    """Return 1 / (1 + exp(-value)), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * value)


@cache
def model(stage: str) -> Model:
    """Return the shipped model of a stage."""
    return Model.load(coefficients()["stages"][stage])
