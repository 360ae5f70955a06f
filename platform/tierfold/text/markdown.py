"""Markdown's larger parts inside prose: fenced code and pipe tables."""

import re

from tierfold.text.kinds import FENCE_LINE, TABLE_RULE
from tierfold.text.lines import cut_code, split_turn_or_block
from tierfold.text.long import split_long
from tierfold.text.pieces import Draft
from tierfold.text.prose import cut_prose
from tierfold.text.table import NO_FRAME, Kind
from tierfold.text.tables import cut_table

_BLANK_LINES = re.compile(r"(?:[ \t\r]*\n)*")
_OTHER_LINE = re.compile(r"^(?![ \t]*\|)", re.MULTILINE)
_SPECIAL_LINE = re.compile(r"^[ \t]*(?:`{3,}|~{3,}|\|)", re.MULTILINE)

_SMALL_FENCE_LINES = 12  # such a fence is one unit
_SMALL_FENCE_LENGTH = 240  # characters, about 60 tokens: one unit whatever its lines
_FENCE_MARK_MAX = 100  # characters of a fence's mark that are compared
_FENCE_LENGTH_MAX = 2_000  # characters; above, no fence is small


def has_parts(text: str) -> bool:
    """Whether there may be a fence or a table in the text."""
    return _SPECIAL_LINE.search(text) is not None


def cut_markdown(text: str, draft: Draft) -> None:
    """Add the whole text to the draft: prose, and a frame for each fence and table."""
    at = 0
    while (found := _SPECIAL_LINE.search(text, at)) is not None:
        start = found.start()
        stop = _part_end(text, start)
        is_fence = FENCE_LINE.match(text, start) is not None
        if not is_fence and not _has_rule(text, start, stop):
            _add_prose(text, at, stop, draft)
        else:
            _add_prose(text, at, start, draft)
            (_add_fence if is_fence else cut_table)(text, start, stop, draft)
        at = stop
    _add_prose(text, at, len(text), draft)


def _add_prose(text: str, start: int, stop: int, draft: Draft) -> None:
    if start < stop:
        ends = split_long(text, start, cut_prose(text, start, stop))
        draft.add_all(ends, kind=Kind.PROSE, frame=NO_FRAME)


def _part_end(text: str, start: int) -> int:
    """Return where the fence or table that begins here ends, blank lines after it included."""
    fence = FENCE_LINE.match(text, start)
    if fence is None:
        after = _OTHER_LINE.search(text, start + 1)
        return len(text) if after is None else _after_blank(text, after.start())
    closing = _fence_end(fence[1]).search(text, _line_end(text, start))
    return len(text) if closing is None else _after_blank(text, closing.end())


def _fence_end(mark: str) -> re.Pattern[str]:
    count = min(len(mark), _FENCE_MARK_MAX)
    return re.compile(rf"^[ \t]*{mark[0]}{{{count},}}[ \t\r]*(?:\n|\Z)", re.MULTILINE)


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


def _add_fence(text: str, start: int, stop: int, draft: Draft) -> None:
    inner = _line_end(text, start)
    body = len(text[start:stop].rstrip()) + start
    last = text.rfind("\n", inner, body) + 1  # where the closing line begins, if there is one
    is_closed = last >= inner and FENCE_LINE.match(text, last) is not None
    closing = last if is_closed else stop
    lines = text.count("\n", start, stop)
    is_small = lines <= _SMALL_FENCE_LINES + 2 and stop - start <= _FENCE_LENGTH_MAX
    if is_small or stop - start <= _SMALL_FENCE_LENGTH or inner >= closing:
        ends = split_turn_or_block(text, start, [stop])
        draft.add_all(ends, kind=Kind.CODE, frame=NO_FRAME)
        return
    frame = draft.open_frame()
    draft.add(inner, kind=Kind.CODE, frame=frame, framing=True)
    ends = split_turn_or_block(text, inner, cut_code(text, inner, closing))
    draft.add_all(ends, kind=Kind.CODE, frame=frame)
    if closing < stop:
        draft.add(stop, kind=Kind.CODE, frame=frame, framing=True)
