"""The postings of one table's words: what is computed once when a context is written."""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance.vocabulary import CLASS_COUNT, scan, stems_of
from tierfold.relevance.weights import DIMENSIONS, word_vectors
from tierfold.text.table import UnitTable

LongArray = NDArray[np.int64]
SingleArray = NDArray[np.float32]
SmallArray = NDArray[np.int8]
CountArray = NDArray[np.uint16]

_SHIFT = 32  # a posting's key: its order in the upper half, what it points at in the lower
_MASK = (1 << _SHIFT) - 1
_COUNT_MAX = 65_535  # a unit that repeats a word more often is told apart no further
_ENTRY_BYTES = 32  # of a dictionary's number; the words themselves are shared by all tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Postings:
    """Occurrences of words in units, n units, p postings; every array is sealed.

    Stem postings are ordered by (stem, unit) and count the title of a unit's group as part of
    the unit; surface postings are ordered by (unit, word) and hold the unit's own words, but not
    whole identifiers: these are words to look up, whose meaning is that of their parts.
    """

    words: dict[str, int]  # surface word -> id, in order of first appearance
    stems: dict[str, int]  # stem -> id
    stem_of: LongArray  # (w,) stem of each surface word
    vectors: SmallArray  # (w, DIMENSIONS) in steps of vector_scale
    vector_scale: SingleArray  # (w,)
    stem_keys: LongArray  # (p,) stem << 32 | unit
    stem_counts: CountArray  # (p,)
    word: NDArray[np.int32]  # (p,)
    word_counts: CountArray  # (p,)
    word_start: LongArray  # (n + 1,) into word and word_counts, by unit
    length: SingleArray  # (n,) words of a unit, its title's included
    marks: CountArray  # (n, CLASS_COUNT) runs of each class in the unit's own text
    title_start: LongArray  # (g + 1,) into title_words, by group
    title_words: LongArray

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.length)

    @property
    def size_bytes(self) -> int:
        """Bytes of the arrays and of the two dictionaries, without the words' characters."""
        arrays = (
            self.stem_of,
            self.vectors,
            self.vector_scale,
            self.stem_keys,
            self.stem_counts,
            self.word,
            self.word_counts,
            self.word_start,
            self.length,
            self.marks,
            self.title_start,
            self.title_words,
        )
        entries = sum(sys.getsizeof(d) + _ENTRY_BYTES * len(d) for d in (self.words, self.stems))
        return sum(array.nbytes for array in arrays) + entries

    def matches(self, vector: SingleArray) -> SingleArray:
        """Dot product of each surface word's vector with one vector, (w,)."""
        return (self.vectors.astype(np.float32) @ vector) * self.vector_scale

    def stem_slices(self, stems: list[int]) -> list[slice]:
        """Where the postings of each of some stems stand."""
        keys = np.array([(stem, stem + 1) for stem in stems], dtype=np.int64).ravel() << _SHIFT
        borders = iter(np.searchsorted(self.stem_keys, keys).tolist())
        return [slice(low, high) for low, high in zip(borders, borders, strict=True)]

    def units_of(self, parts: list[slice]) -> LongArray:
        """Units of some stem postings, part by part."""
        return np.concatenate([self.stem_keys[part] for part in parts]) & _MASK


def empty() -> Postings:
    """Return the postings of no unit."""
    none = np.zeros(0, dtype=np.int64)
    return Postings(
        words={},
        stems={},
        stem_of=none,
        vectors=np.zeros((0, DIMENSIONS), dtype=np.int8),
        vector_scale=np.zeros(0, dtype=np.float32),
        stem_keys=none,
        stem_counts=np.zeros(0, dtype=np.uint16),
        word=np.zeros(0, dtype=np.int32),
        word_counts=np.zeros(0, dtype=np.uint16),
        word_start=np.zeros(1, dtype=np.int64),
        length=np.zeros(0, dtype=np.float32),
        marks=np.zeros((0, CLASS_COUNT), dtype=np.uint16),
        title_start=np.zeros(1, dtype=np.int64),
        title_words=none,
    )


