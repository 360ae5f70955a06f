"""How likely each unit is needed: the public face of the room's scorers."""

from dataclasses import dataclass

import numpy as np

from tierfold.relevance.duplicates import discount_duplicates
from tierfold.relevance.features import balanced_features, fast_features
from tierfold.relevance.model import BALANCED, FAST, QUERY_FREE, model
from tierfold.relevance.question import Question, read_question
from tierfold.relevance.signals import DoubleArray
from tierfold.relevance.working import WorkingSet
from tierfold.text.table import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Units by how likely a question needs them; the key to sort by is p / tokens**exponent."""

    probability: FloatArray  # (n,) calibrated; framing and pinned units may hold anything
    density_exponent: float
    calibrator: str  # the model that made it, and whose errors its quality is judged by
    query_free: bool  # nothing was asked, or nothing that names anything


def rank_fast(working: WorkingSet, question: str) -> Ranking:
    """Rank by words, word vectors, groups and neighbours: under a millisecond at 128k tokens."""
    if not len(working.units):
        return _ranking(QUERY_FREE, np.zeros(0))
    read = _read(working, question)
    if read is None:
        return _ranking(QUERY_FREE, model(QUERY_FREE).probability(working.signals.static))
    features = fast_features(read, working.postings, working.signals)
    return _ranking(FAST, model(FAST).probability(features, working.at_rest))


def rank_balanced(working: WorkingSet, question: str, fast: Ranking) -> Ranking:
    """Rank again with feedback from the best units, more trees, and copies discounted."""
    read = _read(working, question)
    if read is None:
        return fast
    postings, signals = working.postings, working.signals
    features = fast_features(read, postings, signals)
    features = balanced_features(features, postings, signals)
    probability = model(BALANCED).probability(features)
    return _ranking(BALANCED, discount_duplicates(probability, postings))


def _read(working: WorkingSet, question: str) -> Question | None:
    """Return the question, or None where there is none or no unit."""
    if not question.strip() or not len(working.units):
        return None
    read = read_question(question, working.postings, working.signals)
    return read if read.asked else None


def _ranking(stage: str, probability: DoubleArray) -> Ranking:
    return Ranking(
        probability=probability.astype(np.float32),
        density_exponent=model(stage).density_exponent,
        calibrator=stage,
        query_free=stage == QUERY_FREE,
    )
