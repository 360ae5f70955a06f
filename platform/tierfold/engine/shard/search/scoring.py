"""BM25 over the postings of a query's terms (Robertson & Zaragoza)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierfold.engine.shard.search.arrays import DoubleArray, LongArray
from tierfold.relevance.scores import LENGTH_SHARE, SATURATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """The documents that hold one term; all arrays of one length."""

    documents: LongArray
    counts: LongArray
    lengths: LongArray

    def with_more(self, more: "Holders") -> "Holders":
        """Return these and others."""
        return Holders(
            documents=np.concatenate((self.documents, more.documents)),
            counts=np.concatenate((self.counts, more.counts)),
            lengths=np.concatenate((self.lengths, more.lengths)),
        )


def no_holders() -> Holders:
    """Return the holders of a term that stands nowhere."""
    none = np.zeros(0, np.int64)
    return Holders(documents=none, counts=none, lengths=none)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Documents and their scores, the best first; of equal ones the newest."""

    documents: LongArray
    scores: DoubleArray


def rarity(documents: int, holders: int) -> float:
    """Return what a term is worth that so many of all documents hold."""
    return float(np.log1p((documents - holders + 0.5) / (holders + 0.5)))


def bm25(terms: Sequence[Holders], *, documents: int, length: int) -> Scored:
    """Score every document that holds a term; so many documents have so many words in all."""
    if not any(len(term.documents) for term in terms):
        return Scored(documents=np.zeros(0, np.int64), scores=np.zeros(0))
    mean = length / documents if length else 1.0
    gains = []
    for term in terms:
        norm = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * term.lengths / mean)
        weight = rarity(documents, len(term.documents)) * (SATURATION + 1)
        gains.append(weight * term.counts / (term.counts + norm))
    found, owner = np.unique(
        np.concatenate([term.documents for term in terms]), return_inverse=True
    )
    scores = np.bincount(owner, np.concatenate(gains), len(found)).astype(np.float64, copy=False)
    order = np.lexsort((-found, -scores))
    return Scored(documents=found[order], scores=scores[order])
