"""Words: one scan over many texts, their stems, and bounded process-wide caches of both."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance.stopwords import STOP_WORDS

# A letter is what is none of these: control characters, ASCII and Latin-1 signs, the general
# punctuation, symbols, CJK and full-width signs. Naming what to leave out keeps the combining
# vowels of Indic and Thai scripts, which `\w` splits at, inside their words.
_SIGNS = (
    r"\x00-\x40\x5b-\x60\x7b-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7"
    r"\u055a-\u055f\u0589\u05be\u05c0\u05c3\u060c\u061b\u061f\u066a-\u066d\u06d4"
    r"\u0964\u0965\u0e4f\u0e5a\u0e5b\u104a-\u104f\u1361-\u1368\u17d4-\u17da"
    r"\u2000-\u200b\u200e-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f"
    r"\u3000-\u3004\u3007-\u3020\u3030\u303d\ufe30-\ufe4f\uff01-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_NUMBER = r"[0-9]+(?:[.:][0-9]+)*"


def _runs_of(letters: str, more: str) -> re.Pattern[str]:
    """Match words, numbers, signs that count, and identifiers as one run with all their parts.

    An identifier's parts are joined by nothing or by `_`, and before digits also by `-`. Times
    of day are no part of one: a log would have a new run in every line.
    """
    parts = rf"(?:_*{more}|[_-]?(?![0-9]+:[0-9]){_NUMBER})*"
    word = rf"{letters}(?:(?=[0-9_-]){parts})?"
    number = rf"{_NUMBER}(?:(?<!:[0-9][0-9])(?:_+{_NUMBER}|_*{more}){parts})?"
    return re.compile(rf"{word}|{number}|[?\uff1f\u061f{{\[\x00]")


_ASCII = _runs_of("[A-Za-z]+", "[A-Za-z]+")
_ANY = _runs_of(f"[^{_SIGNS}]+", f"[A-Za-z]+(?![^{_SIGNS}])")
_PARTS = re.compile(rf"[^{_SIGNS}]+|{_NUMBER}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]+",
)

SEPARATOR = "\x00"
PLAIN, NUMBER, CAPITAL, QUESTION, BRACKET = range(5)
CLASS_COUNT = 5
_BORDER = CLASS_COUNT  # the separator between two texts

# A run's class (that of its first part), its words without stop words, the whole of it where it is
# an identifier, and the classes of its further parts. Plain: there is one for every distinct run.
Cut = tuple[int, tuple[str, ...], str, tuple[int, ...]]

_WORD_LIMIT = 262_144  # entries of each cache, about 30 MB; a full cache is dropped whole
_TEXT_LIMIT = 64  # longer runs of letters are data, not words: cut, so that a key stays small

# First and last code point of a script, and its Snowball stemmer. A script shared by languages
# whose stemmers disagree gets the most written one; every other script is left as it is.
_STEMMERS = (
    (0x0000, 0x024F, "english"),
    (0x0370, 0x03FF, "greek"),
    (0x0400, 0x04FF, "russian"),
    (0x0530, 0x058F, "armenian"),
    (0x0600, 0x06FF, "arabic"),
    (0x0900, 0x097F, "hindi"),
    (0x0B80, 0x0BFF, "tamil"),
)


class Lexicon:
    """Process-wide memory of words already cut and stemmed.

    Safe to share between threads: every step is one dictionary operation, entries are pure
    functions of their key, and losing one only costs its recomputation.
    """

    __slots__ = ("classes", "stemmers", "stems")

    def __init__(self) -> None:
        self.classes: dict[str, Cut] = {}
        self.stems: dict[str, str] = {}
        self.stemmers: dict[str, Any] = {}

    def cut(self, raw: str) -> Cut:
        """Return what a scanned run is made of."""
        known = self.classes.get(raw)
        if known is None:
            if len(self.classes) >= _WORD_LIMIT:
                self.classes = {}
            known = self.classes[raw] = _cut(raw)
        return known

    def stem(self, word: str) -> str:
        """Return the stem of a lower-case word."""
        known = self.stems.get(word)
        if known is None:
            if len(self.stems) >= _WORD_LIMIT:
                self.stems = {}
            known = self.stems[word] = self._stem(word)
        return known

    def _stem(self, word: str) -> str:
        if "_" in word:  # a name: another form of it is another name
            return word
        first = ord(word[0])
        for low, high, language in _STEMMERS:
            if low <= first <= high:
                stemmer = self.stemmers.get(language)
                if stemmer is None:
                    import Stemmer  # noqa: PLC0415 - 10 ms that a fold without words never needs

                    # PyStemmer's own cache is off: ours holds the same words once.
                    stemmer = self.stemmers[language] = Stemmer.Stemmer(language, 0)
                return str(stemmer.stemWord(word))
        return word


_LEXICON = Lexicon()
_SINGLE = {
    SEPARATOR: _BORDER,
    "?": QUESTION,
    "\uff1f": QUESTION,
    "\u061f": QUESTION,
    "{": BRACKET,
    "[": BRACKET,
}


def _cut(raw: str) -> Cut:
    if raw in _SINGLE:
        return _SINGLE[raw], (), "", ()
    if raw.isascii() and raw.isalpha() and (raw.islower() or raw.istitle()):
        word = raw.lower()
        mark = CAPITAL if raw[0].isupper() else PLAIN
        return mark, () if word in STOP_WORDS else (word[:_TEXT_LIMIT],), "", ()
    if raw.isascii() and raw.isdigit():
        return NUMBER, (raw[:_TEXT_LIMIT],), "", ()
    parts = _PARTS.findall(raw)
    pieces = [piece for part in parts for piece in _pieces(part)]
    lowered = (piece.lower()[:_TEXT_LIMIT] for piece in pieces)
    kind, *more = map(_class_of, parts)
    return (
        kind,
        tuple(word for word in lowered if word not in STOP_WORDS),
        raw.lower()[:_TEXT_LIMIT] if len(pieces) > 1 and _is_name(raw) else "",
        tuple(more),
    )


def _class_of(part: str) -> int:
    if "0" <= part[0] <= "9":
        return NUMBER
    return CAPITAL if part[0].isupper() else PLAIN


def _pieces(part: str) -> list[str]:
    """Cut camel case, and scripts without spaces."""
    if part.islower() and part.isascii():
        return [part]
    cut = _CAMEL.split(part)
    return cut if part.isascii() else [piece for run in cut for piece in _bigrams(run)]


def _is_name(raw: str) -> bool:
    """Tell identifiers from moments ("21T10:30") and from stretches of a script without spaces."""
    return ":" not in raw and (raw.isascii() or _UNSPACED.search(raw) is None)


def _bigrams(run: str) -> list[str]:
    """Cut stretches of a script without spaces into overlapping pairs of characters."""
    parts: list[str] = []
    position = 0
    for match in _UNSPACED.finditer(run):
        if match.start() > position:
            parts.append(run[position : match.start()])
        stretch = match.group()
        parts += [stretch[i : i + 2] for i in range(max(1, len(stretch) - 1))]
        position = match.end()
    if position < len(run):
        parts.append(run[position:])
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The words of t texts in reading order; o occurrences."""

    slot: NDArray[np.int64]  # (o,) text each occurrence stands in
    word: NDArray[np.int64]  # (o,) id in the vocabulary that was handed in
    is_name: NDArray[np.bool_]  # (o,) a whole identifier; its parts stand before it
    marks: NDArray[np.int64]  # (t, CLASS_COUNT) runs of each class in each text