def extend(base: Postings, units: UnitTable) -> Postings:
    """Return the postings of `units`, whose first len(base) units `base` already holds."""
    first, count = len(base), len(units)
    if first == count:
        return base
    words = dict(base.words)
    texts, is_title, owner = _texts(units, first, len(base.title_start) - 1)
    found = scan(texts, words)
    titled = is_title[found.slot]
    title_start, title_words = _titles(base, units, found.word[titled], owner[found.slot[titled]])
    unit, word = owner[found.slot[~titled]], found.word[~titled]
    is_part = ~found.is_name[~titled]

    stems = dict(base.stems)
    new_words = list(words)[len(base.words) :]
    new_stems = [stems.setdefault(stem, len(stems)) for stem in stems_of(new_words)]
    stem_of = np.concatenate([base.stem_of, np.array(new_stems, dtype=np.int64)])
    vectors, vector_scale = word_vectors().take(new_words)

    title_unit, title_word = _title_occurrences(units, first, title_start, title_words)
    stem_unit = np.concatenate([unit, title_unit])
    stem = stem_of[np.concatenate([word, title_word])]
    stem_keys, stem_counts = _count(stem << _SHIFT | stem_unit)
    word_keys, word_counts = _count(((unit - first) << _SHIFT | word)[is_part])
    word_ends = np.cumsum(np.bincount(word_keys >> _SHIFT, minlength=count - first))
    place = np.searchsorted(base.stem_keys, stem_keys)
    counted = np.concatenate([unit[is_part], title_unit])
    length = np.bincount(counted - first, minlength=count - first)
    return Postings(
        words=words,
        stems=stems,
        stem_of=stem_of,
        vectors=np.concatenate([base.vectors, vectors]),
        vector_scale=np.concatenate([base.vector_scale, vector_scale]),
        stem_keys=np.insert(base.stem_keys, place, stem_keys),
        stem_counts=np.insert(base.stem_counts, place, stem_counts),
        word=np.concatenate([base.word, (word_keys & _MASK).astype(np.int32)]),
        word_counts=np.concatenate([base.word_counts, word_counts]),
        word_start=np.concatenate([base.word_start, base.word_start[-1] + word_ends]),
        length=np.concatenate([base.length, length.astype(np.float32)]),
        marks=np.concatenate([base.marks, _clipped(found.marks[~is_title])]),
        title_start=title_start,
        title_words=title_words,
    )


def _texts(
    units: UnitTable,
    first: int,
    groups: int,
) -> tuple[list[str], NDArray[np.bool_], LongArray]:
    """List the texts to scan: each unit's, before it its group's title where it begins one.

    The order is that of a scan from the start, so that ids do not depend on how often a table
    was extended. Returns the texts, which are titles, and the group or unit each belongs to.
    """
    texts: list[str] = []
    titles: list[int] = []
    owner: list[int] = []
    text, next_group = units.text, groups
    starts, ends, group = units.start.tolist(), units.end.tolist(), units.group.tolist()
    for index in range(first, len(units)):
        while next_group <= group[index]:
            if next_group < len(units.titles) and units.titles[next_group]:
                titles.append(len(texts))
                texts.append(units.titles[next_group])
                owner.append(next_group)
            next_group += 1
        texts.append(text[starts[index] : ends[index]])
        owner.append(index)
    is_title = np.zeros(len(texts), dtype=np.bool_)
    is_title[titles] = True
    return texts, is_title, np.array(owner, dtype=np.int64)


def _titles(
    base: Postings,
    units: UnitTable,
    word: LongArray,
    group: LongArray,
) -> tuple[LongArray, LongArray]:
    """Append the title words of new groups, ordered by group."""
    known = len(base.title_start) - 1
    groups = max(known, int(units.group.max(initial=-1)) + 1)
    counts = np.bincount(group - known, minlength=groups - known)
    start = np.concatenate([base.title_start, base.title_start[-1] + np.cumsum(counts)])
    return start, np.concatenate([base.title_words, word])


def _title_occurrences(
    units: UnitTable,
    first: int,
    title_start: LongArray,
    title_words: LongArray,
) -> tuple[LongArray, LongArray]:
    """Repeat the title's words for each unit from `first` on."""
    if not len(title_words):
        return title_words, title_words
    group = units.group[first:]
    counts = np.diff(title_start)[group]
    owner = np.repeat(np.arange(len(group)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner + first, title_words[title_start[group[owner]] + within]


def _count(keys: LongArray) -> tuple[LongArray, CountArray]:
    """Sort keys and count how often each occurs."""
    keys = np.sort(keys)
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[starts], _clipped(np.diff(starts, append=len(keys)))


def _clipped(counts: LongArray) -> CountArray:
    return np.minimum(counts, _COUNT_MAX).astype(np.uint16)
