"""`tierfold import`: contexts out of a Parquet file."""

import argparse
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from tierfold.cli.contexts import Contexts
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes
from tierfold.cli.parquet.contents import (
    FileContext,
    Run,
    as_appended,
    as_created,
    compared,
    contexts_in,
)
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.table import counted
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import ContextObject
from tierfold.client.paging import each_item, page_items
from tierfold.context.canonical import canonical_json
from tierfold.errors import CallerError, UnknownContextError

_EPILOG = """\
A context that is there already and equal is left alone, one that is the beginning of the file's is
continued, so an import that was interrupted goes on when it is run again. One that differs is left
alone and named, unless --replace.
"""
_NAMED_MAX = 5
_TOLD_EVERY = 1_000  # contexts

Outcome = Literal["created", "continued", "replaced", "equal", "different"]
_OUTCOMES: tuple[Outcome, ...] = ("created", "continued", "replaced", "equal")


class _Told:
    """What has been done so far."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.outcomes: Counter[Outcome] = Counter()
        self.different: list[str] = []

    def add(self, context: str, outcome: Outcome, total: int) -> None:
        """Count one context."""
        self.outcomes[outcome] += 1
        if outcome == "different":
            self.different.append(context)
        if self.done % _TOLD_EVERY == 0:
            self._screen.line(f"  {self.done:,} of {total:,} contexts ...")

    @property
    def done(self) -> int:
        """Contexts looked at."""
        return self.outcomes.total()

    def line(self) -> str:
        """Say all of it."""
        facts = [f"{self.outcomes[each]:,} {each}" for each in _OUTCOMES if self.outcomes[each]]
        return f"{counted(self.done, 'context')}: {', '.join(facts) or 'nothing to do'}"


def command(argv: list[str]) -> int:
    """Store the contexts of the file."""
    found = _parser().parse_args(argv)
    screen = stderr(quiet=found.quiet)
    told = _Told(screen)
    from tierfold.cli.parquet.files import RowsFile  # noqa: PLC0415  # pyarrow costs 100 ms

    with closing(RowsFile(Path(found.file))) as file:
        total = file.require_complete()
        with reached(place(found), screen, makes_store=True) as contexts:
            try:
                for each in contexts_in(file.rows):
                    outcome = _imported(contexts, each, replaces=found.replace)
                    told.add(each.head.context, outcome, total)
            except KeyboardInterrupt:
                screen.line(f"{told.done:,} of {total:,} contexts are done and stay; {_GOES_ON}")
                raise
    screen.line(told.line())
    if found.json:
        to_stdout([json_bytes({"file": found.file, **told.outcomes})])
    if told.different:
        raise CallerError(_refusal(told.different))
    return Exit.DONE


_GOES_ON = "the same command goes on from there"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold import",
        usage="tierfold import FILE.parquet [--replace] [OPTION ...]",
        description="Store the contexts of a Parquet file that `tierfold export` wrote.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the file")
    parser.add_argument(
        "--replace", action="store_true", help="overwrite contexts that differ from the file's"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _imported(contexts: Contexts, wanted: FileContext, *, replaces: bool) -> Outcome:
    name = wanted.head.context
    try:
        stored = contexts.get(name)
    except UnknownContextError:
        _create(contexts, wanted, wanted.runs())
        return "created"
    comparison = "different"
    if stored.shape == wanted.head.shape:
        pages = each_item(contexts.items_page, name, limit=page_items(stored))
        comparison = compared(pages, wanted.runs(), stored.shape)
    is_same = comparison == "equal" and _has_same_about(stored, wanted)
    if is_same:
        return "equal"
    if comparison == "beginning" and _has_same_about(stored, wanted):
        _append(contexts, name, wanted.runs_after(stored), version=stored.version)
        return "continued"
    if not replaces:
        return "different"
    if comparison != "equal":
        stored = _replace(contexts, wanted, stored)
    if not _has_same_about(stored, wanted):
        head = wanted.head
        contexts.update(name, title=head.title, metadata=head.about(), ttl_s=head.ttl_s)
    return "replaced"


def _has_same_about(stored: ContextObject, wanted: FileContext) -> bool:
    head = wanted.head
    return (
        stored.title == head.title
        and canonical_json(stored.metadata) == canonical_json(head.about())
        and math.isclose(stored.ttl_s, head.ttl_s, abs_tol=0.001)
    )


def _create(contexts: Contexts, wanted: FileContext, runs: Iterator[Run]) -> None:
    head = wanted.head
    made = contexts.create(
        head.context,
        title=head.title,
        metadata=head.about(),
        ttl_s=head.ttl_s or None,
        **as_created(next(runs)),
    )
    _append(contexts, head.context, runs, version=made.version)


def _append(contexts: Contexts, name: str, runs: Iterator[Run], *, version: int) -> None:
    """Append run after run; whoever changes the context meanwhile wins, and we stop."""
    for run in runs:
        version = contexts.append(name, if_version=version, **as_appended(run)).version


def _replace(contexts: Contexts, wanted: FileContext, stored: ContextObject) -> ContextObject:
    """Put the file's items in the place of those stored; returns what is stored then.

    In one change, where one request carries them all. Else the first of them, and the others after
    it: what was broken off begins as the file does, and is continued. Another shape has no such
    way: it is made anew.
    """
    name = wanted.head.context
    if stored.shape != wanted.head.shape:
        contexts.delete(name)
        _create(contexts, wanted, wanted.runs_anew())
        return contexts.get(name)
    first, rest = wanted.put_first()
    made = contexts.put(name, if_version=stored.version, **as_created(first))
    _append(contexts, name, rest, version=made.version)
    return contexts.get(name)


def _refusal(different: list[str]) -> str:
    named = ", ".join(repr(name) for name in different[:_NAMED_MAX])
    more = f" and {len(different) - _NAMED_MAX} more" if len(different) > _NAMED_MAX else ""
    return f"other contexts are stored under {named}{more}: --replace overwrites them"
