"""Scores of units for a question, each a formula over arrays of length n."""

import math
from collections.abc import Sequence

import numpy as np

from tierfold.relevance.index import LongArray, Postings
from tierfold.relevance.question import Question
from tierfold.relevance.signals import DoubleArray, Runs, Signals, sums_of_units

SATURATION = 1.2  # BM25's k1
LENGTH_SHARE = 0.75  # BM25's b
_TINY = 1e-9


def lexical(question: Question, postings: Postings) -> DoubleArray:
    """BM25 over stems, a unit and its group's title as one document (Robertson & Zaragoza)."""
    norm = _length_norm(postings.length.astype(np.float64))
    gain = _saturated(question.count, norm[question.unit]) * question.idf[question.term]
    return summed(question.unit, gain, len(postings))


def lexical_of_runs(question: Question, runs: Runs) -> DoubleArray:
    """BM25 with each run of units as one document, given back for each unit, (n,)."""
    if not len(question.unit):
        return np.zeros(len(runs.owner))
    owner = runs.owner[question.unit]
    key = question.term * len(runs) + owner
    # Ordered by (term, unit), hence by (term, run): equal keys stand together.
    start = np.concatenate(([0], (key[1:] != key[:-1]).nonzero()[0] + 1))
    count = np.add.reduceat(question.count, start)
    term, owner = question.term[start], owner[start]
    holders = np.bincount(term, minlength=len(question.idf))
    idf = np.log1p((len(runs) - holders + 0.5) / (holders + 0.5))
    gain = _saturated(count, _length_norm(runs.length)[owner]) * idf[term]
    score = summed(owner, gain, len(runs))
    return scaled(score).take(runs.owner)


def coverage(question: Question, n: int) -> DoubleArray:
    """Share of the question's information that stands in each unit, 0..1."""
    held = summed(question.unit, question.idf[question.term], n)
    return held / (question.idf_total + _TINY)


def number_coverage(question: Question, n: int) -> DoubleArray:
    """Return the same share, counting only numbers and the digits of identifiers."""
    gain = np.where(question.numeric, question.idf, 0.0)
    return summed(question.unit, gain[question.term], n) / (question.idf_total + _TINY)


def echo(question: Question, postings: Postings) -> DoubleArray:
    """Share of each unit's words that are asked: 1 where it only says the question again."""
    asked = summed(question.unit, question.count, len(postings))
    return asked / np.maximum(postings.length, 1.0)


def cosine(vector: DoubleArray, postings: Postings, signals: Signals) -> DoubleArray:
    """Cosine of a unit-length vector with every unit, from the postings alone."""
    match = postings.matches(vector.astype(np.float32))
    return sums_of_units(signals.weight * match.take(postings.word), postings) / signals.norm


def cosine_of_runs(similarity: DoubleArray, signals: Signals, runs: Runs) -> DoubleArray:
    """Cosine of each run as a whole, scaled, given back for each unit."""
    total = np.add.reduceat(similarity * signals.norm, runs.start)
    length = np.add.reduceat(signals.norm, runs.start)
    return scaled(total / length).take(runs.owner)


def best_of_runs(score: DoubleArray, runs: Runs) -> DoubleArray:
    """Best score inside each run, scaled, given back for each unit."""
    return scaled(np.maximum.reduceat(score, runs.start)).take(runs.owner)


def summed(owner: LongArray, values: DoubleArray, count: int) -> DoubleArray:
    """Sum values by owner, (count,)."""
    return np.bincount(owner, values, count).astype(np.float64, copy=False)


def scaled(score: DoubleArray) -> DoubleArray:
    """Divide by the largest value."""
    largest = float(score.max(initial=0.0))
    return score / largest if largest > 0 else np.zeros_like(score)


def neighbours(score: DoubleArray, reach: int) -> dict[int, DoubleArray]:
    """Score of the unit so many places before, or after where negative; 0 beyond the ends."""
    count = len(score)
    padded = np.zeros(count + 2 * reach)
    padded[reach : reach + count] = score
    return {
        step: padded[reach - step : reach - step + count]
        for step in range(-reach, reach + 1)
        if step
    }


def standard(score: DoubleArray) -> DoubleArray:
    """Return the distance from the mean in standard deviations."""
    count = max(len(score), 1)
    distance = score - float(np.add.reduce(score)) / count
    deviation = math.sqrt(float(np.add.reduce(distance * distance)) / count)
    standardised: DoubleArray = distance / (deviation + _TINY)
    return standardised


def smoothed(score: DoubleArray, radii: tuple[int, ...]) -> DoubleArray:
    """Mean over a triangular window of 4 * radius + 1 units, zeros beyond the ends; (r, n)."""
    reach = max(radii)
    first = np.empty((len(radii), len(score)))
    second = np.empty_like(first)
    width = 2.0 * np.array(radii)[:, None] + 1.0
    _box([_running_sum(score, reach)] * len(radii), radii, out=first)
    first /= width
    _box(_running_sum(first, reach), radii, out=second)
    second /= width
    return second


def _running_sum(score: DoubleArray, reach: int) -> DoubleArray:
    """Return the sums of the first 0, 1, ... n values, and as many of the ends' as `reach`."""
    count = score.shape[-1]
    total = np.empty((*score.shape[:-1], count + 1 + 2 * reach))
    total[..., : reach + 1] = 0.0
    np.cumsum(score, axis=-1, out=total[..., reach + 1 : reach + 1 + count])
    total[..., reach + 1 + count :] = total[..., reach + count, None]
    return total


def _box(
    total: Sequence[DoubleArray] | DoubleArray, radii: tuple[int, ...], *, out: DoubleArray
) -> None:
    """Write the sums over 2 * radius + 1 values around each, from their running sums."""
    count, reach = out.shape[1], max(radii)
    for radius, running, sums in zip(radii, total, out, strict=True):
        upper = reach + radius + 1
        lower = reach - radius
        np.subtract(running[upper : upper + count], running[lower : lower + count], out=sums)


def _length_norm(length: DoubleArray) -> DoubleArray:
    mean = float(length.mean()) if len(length) else 0.0
    return SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * length / (mean or 1.0))


def _saturated(count: DoubleArray, norm: DoubleArray) -> DoubleArray:
    return count * (SATURATION + 1) / (count + norm)
