"""Units of a sensible length: neither far too long nor a few characters."""

import unicodedata
from collections.abc import Iterator
from itertools import chain

from tierfold.text.pieces import longest, shortest

LENGTH_MAX = 1_000  # characters of a unit; about 250 tokens of English
LENGTH_MIN = 8  # a shorter unit costs more than it holds
_LENGTH_MIN_WIDE = 4
WIDE = "\u2e80"  # from here on Chinese, Japanese and Korean, which say more a character
_TARGET = 240  # what a longer one is cut to: small enough for a budget of a hundred tokens
_DENSITY = 4  # how many times more tokens a character costs in scripts other than ASCII
_LOOK_BACK = 32  # characters; longer clusters exist only in hostile text

_ZERO_WIDTH_JOINER = "\u200d"


def split_long(
    text: str, start: int, ends: list[int], *, length_max: int = LENGTH_MAX
) -> list[int]:
    """Return the ends with every unit over the maximum cut at whitespace, else at a character.

    Never inside what is read as one character.
    """
    if not ends or ends[-1] - start <= length_max or longest(start, ends) <= length_max:
        return ends
    cuts = (_split(text, a, b, length_max=length_max) for a, b in _spans(start, ends))
    return list(chain.from_iterable(cuts))


def join_short(text: str, start: int, ends: list[int]) -> list[int]:
    """Return the ends without those of units under the minimum, which go to the next unit."""
    if not ends or shortest(start, ends) >= LENGTH_MIN:
        return ends
    joined = []
    last = start
    for end in ends:
        if end - last >= (_LENGTH_MIN_WIDE if text[last] >= WIDE else LENGTH_MIN):
            joined.append(end)
            last = end
    if last < ends[-1]:
        joined.append(ends[-1])
    return joined


def safe_cut(text: str, at: int) -> int:
    """Return the nearest place at or before `at` that is not inside a cluster of characters."""
    lowest = max(0, at - _LOOK_BACK)
    place = at
    while place > lowest and _is_joined(text[place - 1], text[place]):
        place -= 1
    return place if place > lowest else at


def _spans(start: int, ends: list[int]) -> Iterator[tuple[int, int]]:
    return zip([start, *ends[:-1]], ends, strict=True)


def _split(text: str, start: int, stop: int, *, length_max: int) -> list[int]:
    ends = []
    if stop - start > length_max:
        is_dense = not text[start : start + length_max].isascii()
        target = _TARGET // _DENSITY if is_dense else _TARGET
        while stop - start > target + target // 2:
            start = _next_cut(text, start, target)
            ends.append(start)
    ends.append(stop)
    return ends


def _next_cut(text: str, start: int, target: int) -> int:
    low, high = start + target // 2, start + target
    newline = text.rfind("\n", low, high)
    if newline >= 0:
        return newline + 1
    space = text.rfind(" ", low, high)
    if space >= 0:
        return safe_cut(text, space)
    wide = next((i for i in range(high - 1, low, -1) if text[i].isspace()), high)
    return safe_cut(text, wide)


def _is_joined(left: str, right: str) -> bool:
    if right.isascii():
        return (left == "\r" and right == "\n") or left == _ZERO_WIDTH_JOINER
    return (
        _ZERO_WIDTH_JOINER in (left, right)
        or unicodedata.category(right)[0] == "M"  # accents, vowel signs, variation selectors
        or "\U0001f3fb" <= right <= "\U0001f3ff"  # skin tones
        or ("\U0001f1e6" <= right <= "\U0001f1ff" and "\U0001f1e6" <= left <= "\U0001f1ff")  # flags
        or ("\u1160" <= right <= "\u11ff" and "\u1100" <= left <= "\u11ff")  # Hangul parts
    )
