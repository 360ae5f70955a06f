"""A question as the postings see it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance.index import LongArray, Postings
from tierfold.relevance.signals import DoubleArray, Signals
from tierfold.relevance.vocabulary import stems_of, words_of
from tierfold.relevance.weights import DIMENSIONS, word_vectors

_TERM_LIMIT = 256  # distinct words of a question that are read; the rest changes no ranking


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Terms of one question, t of them found, and the q postings they have; terms once each."""

    unit: LongArray  # (q,) unit of each posting, ordered by (term, unit)
    term: LongArray  # (q,) number of its term
    count: DoubleArray  # (q,)
    idf: DoubleArray  # (t,)
    numeric: NDArray[np.bool_]  # (t,) whether the term is a number
    idf_missing: float  # summed over terms no unit holds
    asked: int  # distinct terms, found or not
    vector: DoubleArray  # (DIMENSIONS,) unit length, or zero

    @property
    def idf_total(self) -> float:
        """Information in the whole question."""
        return float(self.idf.sum()) + self.idf_missing


def read_question(text: str, postings: Postings, signals: Signals) -> Question:
    """Look up a question's words."""
    words, names = _terms(text)
    # A name that no unit holds as a whole is missing already as its parts.
    known = [stem for stem in stems_of(names) if stem in postings.stems]
    stems = list(dict.fromkeys([*stems_of(words), *known]))
    found = [(stem, postings.stems[stem]) for stem in stems if stem in postings.stems]
    slices = postings.stem_slices([number for _, number in found])
    sizes = np.array([part.stop - part.start for part in slices], dtype=np.int64)
    n = len(postings)
    counts = [postings.stem_counts[part] for part in slices]
    return Question(
        unit=postings.units_of(slices) if slices else np.zeros(0, dtype=np.int64),
        term=np.repeat(np.arange(len(slices)), sizes),
        count=np.concatenate(counts).astype(np.float64) if counts else np.zeros(0),
        idf=np.log1p((n - sizes + 0.5) / (sizes + 0.5)),
        numeric=np.array([stem[0].isdigit() for stem, _ in found], dtype=np.bool_),
        idf_missing=(len(stems) - len(found)) * signals.idf_unknown,
        asked=len(stems),
        vector=_vector(words, postings, signals),
    )


def _terms(text: str) -> tuple[list[str], list[str]]:
    """Return a question's distinct words, and the identifiers they stand in."""
    words: dict[str, None] = {}
    names: dict[str, None] = {}
    for pieces, name in words_of(text):
        words.update(dict.fromkeys(pieces))
        if name:
            names[name] = None
    return list(words)[:_TERM_LIMIT], list(names)[:_TERM_LIMIT]


def _vector(words: list[str], postings: Postings, signals: Signals) -> DoubleArray:
    if not words:
        return np.zeros(DIMENSIONS)
    known = [postings.words.get(word, -1) for word in words]
    weights = [signals.idf[word] if word >= 0 else signals.idf_unknown for word in known]
    vectors, scale = word_vectors().take(words)
    vector = (np.array(weights, dtype=np.float64) * scale) @ vectors.astype(np.float64)
    length = float(np.sqrt(vector @ vector))
    return vector / length if length > 0 else vector
