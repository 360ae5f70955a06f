"""`tierfold search`: find items of all contexts by words."""

import argparse
import dataclasses
import sys
import textwrap
from collections.abc import Iterator

from tierfold.cli.arguments import question, typed
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.quantities import whole
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.table import printable
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import Found, SearchHit
from tierfold.config import Settings
from tierfold.errors import InvalidInputError

_HITS_MAX = 100
_INDENT = "    "


def command(argv: list[str]) -> int:
    """Print what is found, the best first, each with the handle that brings it back."""
    found = _parser().parse_args(argv)
    query = question(found.query, Settings().limits, path="QUERY")
    if not query.strip():
        problem = "it has no words to look for"
        raise InvalidInputError(problem, path="QUERY")
    if not 1 <= found.limit <= _HITS_MAX:
        problem = f"must be from 1 to {_HITS_MAX}, not {found.limit}"
        raise InvalidInputError(problem, path="--limit")
    screen = stderr(quiet=found.quiet)
    with reached(place(found), screen) as contexts:
        result = contexts.search(query, limit=found.limit)
    if result.segments_waiting:
        screen.line(f"{result.segments_waiting:,} new segments are not searchable yet: try again")
    if found.json:
        to_stdout([json_bytes(_body(result))])
    elif result.hits:
        shown = Screen(sys.stdout)
        to_stdout(lines(line for hit in result.hits for line in _lines(hit, shown)))
    else:
        screen.line("nothing has these words")
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold search",
        description="Find items of all contexts by words; `tierfold get HANDLE` prints one whole.",
        allow_abbrev=False,
    )
    parser.add_argument("query", metavar="QUERY", help="words to look for")
    parser.add_argument(
        "--limit", type=typed(whole), default=10, metavar="N", help="at most N (default: 10)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _body(result: Found) -> dict[str, object]:
    data = [dataclasses.asdict(hit) for hit in result.hits]
    return {"object": "list", "data": data, "segments_waiting": result.segments_waiting}


def _lines(hit: SearchHit, screen: Screen) -> Iterator[str]:
    where = screen.paint(f"{hit.context}[{hit.item}]", "bold")
    yield f"{hit.score:6.2f}  {where}  {screen.paint(hit.handle, 'dim')}"
    text = " ".join(printable(hit.text).split())
    yield from textwrap.wrap(
        text,
        screen.width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        max_lines=3,
        placeholder=" […]",
    )
