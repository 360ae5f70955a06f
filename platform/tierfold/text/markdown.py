"""Markdown's larger parts inside prose: fenced code and pipe tables."""

import re
from typing import Protocol

from tierfold.text.kinds import FENCE_LINE, TABLE_RULE
from tierfold.text.lengths import join_short, split_long
from tierfold.text.lines import cut_code, split_turn_or_block
from tierfold.text.pieces import Cutting
from tierfold.text.prose import cut_prose
from tierfold.text.table import NO_FRAME, Kind
from tierfold.text.tabular import cut_table

_BLANK_LINES = re.compile(r"(?:[ \t\r]*\n)*")
_OTHER_LINE = re.compile(r"^(?![ \t]*\|)", re.MULTILINE)
_SPECIAL_LINE = re.compile(r"^[ \t]*(?:`{3,}|~{3,}|\|)", re.MULTILINE)

_SMALL_FENCE_LINES = 12  # such a fence is one unit
_SMALL_FENCE_LENGTH = 240  # characters, about 60 tokens: one unit whatever its lines
_FENCE_MARK_MAX = 100  # characters of a fence's mark that are compared
_FENCE_LENGTH_MAX = 2_000  # characters; above, no fence is small


class _Adder(Protocol):
    def __call__(self, text: str, start: int, stop: int, *, cutting: Cutting) -> None: ...


def has_parts(text: str) -> bool:
    """Whether there may be a fence or a table in the text."""
    return _SPECIAL_LINE.search(text) is not None


def cut_markdown(text: str, cutting: Cutting) -> None:
    """Add the whole text to the cutting: prose, and a frame for each fence and table."""
    at, search_from = 0, 0
    while (found := _SPECIAL_LINE.search(text, search_from)) is not None:
        start = found.start()
        stop, add = _part(text, start)
        if add is not None:
            _add_prose(text, at, start, cutting=cutting)
            add(text, start, stop, cutting=cutting)
            at = stop
        search_from = stop
    _add_prose(text, at, len(text), cutting=cutting)


def _part(text: str, start: int) -> tuple[int, _Adder | None]:
    """Return where the part that begins here ends, and what adds it, None where it is prose."""
    if FENCE_LINE.match(text, start) is None:
        stop = _table_stop(text, start)
        return stop, cut_table if _has_rule(text, start, stop) else None
    if _is_underline(text, start):
        return _line_end(text, start), None
    return _fence_stop(text, start), _add_fence


def _add_prose(text: str, start: int, stop: int, *, cutting: Cutting) -> None:
    if start < stop:
        ends = join_short(text, start, cut_prose(text, start, stop))
        ends = split_long(text, start, ends)
        cutting.add_all(ends, kind=Kind.PROSE, frame=NO_FRAME)


def _table_stop(text: str, start: int) -> int:
    """Return the end of the lines with a leading pipe, blank lines after them included."""
    after = _OTHER_LINE.search(text, start + 1)
    return len(text) if after is None else _after_blank(text, after.start())


def _fence_stop(text: str, start: int) -> int:
    """Return the end of a fence, blank lines after it included; an open one ends with the text."""
    opening = text[start : _line_end(text, start)].lstrip()
    mark = opening[0]
    length = min(len(opening) - len(opening.lstrip(mark)), _FENCE_MARK_MAX)
    closing = re.compile(rf"^[ \t]*{mark}{{{length},}}[ \t\r]*(?:\n|\Z)", re.MULTILINE)
    found = closing.search(text, _line_end(text, start))
    return len(text) if found is None else _after_blank(text, found.end())


def _is_underline(text: str, start: int) -> bool:
    """Whether a line of tildes stands below a heading that is no longer than it."""
    above = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : start].strip()
    line = text[start : _line_end(text, start)].strip()
    return line.strip("~") == "" and 0 < len(above) <= len(line)


def _after_blank(text: str, at: int) -> int:
    blank = _BLANK_LINES.match(text, at)
    return at if blank is None else blank.end()


def _has_rule(text: str, start: int, stop: int) -> bool:
    second = _line_end(text, start)
    third = _line_end(text, second)
    return second < stop and bool(TABLE_RULE.match(text[second:third].rstrip("\n")))


def _line_end(text: str, start: int) -> int:
    newline = text.find("\n", start)
    return len(text) if newline < 0 else newline + 1


def _add_fence(text: str, start: int, stop: int, *, cutting: Cutting) -> None:
    inner = _line_end(text, start)
    body = len(text[start:stop].rstrip()) + start
    last = text.rfind("\n", inner, body) + 1  # where the closing line begins, if there is one
    is_closed = last >= inner and FENCE_LINE.match(text, last) is not None
    closing = last if is_closed else stop
    lines = text.count("\n", start, stop)
    is_small = lines <= _SMALL_FENCE_LINES + 2 and stop - start <= _FENCE_LENGTH_MAX
    if is_small or stop - start <= _SMALL_FENCE_LENGTH or inner >= closing:
        ends = split_turn_or_block(text, start, [stop])
        cutting.add_all(ends, kind=Kind.CODE, frame=NO_FRAME)
        return
    frame = cutting.open_frame()
    cutting.add(inner, kind=Kind.CODE, frame=frame, framing=True)
    ends = split_turn_or_block(text, inner, cut_code(text, inner, closing))
    cutting.add_all(ends, kind=Kind.CODE, frame=frame)
    if closing < stop:
        cutting.add(stop, kind=Kind.CODE, frame=frame, framing=True)
