"""`tierfold ls`: the stored contexts, a line each."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import islice

from tierfold.cli.arguments import typed
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.quantities import whole
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.sources import FileSource
from tierfold.cli.table import aligned, counted, duration, size
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import ContextObject
from tierfold.client.paging import CONTEXTS_MAX, each_context
from tierfold.errors import InvalidInputError

_HEADER = ("id", "shape", "items", "size", "changed", "title")
_RIGHT = frozenset({2, 3, 4})


def command(argv: list[str]) -> int:
    """List contexts in the order of their ids."""
    found = _parser().parse_args(argv)
    if found.limit is not None and found.limit < 1:
        problem = f"must be at least 1, not {found.limit}"
        raise InvalidInputError(problem, path="--limit")
    screen = stderr(quiet=found.quiet)
    with reached(place(found), screen) as contexts:
        page = min(found.limit or CONTEXTS_MAX, CONTEXTS_MAX)
        shown = list(islice(each_context(contexts.list_page, limit=page), found.limit))
    if found.json:
        body = {"object": "list", "data": [context.body() for context in shown]}
        to_stdout([json_bytes(body)])
    elif shown:
        now_s = time.time_ns() / 1e9
        to_stdout(lines(table(shown, now_s=now_s)))
        sources = [FileSource.of(context) for context in shown]
        due = sum(source is not None and source.is_due(int(now_s * 1000)) for source in sources)
        if due:
            screen.line(f"{counted(due, 'context')} due: `tierfold refresh --all --due`")
    else:
        screen.line("no contexts are stored yet: `tierfold put FILE` stores one")
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold ls",
        description="List the stored contexts in the order of their ids.",
        allow_abbrev=False,
    )
    parser.add_argument("--limit", type=typed(whole), metavar="N", help="the first N only")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def table(contexts: Iterable[ContextObject], *, now_s: float) -> Sequence[str]:
    """Return the aligned lines, a header first."""
    rows = [_HEADER, *(_row(context, now_s) for context in contexts)]
    return aligned(rows, right=_RIGHT, width=Screen(sys.stdout).width)


def _row(context: ContextObject, now_s: float) -> tuple[str, ...]:
    return (
        context.id,
        context.shape,
        f"{context.items:,}",
        size(context.size_bytes),
        duration(now_s - context.updated_at),
        context.title,
    )
