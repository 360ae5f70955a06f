"""The part of a text that a person reads in a list of what was found."""

from collections.abc import Mapping

import numpy as np

from tierfold.relevance.vocabulary import scan, stems_of

SNIPPET_CHARACTERS = 300

_TEXT_MAX = 1 << 17  # characters that are looked through; words further in are shown by none
_STEP = SNIPPET_CHARACTERS // 2
_BORDER = 24  # characters: a cut moves to a blank within them
_ELLIPSIS = "\u2026"


def snippet(text: str, weights: Mapping[str, float]) -> str:
    """Return the stretch of a text whose stems weigh the most, or all of a short text."""
    if len(text) <= SNIPPET_CHARACTERS:
        return text
    looked = text[:_TEXT_MAX]
    starts = range(0, max(1, len(looked) - _STEP), _STEP)
    stretches = [looked[at : at + SNIPPET_CHARACTERS] for at in starts]
    at = starts[int(np.argmax(_weights(stretches, weights)))]
    start, stop = _border(text, at), _border(text, at + SNIPPET_CHARACTERS)
    before, after = _ELLIPSIS if start else "", _ELLIPSIS if stop < len(text) else ""
    return before + text[start:stop].strip() + after


def _weights(stretches: list[str], weights: Mapping[str, float]) -> np.ndarray:
    vocabulary: dict[str, int] = {}
    found = scan(stretches, vocabulary)
    of_word = np.array([weights.get(s, 0.0) for s in stems_of(list(vocabulary))], np.float64)
    pairs = np.unique(found.slot * max(1, len(vocabulary)) + found.word)
    slot, word = np.divmod(pairs, max(1, len(vocabulary)))
    return np.bincount(slot, of_word[word], len(stretches))


def _border(text: str, at: int) -> int:
    """Return the nearest beginning of a word at or before a place."""
    if at <= 0 or at >= len(text):
        return max(0, min(at, len(text)))
    blank = text.rfind(" ", max(0, at - _BORDER), at)
    return at if blank < 0 else blank + 1
