"""Prose into sentences; headings and list items are lines."""

import re

_BREAK = re.compile(
    r"""
      (\n(?:[^\S\n]*\n)*)                                         # 1: a line ends, blank ones too
    | ([.!?\u2026]+["'\u201d\u2019\u00bb)\]}*_`]*)                # 2: may end a sentence
    | [\u3002\uff01\uff1f\uff61\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4]+
      ["'\u201d\u2019\u00bb\u300d\u300f\uff09)\]\ufe00-\ufe0f\u0300-\u036f]*     # ends one anywhere
    """,
    re.VERBOSE,
)
_NEWLINE, _STOP = 1, 2
_STOP_ALONE = re.compile(r"\.(?!\.)")
_LINE = re.compile(
    r"""
    [ \t]*
    (?: (\#{1,6}\s | [>|] | ```|~~~ | [\w.-]{1,40}:(?=\s) )   # 1: a line by itself
      | ([-*+\u2022\u2023\u25e6]\s | \(?\d{1,3}[.)]\s)        # 2: a list item
      | (["'(\[*`\u201c\u2018]*\w)                            # 3: may go on with a sentence
      | ([=~^-]{3,})[ \t\r]*$                                 # 4: underlines the line above
    )?
    """,
    re.VERBOSE | re.MULTILINE,
)
_ALONE, _ITEM, _WORD, _UNDERLINE = 1, 2, 3, 4

_TINY = 12  # characters; shorter sentences are joined to a neighbour on their line
_TINY_WIDE = 4  # the same in scripts that end a sentence without a space
_ITEM_MIN = 200  # a list item below this stays whole
_WRAPPED_MIN, _WRAPPED_MAX = 45, 110  # length of a line that was broken to fit a screen
_LOWERCASE_MIN = 40  # a sentence this long may be followed by a lower-case one
_WORD_BACK = 24  # characters looked at before a full stop

_ABBREVIATION_WORDS = """
    mr mrs ms dr prof rev gen col capt lt sgt sr jr st vs e.g i.e etc cf al fig figs eq ch
    nos vol pp ed eds inc ltd corp dept est approx ca resp incl u.s u.k u.n a.m p.m ph.d
    jan feb apr jun jul aug sep sept oct nov dec bzw z.b d.h usw sra ave blvd
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())


def cut_prose(text: str, start: int, stop: int) -> list[int]:
    """Return the ends of the sentences of `text[start:stop]`."""
    ends: list[int] = []
    line, paragraph, last = start, start, start  # where each of them began
    kind, indent = _line_kind(text, start)
    for match in _BREAK.finditer(text, start, stop):
        end = match.end()
        if match.lastindex == _NEWLINE:
            next_kind, next_indent = _line_kind(text, end)
            goes_on = (
                kind != _ALONE
                and (next_indent == indent or (kind == _ITEM and next_indent > indent))
                and _goes_on(text, line, match, next_kind)
            )
            line, indent = end, next_indent
            if goes_on:
                continue
            if ends and end - last < _TINY and last > paragraph:
                ends.pop()
            ends.append(end)
            paragraph, last, kind = end, end, next_kind
        elif _ends_sentence(text, last, match, is_item=kind == _ITEM):
            ends.append(end)
            last = end
    if last < stop:
        if ends and stop - last < _TINY and last > paragraph:
            ends.pop()
        ends.append(stop)
    return ends


def _line_kind(text: str, start: int) -> tuple[int, int]:
    match = _LINE.match(text, start)
    if match is None or match.lastindex is None:
        return 0, 0
    return match.lastindex, match.start(match.lastindex) - start


def _goes_on(text: str, line: int, newline: re.Match[str], next_kind: int) -> bool:
    """Whether the line was broken to fit a screen, or is a heading with its underline."""
    at = newline.start()
    if newline.end() - at > 1 or next_kind not in (_WORD, _UNDERLINE):
        return False
    if next_kind == _UNDERLINE:
        return text[line:at].strip() != ""
    if not _WRAPPED_MIN <= at - line <= _WRAPPED_MAX:
        return False
    tail = text[at - 3 : at].rstrip("\r\"'\u201d\u2019\u00bb)*_`")
    return tail[-1:] not in ".!?:\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964"


def _ends_sentence(text: str, last: int, match: re.Match[str], *, is_item: bool) -> bool:
    end = match.end()
    length = end - last
    follower = text[end : end + 1]
    if match.lastindex != _STOP:
        return length >= _TINY_WIDE and follower not in "\r\n" and not is_item
    if length < (_ITEM_MIN if is_item else _TINY) or not follower.isspace() or follower in "\r\n":
        return False
    if text[end : end + 4].lstrip()[:1].islower() and length < _LOWERCASE_MIN:
        return False
    return not _STOP_ALONE.match(match[2]) or not _is_abbreviated(text, last, match.start())


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
