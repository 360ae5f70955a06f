"""The input with what was left out struck: kept text plain, `- ` lines for the rest."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tierfold.cli.screen import Screen
from tierfold.context import (
    LeftOut,
    Message,
    MessagesSource,
    OpaquePart,
    Source,
    TextPart,
    TextSource,
)

_HEAD_LINES = 2  # of a long gap
_TAIL_LINES = 1
_WHOLE_LINES_MAX = 5  # a gap up to this is shown whole
_WHOLE_ROWS_MAX = 4  # dropped rows up to this are named one by one
_LINE_CHARACTERS_MAX = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row of a chat and what it lost."""

    index: int
    message: Message
    runs: tuple[LeftOut, ...]

    @property
    def tokens(self) -> int:
        return sum(run.tokens for run in self.runs)

    @property
    def dropped(self) -> bool:
        """Whether nothing of its text is left."""
        lost = sum(run.end - run.start for run in self.runs)
        return bool(self.runs) and lost >= sum(map(len, self.message.texts()))


def difference(source: Source, left_out: Iterable[LeftOut], screen: Screen) -> Iterator[str]:
    """Yield the lines of the comparison, in the order of the input."""
    match source:
        case TextSource(text=text):
            yield from _text(text, tuple(left_out), screen)
        case MessagesSource(messages=messages):
            yield from _chat(messages, left_out, screen)
        case other:
            raise AssertionError(other)


def _text(text: str, runs: Sequence[LeftOut], screen: Screen) -> Iterator[str]:
    done = 0
    for run in sorted(runs, key=lambda run: run.start):
        yield from _kept(text[done : run.start])
        yield from _gap(text[run.start : run.end], run.tokens, screen)
        done = run.end
    yield from _kept(text[done:])


def _kept(piece: str) -> Iterator[str]:
    return (f"  {line}" for line in piece.strip("\n").split("\n")) if piece.strip() else iter(())


def _gap(piece: str, tokens: int, screen: Screen) -> Iterator[str]:
    lines = [line for line in piece.split("\n") if line.strip()]
    hidden = len(lines) - _HEAD_LINES - _TAIL_LINES
    if len(lines) <= _WHOLE_LINES_MAX:
        yield from (_struck(line, screen) for line in lines[:-1])
        last = _struck(lines[-1], screen) if lines else "-"
        yield f"{last} {screen.paint(f'({_tokens(tokens)})', 'dim')}"
        return
    yield from (_struck(line, screen) for line in lines[:_HEAD_LINES])
    yield screen.paint(f"- ... {hidden:,} more lines, {_tokens(tokens)} in all ...", "dim")
    yield from (_struck(line, screen) for line in lines[-_TAIL_LINES:])


def _chat(
    messages: Sequence[Message], left_out: Iterable[LeftOut], screen: Screen
) -> Iterator[str]:
    by_row: dict[int, list[LeftOut]] = defaultdict(list)
    for run in left_out:
        by_row[run.message or 0].append(run)
    rows = (
        _Row(index=index, message=message, runs=tuple(by_row[index]))
        for index, message in enumerate(messages)
    )
    for dropped, group in groupby(rows, key=lambda row: row.dropped):
        if dropped:
            yield from _dropped(list(group), screen)
        else:
            for row in group:
                yield from _row(row, screen)


def _dropped(rows: Sequence[_Row], screen: Screen) -> Iterator[str]:
    hidden = len(rows) - _HEAD_LINES - _TAIL_LINES
    if len(rows) <= _WHOLE_ROWS_MAX:
        yield from (_named(row, screen) for row in rows)
        return
    tokens = sum(row.tokens for row in rows)
    yield from (_named(row, screen) for row in rows[:_HEAD_LINES])
    yield screen.paint(f"- ... {hidden:,} more rows, {_tokens(tokens)} in all ...", "dim")
    yield from (_named(row, screen) for row in rows[-_TAIL_LINES:])


def _named(row: _Row, screen: Screen) -> str:
    words = " ".join(" ".join(row.message.texts()).split())
    return _struck(f"[{row.index}] {row.message.role}, {_tokens(row.tokens)}: {words}", screen)


def _row(row: _Row, screen: Screen) -> Iterator[str]:
    yield screen.paint(f"[{row.index}] {row.message.role}", "bold")
    content = row.message.content
    parts = (content,) if isinstance(content, str) else content or ()
    for index, part in enumerate(parts):
        if isinstance(part, OpaquePart):
            yield f"  ({part.kind})"
            continue
        runs = [run for run in row.runs if run.part in {None, index}]
        yield from _text(part.text if isinstance(part, TextPart) else part, runs, screen)
    for call in row.message.tool_calls:
        yield _clipped(f"  calls {call.name}({call.arguments})")


def _tokens(count: int) -> str:
    return f"{count:,} token{'' if count == 1 else 's'}"


def _struck(line: str, screen: Screen) -> str:
    return f"- {screen.paint(_clipped(line), 'struck')}"


def _clipped(line: str) -> str:
    if len(line) <= _LINE_CHARACTERS_MAX:
        return line
    half = _LINE_CHARACTERS_MAX // 2
    return f"{line[:half]} ... {line[-half:]}"
