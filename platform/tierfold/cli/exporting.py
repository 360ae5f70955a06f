"""`tierfold export`: contexts into a Parquet file."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tierfold.cli.contexts import Contexts
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.table import counted
from tierfold.cli.writing import require_writable, to_stdout
from tierfold.client.documents import ContextObject, ItemsPage
from tierfold.client.paging import each_context, each_item, page_items
from tierfold.errors import (
    CallerError,
    CorruptError,
    InvalidInputError,
    TierfoldError,
    UnknownContextError,
    VersionConflictError,
)

if TYPE_CHECKING:
    from tierfold.cli.parquet.files import RowsWriter

_EPILOG = """\
examples:
  tierfold export all.parquet
  tierfold export two.parquet trip order-4471

One row per item, each with its context's id, title, metadata and life; `tierfold import` reads it.
"""
_TOLD_EVERY = 1_000  # contexts


def command(argv: list[str]) -> int:
    """Write the contexts named, or all of them."""
    found = _parser().parse_args(argv)
    _require_file(found.file)
    screen = stderr(quiet=found.quiet)
    with reached(place(found), screen) as contexts:
        wanted = _wanted(contexts, found.ids)
        count, items = _export(contexts, wanted, Path(found.file), screen)
    screen.line(f"exported {counted(count, 'context')}, {counted(items, 'item')} to {found.file}")
    if found.json:
        to_stdout([json_bytes({"file": found.file, "contexts": count, "items": items})])
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold export",
        usage="tierfold export FILE.parquet [ID ...] [OPTION ...]",
        description="Write contexts to a Parquet file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the file; one that is there is replaced")
    parser.add_argument("ids", metavar="ID", nargs="*", default=(), help="contexts (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _require_file(name: str) -> None:
    if name == "-":
        problem = "a Parquet file is written in place, not to stdout: name a file"
        raise InvalidInputError(problem)
    require_writable(name)


def _wanted(contexts: Contexts, ids: Sequence[str]) -> Iterator[ContextObject]:
    """Return the contexts; one that is not there is refused before anything is written."""
    if not ids:
        return each_context(contexts.list_page)
    return iter([contexts.get(name) for name in dict.fromkeys(ids)])


def _export(
    contexts: Contexts, wanted: Iterator[ContextObject], path: Path, screen: Screen
) -> tuple[int, int]:
    from tierfold.cli.parquet.files import RowsWriter  # noqa: PLC0415  # pyarrow costs 100 ms

    count = items = 0
    with RowsWriter(path) as writer:
        for listed in wanted:
            try:
                context = contexts.get(listed.id)
            except UnknownContextError:  # it ended since it was listed
                continue
            items += _written(contexts, context, writer)
            count += 1
            if count % _TOLD_EVERY == 0:
                screen.line(f"  {count:,} contexts ...")
    return count, items


def _written(contexts: Contexts, context: ContextObject, writer: "RowsWriter") -> int:
    """Write one context at one version, and return how many items it has."""
    from tierfold.cli.parquet.rows import row_of  # noqa: PLC0415  # as above

    if not context.items:
        writer.write([row_of(context, None, None)])
        return 0
    pages = each_item(contexts.items_page, context.id, limit=page_items(context))
    try:
        for page in pages:
            _require_version(page, context)
            writer.write(
                row_of(context, at, item) for at, item in enumerate(page.items, page.start)
            )
    except (UnknownContextError, VersionConflictError) as error:
        msg = f"context {context.id!r} changed while it was exported: run the command again"
        raise CallerError(msg) from error
    except CorruptError as error:
        msg = (
            f"context {context.id!r} cannot be read ({error}): "
            "the others are exported when their ids are named after FILE"
        )
        raise TierfoldError(msg) from error
    return context.items


def _require_version(page: ItemsPage, context: ContextObject) -> None:
    if page.version != context.version:
        raise VersionConflictError(context.id, asked=context.version, current=page.version)