def scan(texts: list[str], vocabulary: dict[str, int]) -> Scan:
    """Find the words of all texts in one pass, giving new words the next ids of `vocabulary`."""
    if not texts:
        empty = np.zeros(0, dtype=np.int64)
        return Scan(
            slot=empty,
            word=empty,
            is_name=empty.astype(np.bool_),
            marks=np.zeros((0, CLASS_COUNT), dtype=np.int64),
        )
    joined = SEPARATOR.join(texts)
    if joined.count(SEPARATOR) >= len(texts):  # a text that holds the separator itself
        joined = SEPARATOR.join(text.replace(SEPARATOR, " ") for text in texts)
    runs = (_ASCII if joined.isascii() else _ANY).findall(joined)
    numbers = dict(zip(dict.fromkeys(runs), range(len(runs)), strict=False))
    run = np.fromiter(map(numbers.__getitem__, runs), dtype=np.int64, count=len(runs))

    found = _resolve(numbers, vocabulary)
    slot = np.cumsum((found.classes == _BORDER)[run])
    width = CLASS_COUNT + 1
    marks = np.bincount(slot * width + found.classes[run], minlength=len(texts) * width)
    if len(found.more):
        owner, place = _spread(found.more_counts, run)
        marks += np.bincount(slot[owner] * width + found.more[place], minlength=len(marks))
    owner, place = _spread(found.counts, run)
    return Scan(
        slot=slot[owner],
        word=found.words[place],
        is_name=found.is_name[place],
        marks=marks.reshape(len(texts), width)[:, :CLASS_COUNT],
    )


def words_of(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the words of each run of one text, and its name where the run is an identifier."""
    runs = (_ASCII if text.isascii() else _ANY).findall(text.replace(SEPARATOR, " "))
    for run in dict.fromkeys(runs):
        _, pieces, name, _ = _LEXICON.cut(run)
        yield pieces, name


def _spread(
    counts: NDArray[np.int64], run: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lay out the items that runs have, `counts` each: whose each is, and its place among all."""
    first = np.cumsum(counts) - counts
    repeats = counts[run]
    owner = np.repeat(np.arange(len(run)), repeats)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return owner, first[run[owner]] + within


class _Resolved(NamedTuple):
    """What r distinct runs are made of, w words in all."""

    classes: NDArray[np.int64]  # (r,) of the first part
    counts: NDArray[np.int64]  # (r,) words
    words: NDArray[np.int64]  # (w,) ids
    is_name: NDArray[np.bool_]  # (w,)
    more_counts: NDArray[np.int64]  # (r,) further parts
    more: NDArray[np.int64]  # their classes


def _resolve(runs: dict[str, int], vocabulary: dict[str, int]) -> _Resolved:
    """Look up every run, giving new words the next ids."""
    cut = _LEXICON.cut
    classes: list[int] = []
    counts: list[int] = []
    words: list[int] = []
    names: list[int] = []
    more: list[int] = []
    more_counts = np.zeros(len(runs), dtype=np.int64)
    for number, run in enumerate(runs):
        kind, pieces, name, others = cut(run)
        classes.append(kind)
        # A loop, not a comprehension: the length must be that after each insertion, and one call
        # a word is what this function's time is made of.
        for piece in pieces:
            words.append(vocabulary.setdefault(piece, len(vocabulary)))  # noqa: PERF401
        if name:
            names.append(len(words))
            words.append(vocabulary.setdefault(name, len(vocabulary)))
        if others:
            more_counts[number] = len(others)
            more += others
        counts.append(len(pieces) + bool(name))
    is_name = np.zeros(len(words), dtype=np.bool_)
    is_name[names] = True
    return _Resolved(
        _integers(classes),
        _integers(counts),
        _integers(words),
        is_name,
        more_counts,
        _integers(more),
    )


def _integers(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def stems_of(words: list[str]) -> list[str]:
    """Return the stem of each lower-case word, by the stemmer of its script."""
    return [_LEXICON.stem(word) for word in words]
