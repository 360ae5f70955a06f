"""`tierfold rm`: delete contexts."""

import argparse

from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import stderr
from tierfold.cli.writing import to_stdout
from tierfold.errors import CallerError, UnknownContextError

_NAMED_MAX = 5


def command(argv: list[str]) -> int:
    """Delete every context named; those that are not there are said in the end."""
    found = _parser().parse_args(argv)
    screen = stderr(quiet=found.quiet)
    deleted: list[str] = []
    unknown: list[str] = []
    with reached(place(found), screen) as contexts:
        for name in dict.fromkeys(found.ids):
            try:
                contexts.delete(name)
            except UnknownContextError:
                unknown.append(name)
            else:
                deleted.append(name)
                screen.line(f"deleted {name}")
    if found.json:
        to_stdout([json_bytes({"deleted": deleted, "unknown": unknown})])
    if unknown:
        raise CallerError(_refusal(unknown))
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold rm",
        description="Delete contexts from every tier and index.",
        allow_abbrev=False,
    )
    parser.add_argument("ids", metavar="ID", nargs="+", help="contexts to delete")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _refusal(unknown: list[str]) -> str:
    named = ", ".join(repr(name) for name in unknown[:_NAMED_MAX])
    more = f" and {len(unknown) - _NAMED_MAX} more" if len(unknown) > _NAMED_MAX else ""
    return f"there is no context {named}{more}: `tierfold ls` lists what there is"
