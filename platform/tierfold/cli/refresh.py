"""`tierfold refresh`: contexts that were stored from files, brought up to date."""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from tierfold.cli.contexts import Contexts
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes
from tierfold.cli.put import contents_of
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.reading import parse, read
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.sources import FileSource, hash_of, stamp
from tierfold.cli.table import counted, printable
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import ContextObject
from tierfold.client.paging import CONTEXTS_MAX, each_context
from tierfold.config import Limits
from tierfold.errors import CallerError, InvalidInputError, VersionConflictError

Outcome = Literal["unchanged", "changed", "gone", "edited", "outside", "unreadable", "not due"]

_SAID: dict[Outcome, str] = {
    "unchanged": "unchanged",
    "changed": "changed",
    "gone": "the file is gone; what is stored stays",
    "edited": "was changed here since; --force replaces that",
    "outside": "the file lies elsewhere; --under names the folder to read from",
    "unreadable": "the file cannot be stored as it is now",
    "not due": "not due yet",
}

_EPILOG = """\
`tierfold put FILE --remember` remembers where a context came from; metadata has it under "source".
Files are read only from below one folder, the present one or that of --under: what is written in a
context's metadata must not decide which of your files is read. Servers never read them.

examples:
  tierfold put notes.md --id notes --refresh-after 1d
  tierfold refresh --all            only what is new is stored
  tierfold refresh --all --due      those whose time has come, for a cron job
"""


def command(argv: list[str]) -> int:
    """Read the sources again and store what has changed."""
    found = _parser().parse_args(argv)
    if bool(found.ids) == found.all:
        problem = "name contexts, or say --all"
        raise InvalidInputError(problem)
    screen = stderr(quiet=found.quiet)
    outcomes: dict[str, Outcome] = {}
    with reached(place(found), screen) as contexts:
        refreshing = _Refreshing(contexts, found)
        for context, source in _sources(contexts, found.ids):
            outcome = refreshing.refreshed(context, source)
            outcomes[context.id] = outcome
            if outcome not in {"unchanged", "not due"}:
                screen.line(f"{context.id}: {_SAID[outcome]} ({printable(source.path)})")
    _say(outcomes, found, screen)
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold refresh",
        usage="tierfold refresh ID ... | --all [OPTION ...]",
        description="Read the files again that contexts were stored from.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="contexts to bring up to date")
    parser.add_argument("--all", action="store_true", help="all that remember their file")
    parser.add_argument("--due", action="store_true", help="only those past --refresh-after")
    parser.add_argument("--under", metavar="DIR", default=".", help="folder the files lie under")
    parser.add_argument("--dry-run", action="store_true", help="only say what has changed")
    parser.add_argument(
        "--force", action="store_true", help="replace what was changed here since, too"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _sources(contexts: Contexts, ids: list[str]) -> Iterator[tuple[ContextObject, FileSource]]:
    """Yield the contexts that remember a file; raises CallerError for one named that does not."""
    if not ids:
        # All of them first: what is refreshed meanwhile must not be listed twice.
        for context in list(each_context(contexts.list_page, limit=CONTEXTS_MAX)):
            source = FileSource.of(context)
            if source is not None:
                yield context, source
        return
    for name in dict.fromkeys(ids):
        context = contexts.get(name)
        source = FileSource.of(context)
        if source is None:
            problem = f"{name!r} remembers no file: store it with `tierfold put FILE --remember`"
            raise CallerError(problem)
        yield context, source


class _Refreshing:
    """Brings contexts up to date as the options say."""

    def __init__(self, contexts: Contexts, found: argparse.Namespace) -> None:
        self._contexts = contexts
        self._found = found
        self._root = os.path.realpath(found.under)
        self._limits = Limits()

    def refreshed(self, context: ContextObject, source: FileSource) -> Outcome:
        """Bring one context up to date; returns how it was."""
        now_ms = time.time_ns() // 1_000_000
        if self._found.due and not source.is_due(now_ms):
            return "not due"
        path = os.path.realpath(source.path)
        if os.path.commonpath([self._root, path]) != self._root:
            return "outside"
        try:
            size_bytes, modified_ms = stamp(path)
        except OSError:
            return "gone"
        seen = replace(source, size_bytes=size_bytes, modified_ms=modified_ms, read_ms=now_ms)
        if source.is_stamped(size_bytes, modified_ms):
            if source.is_due(now_ms):
                self._remember(context, seen)
            return "unchanged"
        return self._compared(context, source, seen, path)

    def _compared(
        self, context: ContextObject, source: FileSource, seen: FileSource, path: str
    ) -> Outcome:
        """Read a file whose size or time is another."""
        if not os.path.isfile(path):  # noqa: PTH113  # a pipe would not end
            return "unreadable"
        try:
            body = read(path, self._limits)
        except CallerError:
            return "unreadable"
        seen = replace(seen, hash=hash_of(body))
        if seen.hash == source.hash:
            self._remember(context, seen)
            return "unchanged"
        if not source.is_of(context) and not self._found.force:
            return "edited"
        return "changed" if self._found.dry_run else self._stored(context, seen, body)

    def _stored(self, context: ContextObject, seen: FileSource, body: bytes) -> Outcome:
        kind: Any = seen.format
        try:
            given = parse(body, name=seen.path, kind=kind, limits=self._limits)
            stored = self._contexts.put(
                context.id, **contents_of(given), if_version=context.version
            )
        except VersionConflictError:
            return "edited"
        except CallerError:  # it is no text any more, or another shape
            return "unreadable"
        self._remember(stored, replace(seen, items=stored.items, stored_bytes=stored.size_bytes))
        return "changed"

    def _remember(self, context: ContextObject, seen: FileSource) -> None:
        if not self._found.dry_run:
            self._contexts.update(context.id, metadata=seen.in_metadata(context.metadata))


def _say(outcomes: dict[str, Outcome], found: argparse.Namespace, screen: Screen) -> None:
    if found.json:
        to_stdout([json_bytes({"outcomes": outcomes})])
    counts = Counter(outcomes.values())
    facts = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
    screen.line(f"{counted(len(outcomes), 'context')}: {facts or 'none remembers a file'}")
