"""Near-duplicates among the best units: a copy of something kept is worth little."""

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance.index import LongArray, Postings
from tierfold.relevance.signals import DoubleArray

CANDIDATES = 400  # the best units; copies further down are not kept at any budget that matters
_PERMUTATIONS = 128
_BANDS = 32
_SEED = 1
_SIMILAR = 0.5  # Jaccard similarity from which a unit counts as a copy (algorithms.md, section 5)
_WORDS_MIN = 4  # shorter units are alike by chance
_REMAINS = 0.5  # of a copy's probability


def discount_duplicates(probability: DoubleArray, postings: Postings) -> DoubleArray:
    """Lower the probability of units that repeat a more probable one."""
    order = np.argsort(-probability, kind="stable")[:CANDIDATES]
    low, high = postings.word_start[order], postings.word_start[order + 1]
    kept = high - low >= _WORDS_MIN
    order, low, high = order[kept], low[kept], high[kept]
    if len(order) < 2:  # noqa: PLR2004 - a pair
        return probability
    copies = copies_of(signatures(postings.word, low, high))
    discounted = probability.copy()
    discounted[order[copies]] *= _REMAINS
    return discounted


def signatures(word: NDArray[np.int32], low: LongArray, high: LongArray) -> NDArray[np.uint32]:
    """MinHash signatures of the word sets of some units, (c, _PERMUTATIONS)."""
    from rensa import RMinHash  # noqa: PLC0415 - only the balanced stage needs it

    sizes = high - low
    ends = np.cumsum(sizes)
    place = np.arange(ends[-1]) + np.repeat(low - (ends - sizes), sizes)
    # Word numbers are small and dense; the multiplication (Knuth's) makes hashes of them.
    hashes = (word[place].astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    offsets = np.concatenate([[0], ends]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, _PERMUTATIONS, _SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32)


def copies_of(digests: NDArray[np.uint32]) -> LongArray:
    """Rows similar to an earlier row; rows stand in order of falling probability."""
    count = len(digests)
    width = _PERMUTATIONS // _BANDS
    bands = digests.reshape(count, _BANDS, width).astype(np.uint64)
    factors = np.uint64(0x9E3779B97F4A7C15) ** np.arange(1, width + 1, dtype=np.uint64)
    keys = (bands * factors).sum(axis=2, dtype=np.uint64) * np.uint64(_BANDS)
    keys = (keys + np.arange(_BANDS, dtype=np.uint64)).T.ravel()
    rows = np.tile(np.arange(count), _BANDS)
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    same = np.flatnonzero(keys[1:] == keys[:-1])
    # Equal keys keep the order of rows: each is compared with the one before it in its bucket.
    pairs = np.unique(rows[same] * count + rows[same + 1])
    first, second = pairs // count, pairs % count
    similar = (digests[first] == digests[second]).mean(axis=1) >= _SIMILAR
    return np.unique(second[similar])
