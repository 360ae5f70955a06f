"""`tierfold get`: read a stored context, or bring back what a handle names."""

import argparse
from collections.abc import Iterator

from tierfold.cli.contexts import Contexts
from tierfold.cli.exits import Exit
from tierfold.cli.output import ended, json_bytes, json_line
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.readable import chat_row
from tierfold.cli.screen import stderr
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import ItemsPage
from tierfold.client.paging import each_item, each_page, page_items
from tierfold.context.handle import Handle
from tierfold.errors import InvalidInputError, UnknownHandleError

_EPILOG = """\
examples:
  tierfold get trip                     the whole, as text
  tierfold get trip --start -4          the last four rows
  tierfold get trip --json | jq .data
  tierfold get h_8fKc...                what a fold left out, byte for byte
"""


def command(argv: list[str]) -> int:
    """Print a context, a run of its items, or what a handle names."""
    found = _parser().parse_args(argv)
    screen = stderr(quiet=found.quiet)
    is_handle = _is_handle(found.name)
    if is_handle and (found.start, found.stop) != (0, None):
        problem = "a handle names its own run: --start and --stop are for contexts"
        raise InvalidInputError(problem)
    with reached(place(found), screen) as contexts:
        if is_handle:
            to_stdout(ended(_restored(contexts, found.name, is_json=found.json)))
        else:
            to_stdout(ended(_context(contexts, found)))
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold get",
        usage="tierfold get ID|HANDLE [--start N] [--stop M] [--json]",
        description="Print a stored context, or bring back what a handle names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="ID", help="a context, or a handle (h_...)")
    parser.add_argument(
        "--start", type=int, default=0, metavar="N", help="first item; -4: the last four"
    )
    parser.add_argument("--stop", type=int, metavar="M", help="item before which to stop")
    parser.add_argument("--json", action="store_true", help="items exactly as they are stored")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _is_handle(name: str) -> bool:
    """Whether it is a handle; what only looks like one is an id."""
    try:
        Handle.decode(name)
    except UnknownHandleError:
        return False
    return True


def _restored(contexts: Contexts, handle: str, *, is_json: bool) -> Iterator[bytes]:
    """Yield what a handle names: as text a page at a time, never holding more."""
    if is_json:
        value = contexts.handle(handle)
        yield json_bytes({"text": value} if isinstance(value, str) else {"messages": value})
        return
    for page in each_page(contexts.handle_page, handle):
        if isinstance(page.value, str):
            yield page.value.encode()
        else:
            yield from map(chat_row, page.value)


def _context(contexts: Contexts, found: argparse.Namespace) -> Iterator[bytes]:
    limit = page_items(contexts.get(found.name))
    pages = each_item(contexts.items_page, found.name, found.start, found.stop, limit=limit)
    return _as_json(pages) if found.json else _as_text(pages)


def _as_text(pages: Iterator[ItemsPage]) -> Iterator[bytes]:
    for page in pages:
        for index, item in enumerate(page.items, start=page.start):
            if page.shape == "messages":
                yield chat_row(item, index=index)
            else:
                yield str(item["text"]).encode()


def _as_json(pages: Iterator[ItemsPage]) -> Iterator[bytes]:
    """Yield one object, an item a line, without ever holding more than a page."""
    separator = b"\n"
    for number, page in enumerate(pages):
        if number == 0:
            yield _opening(page)
        for item in page.items:
            yield separator + json_line(item)
            separator = b",\n"
    yield b"\n]}\n"


def _opening(page: ItemsPage) -> bytes:
    about = {
        "object": "list",
        "context": page.context,
        "shape": page.shape,
        "version": page.version,
        "start": page.start,
        "total": page.total,
    }
    return json_line(about)[:-1] + b',"data":['
