"""What tierfold is measured against: stemmed BM25 over the same segments, filled by score."""

import re

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from Stemmer import Stemmer

from benchmarks.data import Context

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[a-zA-Z]+|\d+(?:[.:]\d+)*|[^\W\d_a-zA-Z]+")
_SATURATION, _LENGTH_WEIGHT = 1.2, 0.75  # k1 and b of Robertson's BM25
_TOKENS_LEFT_MIN = 3


def terms(text: str, stemmer: Stemmer) -> list[str]:
    """Return the stems of a text without stop words."""
    words = (word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text)))
    return stemmer.stemWords([word for word in words if word not in ENGLISH_STOP_WORDS])  # type: ignore[no-any-return]  # Stemmer has no types


class StemmedBm25:
    """BM25 over the segments of one context."""

    def __init__(self, context: Context) -> None:
        self._stemmer = Stemmer("english")
        self._tokens = np.array(context.tokens)
        documents = [terms(segment.text, self._stemmer) for segment in context.segments]
        lengths = np.array([len(document) for document in documents], float)
        self._norm = _SATURATION * (
            1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * lengths / max(lengths.mean(), 1e-9)
        )
        self._postings: dict[str, dict[int, int]] = {}
        for index, document in enumerate(documents):
            for term in document:
                counts = self._postings.setdefault(term, {})
                counts[index] = counts.get(index, 0) + 1

    def scores(self, question: str) -> NDArray[np.float64]:
        """Return the score of every segment."""
        count = len(self._tokens)
        scores = np.zeros(count)
        for term in sorted(set(terms(question, self._stemmer))):
            postings = self._postings.get(term)
            if postings is None:
                continue
            places = np.fromiter(postings.keys(), int)
            often = np.fromiter(postings.values(), float)
            rarity = np.log(1 + (count - len(places) + 0.5) / (len(places) + 0.5))
            scores[places] += rarity * often * (_SATURATION + 1) / (often + self._norm[places])
        return scores

    def kept(self, question: str, budget: int) -> set[int]:
        """Return the segments that fill the budget by descending score."""
        kept: set[int] = set()
        for index in np.argsort(-self.scores(question), kind="stable"):
            if self._tokens[index] <= budget:
                kept.add(int(index))
                budget -= int(self._tokens[index])
            if budget < _TOKENS_LEFT_MIN:
                break
        return kept
