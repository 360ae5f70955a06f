"""Tables, Markdown or separated values: the header is framing, rows are units."""

from tierfold.text.kinds import TABLE_RULE
from tierfold.text.lengths import join_short, split_long
from tierfold.text.pieces import Cutting
from tierfold.text.table import NO_FRAME, Kind

_CELL_LINES_MAX = 50  # a quote left open must not swallow the table
_ROW_MAX = 4_000  # characters


def cut_table(text: str, start: int, stop: int, *, cutting: Cutting) -> None:
    """Add the table `text[start:stop]` to the cutting as one frame."""
    ends = _row_ends(text, start, stop)
    header = 1
    if len(ends) > 1 and TABLE_RULE.match(text[ends[0] : ends[1]].rstrip("\n")):
        header = 2
    if len(ends) <= header:
        cutting.add_all(ends, kind=Kind.TABLE, frame=NO_FRAME)
        return
    frame = cutting.open_frame()
    for end in ends[:header]:
        cutting.add(end, kind=Kind.TABLE, frame=frame, framing=True)
    body = ends[header - 1]
    rows = split_long(text, body, join_short(text, body, ends[header:]), length_max=_ROW_MAX)
    cutting.add_all(rows, kind=Kind.TABLE, frame=frame)


def _row_ends(text: str, start: int, stop: int) -> list[int]:
    """Return where rows end: at newlines outside of quoted cells, blank lines included."""
    ends: list[int] = []
    at, lines, is_open = start, 0, False
    for line in text[start:stop].split("\n"):
        at += len(line) + 1
        lines += 1
        is_open ^= line.count('"') % 2 == 1
        if is_open and lines < _CELL_LINES_MAX:
            continue
        if line.strip():
            ends.append(min(at, stop))
        elif ends:
            ends[-1] = min(at, stop)
        is_open, lines = False, 0
    if ends and ends[-1] < stop:
        ends.append(stop)
    return _without_empty(ends or [stop], start)


def _without_empty(ends: list[int], start: int) -> list[int]:
    return sorted(set(ends) - {start})
