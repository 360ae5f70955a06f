"""Prose into sentences; headings and list items are lines."""

import re

from tierfold.text.lengths import WIDE

# One set of characters leads, so that the search skips from one to the next.
_BREAK = re.compile(
    r"""
    [\n.!?\u2026\u3002\uff01\uff1f\uff61\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4]
    (?: (?<=\n)((?:[^\S\n]*\n)*)                                   # 1: a line ends, blank ones too
      | (?<=[.!?\u2026])([.!?\u2026]*["'\u201d\u2019\u00bb)\]}*_`]*)# 2: may end a sentence
      | [\u3002\uff01\uff1f\uff61\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4]*
        ["'\u201d\u2019\u00bb\u300d\u300f\uff09)\]\ufe00-\ufe0f\u0300-\u036f]*  # ends one anywhere
    )
    """,
    re.VERBOSE,
)
_NEWLINE, _STOP = 1, 2
_LINE = re.compile(
    r"""
    [ \t]*
    (?: ([=~^-]{3,})[ \t\r]*$                                 # 1: underlines the line above
      | (\#{1,6}\s | [>|] | ```|~~~ | [\w.-]{1,40}:(?=\s) )   # 2: a line by itself
      | ([-*+\u2022\u2023\u25e6]\s | \(?\d{1,3}[.)]\s)        # 3: a list item
      | (["'(\[*`\u201c\u2018]*\w)                            # 4: may go on with a sentence
    )?
    """,
    re.VERBOSE | re.MULTILINE,
)
_UNDERLINE, _ALONE, _ITEM, _WORD = 1, 2, 3, 4

SENTENCE_MIN = 12  # characters; shorter sentences are joined to a neighbour on their line
_SENTENCE_MIN_WIDE = 4  # the same in scripts that end a sentence without a space
_ITEM_MIN = 200  # a list item below this stays whole
_WRAPPED_MIN, _WRAPPED_MAX = 45, 160  # length of a line that was broken to fit a screen
_LOWERCASE_MIN = 40  # a sentence this long may be followed by a lower-case one
_WORD_BACK = 24  # characters looked at before a full stop
_PLAIN_WORD = re.compile(
    r"""
    (?: ["'(\[*`\u201c\u2018]*[^\W_][\w'\u2019-]* | "[^"\s]+" )
    [\])}.,;:!?"'\u201d\u2019*`]* (?=\s|$)
    """,
    re.VERBOSE,
)
_NUMBERS = re.compile(
    r"[0-9]+[^0-9]+[0-9]+[^0-9]+[0-9]+[^0-9]+[0-9]"
)  # a line of listings, not of prose

_ABBREVIATION_WORDS = """
    mr mrs ms dr prof rev gen col capt lt sgt sr jr st vs e.g i.e etc cf al fig figs eq ch
    nos vol pp ed eds inc ltd corp dept est approx ca resp incl u.s u.k u.n a.m p.m ph.d
    jan feb apr jun jul aug sep sept oct nov dec bzw z.b d.h usw sra ave blvd
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())


_Line = tuple[int, int, int]  # where it begins, of what kind its begin is (0: none), indent


def cut_prose(text: str, start: int, stop: int) -> list[int]:
    """Return the ends of the sentences of `text[start:stop]`."""
    ends: list[int] = []
    paragraph, last = start, start  # where the paragraph and the unit began
    line = _line(text, start)
    is_item = line[1] == _ITEM
    for match in _BREAK.finditer(text, start, stop):
        end = match.end()
        if match.lastindex != _NEWLINE:
            if _ends_sentence(text, last, match, is_item=is_item):
                ends.append(end)
                last = end
            continue
        following = _line(text, end)
        is_single = end - match.start() == 1
        is_first = line[0] == paragraph
        if (is_single and _goes_on(text, match, line, following=following, is_first=is_first)) or (
            end - last < SENTENCE_MIN and text[last:end].isspace()
        ):
            line = (end, line[1], line[2]) if is_item else following
            is_item = line[1] == _ITEM
            continue
        if last > paragraph and _is_tiny(text, last, end):
            ends.pop()
        ends.append(end)
        paragraph, last, line = end, end, following
        is_item = line[1] == _ITEM
    if last < stop:
        if ends and (
            text[last:stop].isspace() or (last > paragraph and _is_tiny(text, last, stop))
        ):
            ends.pop()
        ends.append(stop)
    return ends


def _line(text: str, start: int) -> _Line:
    match = _LINE.match(text, start)
    if match is None or match.lastindex is None:
        return start, 0, 0
    kind = match.lastindex
    return start, kind, match.start(kind) - start


def _is_tiny(text: str, start: int, stop: int) -> bool:
    return stop - start < (_SENTENCE_MIN_WIDE if text[start] >= WIDE else SENTENCE_MIN)


def _goes_on(
    text: str, newline: re.Match[str], line: _Line, *, following: _Line, is_first: bool
) -> bool:
    """Whether a sentence goes on behind a single line break, or a heading's underline follows."""
    start, kind, indent = line
    _, next_kind, next_indent = following
    if kind == _ALONE or next_kind not in (_WORD, _UNDERLINE):
        return False
    if next_indent != indent:
        return kind == _ITEM and next_indent > indent
    at = newline.start()
    if next_kind == _UNDERLINE:
        return text[start:at].strip() != ""
    word = newline.end() + indent
    if not _WRAPPED_MIN <= at - start <= _WRAPPED_MAX or (is_first and text[word].isupper()):
        return False  # lines that all begin with a capital are names or titles
    return _is_wrapped(text, start, at, word=word)


def _is_wrapped(text: str, start: int, stop: int, *, word: int) -> bool:
    """Whether a line was broken because the next word did not fit, and not to end it."""
    tail = text[stop - 3 : stop].rstrip("\r\"'\u201d\u2019\u00bb)*_`")
    if tail[-1:] in ".!?:\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964":
        return False
    next_stop = text.find("\n", word, word + _WRAPPED_MAX)
    if next_stop < 0:
        next_stop = min(len(text), word + _WRAPPED_MAX)
    space = text.find(" ", word, next_stop)
    length = (next_stop if space < 0 else space) - word
    has_room = stop - start + 1 + length <= next_stop - stop - 1
    if has_room or _NUMBERS.search(text, start, stop) is not None:
        return False
    return _PLAIN_WORD.match(text, word) is not None


def _ends_sentence(text: str, last: int, match: re.Match[str], *, is_item: bool) -> bool:
    end = match.end()
    length = end - last
    follower = text[end : end + 1]
    if match.lastindex != _STOP:
        return length >= _SENTENCE_MIN_WIDE and follower not in "\r\n" and not is_item
    if (
        length < (_ITEM_MIN if is_item else SENTENCE_MIN)
        or not follower.isspace()
        or follower in "\r\n"
    ):
        return False
    if text[end : end + 4].lstrip()[:1].islower() and length < _LOWERCASE_MIN:
        return False
    start = match.start()
    is_single = text[start] == "." and text[start + 1] != "."
    return not is_single or not _is_abbreviated(text, last, start)


def _is_abbreviated(text: str, last: int, stop: int) -> bool:
    words = text[max(last, stop - _WORD_BACK) : stop].split()
    if not words:
        return False
    word = words[-1].lstrip("([{\"'\u201c\u2018*_").lower()
    if len(word) == 1:
        return word.isalpha()
    if word == "no":
        return text[stop + 2 : stop + 3].isdigit()
    return word in _ABBREVIATIONS or (word.isdigit() and len(words) == 1)
