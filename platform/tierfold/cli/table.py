"""Columns that people read: aligned, safe for a terminal, as wide as it is."""

from collections.abc import Sequence

_GAP = "  "
_LAST_WIDTH_MIN = 20


def aligned(
    rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset(), width: int = 100
) -> list[str]:
    """Return one line per row; the last column is cut where the line would be too long."""
    if not rows:
        return []
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    room = max(width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1), _LAST_WIDTH_MIN)
    widths[-1] = min(widths[-1], room)
    return [_line(row, widths, right) for row in clean]


def printable(text: str) -> str:
    """Return a text that moves no cursor: what a caller stored is not for the terminal to obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def size(size_bytes: float) -> str:
    """Return `512 B`, `3.4 kB`, `12 MB`."""
    if size_bytes < 1000:  # noqa: PLR2004  # the first unit
        return f"{size_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size_bytes /= 1000
        if size_bytes < 999.5 or unit == "GB":  # noqa: PLR2004  # 1000 belongs to the next unit
            break
    digits = 1 if size_bytes < 9.95 else 0  # noqa: PLR2004  # two digits that count
    return f"{size_bytes:,.{digits}f} {unit}"


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min`, `3 h`, `5 d`: one number people compare."""
    for unit, length, below in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < length * below:
            return f"{max(seconds, 0) / length:.0f} {unit}"
    return f"{seconds / 86_400:,.0f} d"


def counted(count: int, what: str) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def bar(share: float, width: int) -> str:
    """Return a bar that is full at 1."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return "█" * full + "░" * (width - full)


def _line(row: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> str:
    cells = [
        (cell if len(cell) <= room else f"{cell[: room - 1]}…")
        for cell, room in zip(row, widths, strict=True)
    ]
    padded = [
        cell.rjust(room) if index in right else cell.ljust(room)
        for index, (cell, room) in enumerate(zip(cells, widths, strict=True))
    ]
    return _GAP.join(padded).rstrip()
