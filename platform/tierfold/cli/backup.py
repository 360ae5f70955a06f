"""`tierfold backup`: all contexts of a tenant into an object store, and back."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from tierfold.cli.backup_places import Aim, BackupPlace, backups_reached, is_inside
from tierfold.cli.backup_shown import (
    BackupBar,
    Document,
    made_lines,
    restored_lines,
    table,
    verified_lines,
)
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.reach import add_place, place
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.writing import to_stdout
from tierfold.errors import RestoreConflictError

_EPILOG = """\
examples:
  tierfold backup create --to s3://bucket/backups --name "before the move"
  tierfold backup list --from s3://bucket/backups
  tierfold backup verify bk_01m87g65vvg5h3d4mr --from s3://bucket/backups
  tierfold backup restore bk_01m87g65vvg5h3d4mr --from s3://bucket/backups --store /new/store
  tierfold backup delete bk_01m87g65vvg5h3d4mr --from s3://bucket/backups

A backup has each context as it was at one moment, and is complete in itself. A later one puts only
what is new; deleting one leaves what others need. It is listed when all of it is there: one that
was interrupted is not, and the next one uses what arrived.
A deleted context stays in the backups that have it until those are deleted.

Without --to or --from the object store is the one that the store itself follows. A server backs
up to its own alone.

exit codes: 0 done, 1 done but for what is damaged (it is named), or we failed, 2 refused
"""
_STORED_HELP = "the object store's URL (default: the one the store follows)"

Parser = argparse.ArgumentParser


def command(argv: list[str]) -> int:
    """Make, list, check, restore or delete backups."""
    found = _parser().parse_args(argv)
    verb: Callable[[argparse.Namespace, Screen], int] = found.verb
    return verb(found, stderr(quiet=found.quiet))


def _parser() -> Parser:
    parser = _described("tierfold backup", "Back up all contexts to an object store, and back.")
    parser.epilog = _EPILOG
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    create = _verb(verbs, "create", _create, "make a backup; its id goes to stdout")
    create.add_argument("--to", dest="at", metavar="URL", help=_STORED_HELP)
    create.add_argument("--name", default="", metavar="TEXT", help="what `list` shows beside it")
    create.add_argument(
        "--full",
        action="store_true",
        help="read everything anew, also what the object store has, and put it again where it is "
        "damaged",
    )
    _from(_verb(verbs, "list", _list, "list the backups, the oldest first"))
    verify = _from(_verb(verbs, "verify", _verify, "read all of a backup and check every byte"))
    restore = _from(_verb(verbs, "restore", _restore, "bring contexts back from a backup"))
    delete = _from(_verb(verbs, "delete", _delete, "delete a backup and what no other one needs"))
    for each in (verify, restore, delete):
        each.add_argument("id", metavar="ID", help="a backup, as `tierfold backup list` shows it")
    restore.add_argument("--only", nargs="+", default=(), metavar="ID", help="these contexts alone")
    restore.add_argument(
        "--if-exists",
        choices=("fail", "skip", "replace"),
        default="fail",
        help="contexts with other contents: do nothing at all (fail, the default), leave them, or "
        "replace them",
    )
    restore.add_argument(
        "--expired",
        action="store_true",
        help="also contexts whose time is over; their life begins anew",
    )
    return parser


def _described(prog: str, description: str) -> Parser:
    return Parser(
        prog=prog,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _verb(
    verbs: "argparse._SubParsersAction[Parser]",
    name: str,
    verb: Callable[[argparse.Namespace, Screen], int],
    description: str,
) -> Parser:
    parser = verbs.add_parser(
        name,
        help=description,
        description=f"{description[0].upper()}{description[1:]}.",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=verb, tenant=None)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _from(parser: Parser) -> Parser:
    parser.add_argument("--from", dest="at", metavar="URL", help=_STORED_HELP)
    parser.add_argument(
        "--tenant", metavar="NAME", help="whose backups (default: the store's own tenant, `local`)"
    )
    return parser


def _create(found: argparse.Namespace, screen: Screen) -> int:
    where, aim = place(found), Aim(url=found.at, option="--to")
    reaching = backups_reached(where, aim, screen, needs_store=True)
    with reaching as backups, BackupBar(is_quiet=found.quiet) as bar:
        try:
            report = backups.create(name=found.name, full=found.full, told=bar.told)
        except KeyboardInterrupt:
            screen.line("there is no backup; the same command uses what has arrived")
            raise
    backup = report["backup"]
    _say(screen, made_lines(report, screen))
    if where.url is None and found.at is None and is_inside(backup["url"], where.folder):
        warning = "it lies beside the store, on the same disk: --to URL survives its loss"
        screen.line(screen.paint(f"  {warning}", "yellow"))
    to_stdout([json_bytes(report)] if found.json else lines([backup["id"]]))
    return _exit(report)


def _list(found: argparse.Namespace, screen: Screen) -> int:
    with _backups(found, screen) as backups:
        listed = backups.list()
    if found.json:
        to_stdout([json_bytes({"object": "list", "data": listed})])
    elif listed:
        width = Screen(sys.stdout).width
        to_stdout(lines(table(listed, now_s=time.time_ns() / 1e9, width=width)))
    else:
        screen.line("there are no backups yet: `tierfold backup create` makes one")
    return Exit.DONE


def _verify(found: argparse.Namespace, screen: Screen) -> int:
    with _backups(found, screen) as backups, BackupBar(is_quiet=found.quiet) as bar:
        report = backups.verify(found.id, bar.told)
    _say(screen, verified_lines(report, screen))
    return _ended(found, report)


def _restore(found: argparse.Namespace, screen: Screen) -> int:
    aim = Aim(url=found.at, tenant=found.tenant)
    reaching = backups_reached(place(found), aim, screen, needs_store=True, makes_store=True)
    with reaching as backups, BackupBar(is_quiet=found.quiet) as bar:
        try:
            report = backups.restore(
                found.id,
                only=tuple(found.only),
                if_exists=found.if_exists,
                expired=found.expired,
                told=bar.told,
            )
        except RestoreConflictError as error:
            error.args = (f"{error} (--if-exists skip or replace, --only ID ...)",)
            raise
        except KeyboardInterrupt:
            screen.line("what is restored stays; the same command goes on from there")
            raise
    _say(screen, restored_lines(report, screen))
    return _ended(found, report)


def _delete(found: argparse.Namespace, screen: Screen) -> int:
    with _backups(found, screen) as backups:
        report = backups.delete(found.id)
    removed = report.get("removed", 0)
    screen.line(f"deleted {found.id}, and {removed:,} objects that no other backup needs")
    if report.get("kept_because"):
        screen.line(f"  what nobody needs was left to the next deletion: {report['kept_because']}")
    if found.json:
        to_stdout([json_bytes(report)])
    return Exit.DONE


def _backups(found: argparse.Namespace, screen: Screen) -> AbstractContextManager[BackupPlace]:
    aim = Aim(url=found.at, tenant=found.tenant)
    return backups_reached(place(found), aim, screen, needs_store=False)


def _say(screen: Screen, said: Iterable[str]) -> None:
    for line in said:
        screen.line(line)


def _ended(found: argparse.Namespace, report: Document) -> int:
    if found.json:
        to_stdout([json_bytes(report)])
    return _exit(report)


def _exit(report: Document) -> int:
    return Exit.FAILED if report["damaged"] else Exit.DONE
