"""Postings: which term stands in which document how often, and the blocks they lie in."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierfold.engine.shard.search.arrays import LongArray, TermArray, garbled, packed, unpacked

BLOCK_POSTINGS = 2048  # in one value; a query reads a few hundred of them for each term

_BASE = struct.Struct(">Q")
_ARRAYS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Postings:
    """Occurrences ordered by term, then by document; all arrays (p,)."""

    terms: TermArray
    documents: LongArray
    counts: LongArray

    def __len__(self) -> int:
        """Return the number of postings."""
        return len(self.terms)

    def __getitem__(self, part: slice | NDArray[Any]) -> "Postings":
        """Return some of them in the same order."""
        return Postings(
            terms=self.terms[part], documents=self.documents[part], counts=self.counts[part]
        )

    def of_term(self, term: int) -> "Postings":
        """Return those of one term."""
        wanted = np.uint64(term)
        low = int(np.searchsorted(self.terms, wanted))
        return self[low : int(np.searchsorted(self.terms, wanted, side="right"))]

    def numbered(self, numbers: LongArray) -> "Postings":
        """Return them with documents called by these numbers, which rise."""
        return Postings(terms=self.terms, documents=numbers[self.documents], counts=self.counts)


def no_postings() -> Postings:
    """Return none at all."""
    return Postings(
        terms=np.zeros(0, np.uint64), documents=np.zeros(0, np.int64), counts=np.zeros(0, np.int64)
    )


def joined(parts: Sequence[Postings]) -> Postings:
    """Return all postings one after another."""
    if not parts:
        return no_postings()
    return Postings(
        terms=np.concatenate([part.terms for part in parts]),
        documents=np.concatenate([part.documents for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
    )


def merged(parts: Sequence[Postings], kept: LongArray) -> Postings:
    """Return all postings of documents that are kept, in their order."""
    everything = joined(parts)
    live = everything[is_among(everything.documents, kept)]
    return live[np.lexsort((live.documents, live.terms))]


def is_among(numbers: LongArray, ordered: LongArray) -> NDArray[np.bool_]:
    """Tell which numbers stand in an ordered array."""
    if not len(ordered):
        return np.zeros(len(numbers), np.bool_)
    place = np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[place] == numbers
    return found


def blocks_of(postings: Postings) -> Iterator[Postings]:
    """Yield the postings in pieces of a block's size."""
    for start in range(0, len(postings), BLOCK_POSTINGS):
        yield postings[start : start + BLOCK_POSTINGS]


def encode_block(block: Postings) -> bytes:
    """Return a block's value: terms once, documents as gaps, counts beyond the first."""
    starts = np.flatnonzero(np.diff(block.terms, prepend=block.terms[:1] ^ np.uint64(1)))
    base = int(block.documents.min())
    gaps = np.diff(block.documents, prepend=0)
    gaps[starts] = block.documents[starts] - base
    sizes = np.diff(starts, append=len(block))
    arrays = (block.terms[starts], sizes, gaps, block.counts - 1)
    return _BASE.pack(base) + packed(arrays)


def decode_block(data: bytes) -> Postings:
    """Return the postings of a value; raises CorruptError."""
    if len(data) < _BASE.size:
        raise garbled()
    terms, sizes, gaps, more = unpacked(data[_BASE.size :], _ARRAYS)
    if sizes.shape != terms.shape or gaps.shape != more.shape or int(sizes.sum()) != len(gaps):
        raise garbled()
    (base,) = _BASE.unpack_from(data)
    total = gaps.cumsum()
    starts = sizes.cumsum() - sizes
    before = np.repeat(total[starts] - gaps[starts], sizes)
    return Postings(terms=np.repeat(terms, sizes), documents=total - before + base, counts=more + 1)
