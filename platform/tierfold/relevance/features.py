"""The features a unit is judged by, in the order the fitted models know."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance import scores
from tierfold.relevance.index import Postings
from tierfold.relevance.question import Question
from tierfold.relevance.signals import DoubleArray, Runs, Signals

_EMBEDDING_SHARE = 0.7  # of the cosine in the fused score (compression.md, section 5)
_NEIGHBOUR_SHARE = 0.3
_GROUP_LEXICAL, _GROUP_COSINE = 0.5, 0.3
_FEEDBACK_UNITS = 3
_RADII = (1, 3, 8, 20)  # in units, of what stands around one
_TINY = 1e-9

# (n,) of float64, but for those no question changes: these are kept, and in float32. What is the
# same for all units is a number.
Features = dict[str, Any]


def fast_features(question: Question, postings: Postings, signals: Signals) -> Features:
    """Return what the fast stage looks at, (n,) each."""
    n = len(postings)
    lexical = scores.lexical(question, postings)
    similarity = scores.cosine(question.vector, postings, signals)
    positive = np.maximum(similarity, 0.0)
    lexical_scaled, cosine_scaled = scores.scaled(lexical), scores.scaled(positive)
    fused = lexical_scaled + _EMBEDDING_SHARE * cosine_scaled
    beside = scores.neighbours(fused, 2)
    coverage = scores.coverage(question, n)
    features = signals.static | {
        "lexical": lexical_scaled,
        "lexical_share": lexical / ((scores.SATURATION + 1) * question.idf_total + _TINY),
        "coverage": coverage,
        "number_coverage": scores.number_coverage(question, n),
        # In a trace the question is often a message of it; elsewhere such a unit is the answer.
        "trace_echo": scores.echo(question, postings) if signals.static["trace"][0] else 0.0,
        "cosine": similarity,
        "cosine_scaled": cosine_scaled,
        "fused": fused,
        "previous": beside[1],
        "next": beside[-1],
        "second_previous": beside[2],
        "second_next": beside[-2],
    }
    for radius, smooth in zip(_RADII, scores.smoothed(fused, _RADII), strict=True):
        features[f"smooth_{radius}"] = smooth
        features[f"smooth_{radius}_scaled"] = scores.scaled(smooth)
    features |= _runs("group", signals.groups, positive, fused, question, signals)
    features |= _runs("section", signals.sections, positive, fused, question, signals)
    total = fused + _NEIGHBOUR_SHARE * (beside[1] + beside[-1])
    for name in ("group", "section"):
        total = total + _GROUP_LEXICAL * features[f"{name}_lexical"]
        total += _GROUP_COSINE * features[f"{name}_cosine"]
    features["total"] = total
    features["total_scaled"] = scores.scaled(total)
    features["total_standard"] = scores.standard(total)
    features |= _constants(question, coverage, similarity)
    return features


def balanced_features(
    fast: Features,
    postings: Postings,
    signals: Signals,
) -> Features:
    """Add what the balanced stage looks at besides."""
    total = fast["total"]
    order = np.argsort(-total, kind="stable")
    rank = np.empty(len(total))
    rank[order] = np.arange(len(total))
    feedback = feedback_vector(order[:_FEEDBACK_UNITS], postings, signals)
    similarity = scores.cosine(feedback, postings, signals)
    return fast | {
        "log_rank": np.log1p(rank),
        "rank_share": rank / max(len(total), 1),
        "feedback": similarity,
        "feedback_smooth": scores.smoothed(similarity, (2,))[0],
    }


def feedback_vector(
    units: NDArray[np.int64],
    postings: Postings,
    signals: Signals,
) -> DoubleArray:
    """Return the unit-length mean of some units' vectors (pseudo relevance feedback)."""
    mean = np.zeros(postings.vectors.shape[1])
    for unit in units.tolist():
        part = slice(postings.word_start[unit], postings.word_start[unit + 1])
        word = postings.word[part]
        weight = signals.weight[part] * postings.vector_scale[word]
        vector = weight.astype(np.float64) @ postings.vectors[word]
        mean += vector / (np.sqrt(vector @ vector) + _TINY)
    return mean / (float(np.sqrt(mean @ mean)) + _TINY)


def matrix(features: Features, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Stack some features, (f, n)."""
    stacked = np.empty((len(names), len(features[names[0]])), dtype=np.float32)
    for row, name in zip(stacked, names, strict=True):
        row[:] = features[name]
    return stacked


def _runs(
    name: str,
    runs: Runs,
    positive: DoubleArray,
    fused: DoubleArray,
    question: Question,
    signals: Signals,
) -> Features:
    """Scores of the whole run a unit stands in; nothing where sections are the groups again."""
    keys = (f"{name}_lexical", f"{name}_cosine", f"{name}_best", f"{name}_head")
    if runs.trivial or (name == "section" and len(runs) == len(signals.groups)):
        return dict.fromkeys(keys, 0.0)
    values = (
        scores.lexical_of_runs(question, runs),
        scores.cosine_of_runs(positive, signals, runs),
        scores.best_of_runs(fused, runs),
        fused[runs.start].take(runs.owner),
    )
    return dict(zip(keys, values, strict=True))


def _constants(question: Question, coverage: DoubleArray, similarity: DoubleArray) -> Features:
    """Say how much was asked and how well the best unit answers: numbers, not arrays."""
    return {
        "terms_asked": float(np.log1p(question.asked)),
        "terms_found": float(np.log1p(len(question.idf))),
        "best_coverage": float(coverage.max(initial=0.0)),
        "mean_coverage": float(coverage.mean()) if len(coverage) else 0.0,
        "best_cosine": float(similarity.max(initial=0.0)),
    }
