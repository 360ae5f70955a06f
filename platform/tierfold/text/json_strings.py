"""The inside of a long JSON string, cut where its text has lines and sentences.

No border lies inside an escape, so a string with pieces gone is still a string.
"""

import re

from tierfold.text.lengths import LENGTH_MAX

_BREAK = re.compile(
    r"""
      ((?:\\r)?\\n(?:\\[nrt]|[ ])*)        # 1: an escaped line break, and the indent after it
    | ([.!?\u2026]+(?:\\"|['")\]])*(?=[ ])   # 2: a sentence
      | [\u3002\uff01\uff1f\u061f\u06d4\u0964]+)
    | \\.                                 # any other escape is passed over as one
    """,
    re.VERBOSE,
)
_LINE, _SENTENCE = 1, 2
_LINE_MIN = 60  # characters; shorter lines share a unit
_SENTENCE_MIN = 40
_HARD = re.compile(
    r"(?:\\u[dD][89abAB]..\\u....|\\u....|\\.|[^\\]){1,400}", re.DOTALL
)  # whole escapes only


def cut_string(text: str, start: int, stop: int) -> list[int]:
    """Return the ends of the pieces of a string's inside `text[start:stop]`."""
    ends: list[int] = []
    last = start
    for match in _BREAK.finditer(text, start, stop):
        least = _LINE_MIN if match.lastindex == _LINE else _SENTENCE_MIN
        if match.lastindex is None or match.end() - last < least or match.end() == stop:
            continue
        _add(text, last, match.end(), ends=ends)
        last = match.end()
    _add(text, last, stop, ends=ends)
    return ends


def _add(text: str, start: int, stop: int, *, ends: list[int]) -> None:
    while stop - start > LENGTH_MAX:
        match = _HARD.match(text, start, stop)
        if match is None:
            break
        space = text.rfind(" ", start + 1, match.end())
        start = space if space > 0 else match.end()
        ends.append(start)
    ends.append(stop)
