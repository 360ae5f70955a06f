"""`tierfold put`: store a file as a context."""

import argparse
import os
import time
from collections.abc import Mapping
from typing import Any, get_args

from tierfold.cli.arguments import Format, typed
from tierfold.cli.contexts import Contexts
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes
from tierfold.cli.quantities import lifetime_s
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.reading import STDIN, Input, parse, read
from tierfold.cli.screen import stderr
from tierfold.cli.sources import FileSource, hash_of, stamp
from tierfold.cli.table import counted, size
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import ContextObject
from tierfold.config import Settings
from tierfold.context import MessagesSource, TextSource
from tierfold.errors import InvalidInputError, UnknownContextError

_NAMES = {"messages": "message", "parts": "part", "text": "piece"}

_EPILOG = """\
examples:
  tierfold put chat.json --id trip
  tierfold put turn.jsonl --id trip --append
  git log -p | tierfold put - --title "the history" --ttl 30d

With --id the context becomes exactly the file: only what is new in it is stored.
The id is all that goes to stdout.
"""


def command(argv: list[str]) -> int:
    """Store the file; prints the context's id."""
    found = _parser().parse_args(argv)
    if found.append and found.id is None:
        problem = "--append needs the --id of the context to add to"
        raise InvalidInputError(problem)
    remembers = found.remember or found.refresh_after is not None
    if remembers and (found.append or found.file == STDIN):
        problem = "--remember needs a FILE that is the whole context: no stdin, no --append"
        raise InvalidInputError(problem)
    screen = stderr(quiet=found.quiet)
    before = _stamped(found.file) if remembers else None
    body, given = _given(found)
    if given.envelope is not None and len(given.envelope) > 1:
        screen.line("of the object only its messages are stored")
    with reached(place(found), screen, makes_store=not found.append) as contexts:
        stored = _stored(contexts, found, contents_of(given))
        if before is not None:
            source = _source(found, body, before, stored)
            stored = contexts.update(stored.id, metadata=source.in_metadata(stored.metadata))
    screen.line(
        f"stored: {counted(stored.items, _NAMES[stored.shape])}, {size(stored.size_bytes)}, "
        f"version {stored.version}"
    )
    to_stdout([json_bytes(stored.body()) if found.json else f"{stored.id}\n".encode()])
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold put",
        usage="tierfold put FILE|- [--id ID] [--append] [OPTION ...]",
        description="Store a chat or a text as a context.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the input; - is stdin")
    parser.add_argument("--id", metavar="ID", help="the context's id (default: a new one)")
    parser.add_argument("--append", action="store_true", help="add to the end of --id")
    parser.add_argument("--title", metavar="TEXT", help="what `ls` shows beside it")
    parser.add_argument(
        "--ttl",
        type=typed(lifetime_s),
        metavar="TIME",
        help="life after the last change: 30d, 12h; 0 is for ever (default)",
    )
    parser.add_argument(
        "--format",
        choices=get_args(Format),
        default="auto",
        help="auto: JSON rows with a role (a list, {messages: [...]}, or one a line) are a chat",
    )
    parser.add_argument(
        "--remember", action="store_true", help="remember the file, for `tierfold refresh`"
    )
    parser.add_argument(
        "--refresh-after",
        type=typed(lifetime_s),
        metavar="TIME",
        help="remember it, and call it due after 1d, 12h, ...",
    )
    parser.add_argument("--json", action="store_true", help="print the whole context object")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _given(found: argparse.Namespace) -> tuple[bytes, Input]:
    limits = Settings().limits
    body = read(found.file, limits)
    if not body.strip():
        problem = "it is empty: there is nothing to store"
        raise InvalidInputError(problem, path=found.file)
    return body, parse(body, name=found.file, kind=found.format, limits=limits)


def _stamped(name: str) -> tuple[int, int]:
    """Return size and time of change of the file, as they were before it was read."""
    try:
        return stamp(name)
    except OSError:
        return 0, 0  # reading it says why


def _source(
    found: argparse.Namespace, body: bytes, before: tuple[int, int], stored: ContextObject
) -> FileSource:
    size_bytes, modified_ms = before
    return FileSource(
        path=os.path.abspath(found.file),  # noqa: PTH100  # pathlib costs 5 ms of start-up
        size_bytes=size_bytes,
        modified_ms=modified_ms,
        hash=hash_of(body),
        format=found.format,
        read_ms=time.time_ns() // 1_000_000,
        refresh_after_s=found.refresh_after or 0.0,
        items=stored.items,
        stored_bytes=stored.size_bytes,
    )


def contents_of(given: Input) -> Mapping[str, Any]:
    """Return what was read as the contents of a context."""
    match given.source:
        case MessagesSource(messages=messages):
            return {"messages": [message.to_dict() for message in messages]}
        case TextSource(text=text):
            return {"text": text}
        case other:
            raise AssertionError(other)


def _stored(
    contexts: Contexts, found: argparse.Namespace, contents: Mapping[str, Any]
) -> ContextObject:
    """Store it, new contexts with title and life in one change."""
    has_about = found.title is not None or found.ttl is not None
    if found.id is None or (has_about and not found.append and not _is_there(contexts, found.id)):
        return contexts.create(
            found.id, title=found.title or "", ttl_s=found.ttl or None, **contents
        )
    stored = (contexts.append if found.append else contexts.put)(found.id, **contents)
    return contexts.update(found.id, title=found.title, ttl_s=found.ttl) if has_about else stored


def _is_there(contexts: Contexts, name: str) -> bool:
    try:
        contexts.get(name)
    except UnknownContextError:
        return False
    return True
