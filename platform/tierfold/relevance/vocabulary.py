"""Words: one scan over many texts, their stems, and bounded process-wide caches of both."""

import re
from dataclasses import dataclass
from typing import Any

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
_TAIL = r"|[0-9]+(?:[.:][0-9]+)*|[?\uff1f\u061f]|[{\[]|\x00"
_ASCII = re.compile(r"[A-Za-z]+|[0-9]+(?:[.:][0-9]+)*|\?|[{\[]|\x00")
_ANY = re.compile(rf"[^{_SIGNS}]+{_TAIL}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]+",
)

SEPARATOR = "\x00"
PLAIN, NUMBER, CAPITAL, QUESTION, BRACKET = range(5)
CLASS_COUNT = 5
_BORDER = CLASS_COUNT  # the separator between two texts

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
        self.classes: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.stems: dict[str, str] = {}
        self.stemmers: dict[str, Any] = {}

    def cut(self, raw: str) -> tuple[int, tuple[str, ...]]:
        """Return the class of a scanned run and the words in it, without stop words."""
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
_SINGLE = {"?": QUESTION, "\uff1f": QUESTION, "\u061f": QUESTION, "{": BRACKET, "[": BRACKET}


def _cut(raw: str) -> tuple[int, tuple[str, ...]]:
    if raw == SEPARATOR:
        return _BORDER, ()
    if raw in _SINGLE:
        return _SINGLE[raw], ()
    first = raw[0]
    if "0" <= first <= "9":
        return NUMBER, (raw[:_TEXT_LIMIT],)
    mark = CAPITAL if first.isupper() else PLAIN
    if raw.isascii():
        if raw.islower() or raw.istitle():
            word = raw.lower()
            return mark, () if word in STOP_WORDS else (word[:_TEXT_LIMIT],)
        pieces = _CAMEL.split(raw)
    else:
        pieces = [part for run in _CAMEL.split(raw) for part in _bigrams(run)]
    lowered = (piece.lower()[:_TEXT_LIMIT] for piece in pieces)
    return mark, tuple(word for word in lowered if word not in STOP_WORDS)


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
    marks: NDArray[np.int64]  # (t, CLASS_COUNT) runs of each class in each text


def scan(texts: list[str], vocabulary: dict[str, int]) -> Scan:
    """Find the words of all texts in one pass, giving new words the next ids of `vocabulary`."""
    if not texts:
        empty = np.zeros(0, dtype=np.int64)
        return Scan(slot=empty, word=empty, marks=np.zeros((0, CLASS_COUNT), dtype=np.int64))
    joined = SEPARATOR.join(texts)
    if joined.count(SEPARATOR) >= len(texts):  # a text that holds the separator itself
        joined = SEPARATOR.join(text.replace(SEPARATOR, " ") for text in texts)
    runs = (_ASCII if joined.isascii() else _ANY).findall(joined)
    numbers = dict(zip(dict.fromkeys(runs), range(len(runs)), strict=False))
    run = np.fromiter(map(numbers.__getitem__, runs), dtype=np.int64, count=len(runs))

    classes, counts, words = _resolve(numbers, vocabulary)
    border = classes == _BORDER
    slot = np.cumsum(border[run])
    width = CLASS_COUNT + 1
    marks = np.bincount(slot * width + classes[run], minlength=len(texts) * width)
    first = np.cumsum(counts) - counts
    repeats = counts[run]
    owner = np.repeat(np.arange(len(run)), repeats)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return Scan(
        slot=slot[owner],
        word=words[first[run[owner]] + within],
        marks=marks.reshape(len(texts), width)[:, :CLASS_COUNT],
    )


def _resolve(
    runs: dict[str, int],
    vocabulary: dict[str, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return class and number of words of each distinct run, and the ids of all their words."""
    cut = _LEXICON.cut
    classes: list[int] = []
    counts: list[int] = []
    words: list[int] = []
    for run in runs:
        kind, pieces = cut(run)
        classes.append(kind)
        counts.append(len(pieces))
        # A loop, not a comprehension: the length must be that after each insertion, and one call
        # a word is what this function's time is made of.
        for piece in pieces:
            words.append(vocabulary.setdefault(piece, len(vocabulary)))  # noqa: PERF401
    return _integers(classes), _integers(counts), _integers(words)


def _integers(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def stems_of(words: list[str]) -> list[str]:
    """Return the stem of each lower-case word, by the stemmer of its script."""
    return [_LEXICON.stem(word) for word in words]
