"""Texts made of lines: dialogue, logs, code."""

import re
from collections.abc import Callable, Iterator

from tierfold.text.kinds import LOG_LINE, SPEAKER_LINE
from tierfold.text.lengths import split_long
from tierfold.text.prose import cut_prose

_TURN_MAX = 2_000  # characters; a longer turn is cut into its sentences
_RECORD_LINES_MAX = 40  # a longer record is cut, since no record may be the whole log
_BLOCK_LINES_MAX = 16
_BLOCK_LINES_MIN = 3  # a shorter block is joined with the next

_DEFINITION = re.compile(
    r"""
    (?:async[ ])?def[ ] | class[ ] | @\w | (?:export[ ]|pub[ ])?(?:function|fn|func|struct|enum|impl
    |interface|trait)[ ] | (?:public|private|protected|static)[ ].*[{(]\s*$
    """,
    re.VERBOSE,
)
_COMMENT = re.compile(r"#|//|/\*|\*[ /]|--[ ]")


def cut_dialogue(text: str, start: int, stop: int) -> list[int]:
    """Return the ends of the turns: a line with a speaker and those up to the next one."""
    turns = _records(text, start, stop, opens=SPEAKER_LINE.match)
    ends: list[int] = []
    for begin, end in zip([start, *turns[:-1]], turns, strict=True):
        ends.extend(cut_prose(text, begin, end) if end - begin > _TURN_MAX else [end])
    return ends


def cut_log(text: str, start: int, stop: int) -> list[int]:
    """Return the ends of the records: a stamped line and those up to the next stamp."""
    return _records(text, start, stop, opens=_opens_record, lines_max=_RECORD_LINES_MAX)


def cut_code(text: str, start: int, stop: int) -> list[int]:
    """Return the ends of blocks of at most about 16 lines.

    A block ends at a blank line, before a definition, or when it is full; comments and decorators
    stay with what follows them.
    """
    ends: list[int] = []
    begin, header, lines = start, -1, 0  # header: where the comments above a definition begin
    is_after_blank = False
    for at, line in _lines(text, start, stop):
        bare = line.strip()
        if not bare:
            is_after_blank = True
            continue
        if _begins_block(bare, lines=lines, is_after_blank=is_after_blank):
            place = at if header < 0 else header
            if place > begin:
                ends.append(place)
                lines = 0 if place == at else lines - _count_lines(text, begin, place)
                begin = place
        is_header = bool(_COMMENT.match(bare)) or bool(_DEFINITION.match(bare))
        header = (at if header < 0 else header) if is_header else -1
        lines += 1
        is_after_blank = False
    if begin < stop:
        ends.append(stop)
    return ends


def split_turn_or_block(text: str, start: int, ends: list[int]) -> list[int]:
    """Return the ends with single lines that are far too long cut."""
    return split_long(text, start, ends, length_max=2 * _TURN_MAX)


def _begins_block(bare: str, *, lines: int, is_after_blank: bool) -> bool:
    if lines >= _BLOCK_LINES_MAX:
        return True
    is_definition = bool(_DEFINITION.match(bare))
    if lines < _BLOCK_LINES_MIN:
        return is_definition and is_after_blank
    return is_definition or is_after_blank


def _count_lines(text: str, start: int, stop: int) -> int:
    return sum(1 for line in text[start:stop].split("\n") if line.strip())


def _opens_record(line: str) -> bool:
    return line[:1] == "{" or bool(LOG_LINE.match(line))


def _records(
    text: str,
    start: int,
    stop: int,
    *,
    opens: Callable[[str], object],
    lines_max: int = 1 << 30,
) -> list[int]:
    ends: list[int] = []
    lines = 0
    for at, line in _lines(text, start, stop):
        if at > start and (lines >= lines_max or opens(line)):
            ends.append(at)
            lines = 0
        lines += 1
    if start < stop:
        ends.append(stop)
    return ends


def _lines(text: str, start: int, stop: int) -> Iterator[tuple[int, str]]:
    at = start
    for line in text[start:stop].split("\n"):
        yield at, line
        at += len(line) + 1
