"""`tierfold retention`: how long contexts are kept, and which would go now."""

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tierfold.cli.contexts import Contexts
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.reach import Place, add_place, place, reached
from tierfold.cli.reading import read
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.table import aligned, counted, duration, size
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import ContextObject
from tierfold.client.paging import CONTEXTS_MAX, each_context
from tierfold.config import Limits, RetentionRule
from tierfold.context.stored import About
from tierfold.errors import (
    CallerError,
    InvalidInputError,
    UnknownContextError,
    VersionConflictError,
)
from tierfold.memory.lifecycle.retention import Candidate, Census, Verdict

_LOCAL_TENANT = "local"
_HEADER = ("id", "what", "rule", "why", "size", "changed", "title")
_RIGHT = frozenset({4, 5})
_WHY = {
    "idle": "unchanged for too long",
    "age": "too old",
    "contexts": "too many contexts",
    "bytes": "too many bytes",
}

_EPILOG = """\
RULES is a JSON file:
  {"rules": [
    {"name": "drafts", "match": {"title_prefix": "draft "}, "idle_s_max": 604800},
    {"name": "cold", "action": "archive", "idle_s_max": 2592000},
    {"name": "enough", "contexts_max": 10000, "bytes_max": 5000000000}]}
A context goes when it is past any of a rule's limits, those unchanged longest first, never while it
is pinned. "archive" leaves it to the object store alone: it is still answered from there.
"match" may have title_prefix, metadata (equal values), shape and tenant; without it all contexts.
What is set is in force at once: whoever has the store open looks at it once a minute.
"""


def command(argv: list[str]) -> int:
    """Show, plan, set or apply retention rules."""
    found = _parser().parse_args(argv)
    screen = stderr(quiet=found.quiet)
    where = place(found)
    if found.clear or found.set is not None:
        return _set(found, where, screen)
    if found.plan is None and found.apply is None:
        return _show(found, where, screen)
    given = found.apply if found.plan is None else found.plan
    rules = _stored(where) if given == "" else _read(given)
    if not rules:
        problem = "no rules are set: name a file, as `tierfold retention --plan rules.json`"
        raise CallerError(problem)
    with reached(where, screen) as contexts:
        verdicts = planned(contexts, rules, screen)
        deleted = None if found.apply is None else _applied(contexts, verdicts, screen)
    _print(verdicts, found, screen)
    if deleted is not None:
        screen.line(f"{counted(deleted, 'context')} deleted")
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold retention",
        usage="tierfold retention [--plan [RULES] | --apply [RULES] | --set RULES | --clear]",
        description="Say how long contexts are kept. Without an option the rules that are set.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--plan",
        nargs="?",
        const="",
        metavar="RULES",
        help="list what would go and why, by a file's rules or by those that are set",
    )
    what.add_argument(
        "--apply",
        nargs="?",
        const="",
        metavar="RULES",
        help="delete now what would go; archives are left to whoever has the store open",
    )
    what.add_argument("--set", metavar="RULES", help="keep a file's rules with the store")
    what.add_argument("--clear", action="store_true", help="no rules any more")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def planned(contexts: Contexts, rules: Sequence[RetentionRule], screen: Screen) -> list[Verdict]:
    """Return what goes by the rules now; decided by the code that upkeep runs."""
    store = getattr(contexts, "store", None)
    tenant = _LOCAL_TENANT if store is None else store.tenant
    if store is None and any(rule.tenant for rule in rules):
        screen.line("rules for a tenant are left out: a server does not say which one we are")
        rules = [rule for rule in rules if not rule.tenant]
    census = Census(rules, time.time_ns() // 1_000_000)
    listed = each_context(contexts.list_page, limit=CONTEXTS_MAX)
    looked = (census.look(_candidate(context, tenant)) for context in listed)
    timely = [verdict for verdict in looked if verdict is not None]
    return [*timely, *census.surplus()]


def _candidate(context: ContextObject, tenant: str) -> Candidate:
    about = About(title=context.title, metadata=context.metadata)
    return Candidate(
        tenant=tenant,
        id=context.id,
        version=context.version,
        shape=context.shape,
        size_bytes=context.size_bytes,
        created_ms=round(context.created_at * 1000),
        updated_ms=round(context.updated_at * 1000),
        pinned_until_ms=round((context.pinned_until or 0) * 1000),
        about=lambda: about,
    )


def _applied(contexts: Contexts, verdicts: Sequence[Verdict], screen: Screen) -> int:
    """Delete what goes, unless it has changed since it was judged; returns how many."""
    deleted = 0
    for verdict in verdicts:
        if verdict.rule.action != "delete":
            continue
        try:
            contexts.delete(verdict.candidate.id, if_version=verdict.candidate.version)
        except (UnknownContextError, VersionConflictError):
            screen.line(f"{verdict.candidate.id} has changed meanwhile: it stays")
        else:
            deleted += 1
    return deleted


def _read(name: str) -> tuple[RetentionRule, ...]:
    from tierfold.engine.shard.rules_file import parsed_rules  # noqa: PLC0415  # only where needed

    try:
        return parsed_rules(read(name, Limits()))
    except InvalidInputError as error:
        raise InvalidInputError(str(error), path=name) from error


def _stored(where: Place) -> tuple[RetentionRule, ...]:
    from tierfold.engine.shard.rules_file import stored_rules  # noqa: PLC0415  # as above

    _require_folder(where)
    return stored_rules(where.folder)


def _require_folder(where: Place) -> None:
    if where.url is not None:
        problem = (
            f"rules are kept in the store's folder, and {where.said_by} names a server: "
            "do it where the store is, with --store"
        )
        raise CallerError(problem)
    if not where.folder.exists():
        problem = f"there is no store at {where.folder} yet: `tierfold put FILE` makes one"
        raise CallerError(problem)


def _set(found: argparse.Namespace, where: Place, screen: Screen) -> int:
    from tierfold.engine.opening import stored_shards  # noqa: PLC0415  # as above
    from tierfold.engine.shard.rules_file import require_possible, store_rules  # noqa: PLC0415

    _require_folder(where)
    rules = () if found.clear else _read(found.set)
    require_possible(rules, shards=stored_shards(where.folder))
    store_rules(where.folder, rules)
    screen.line(f"{counted(len(rules), 'rule')} set for {where.folder}")
    return Exit.DONE


def _show(found: argparse.Namespace, where: Place, screen: Screen) -> int:
    from tierfold.memory.lifecycle.rules_document import document_of  # noqa: PLC0415  # as above

    rules = _stored(where)
    if found.json or rules:
        to_stdout([json_bytes(document_of(rules))])
    if not rules:
        screen.line("no rules are set: contexts are kept until they are deleted or their ttl ends")
    return Exit.DONE


def _print(verdicts: Sequence[Verdict], found: argparse.Namespace, screen: Screen) -> None:
    if found.json:
        to_stdout([json_bytes({"object": "list", "data": [_body(each) for each in verdicts]})])
    elif verdicts:
        to_stdout(lines(_table(verdicts, time.time_ns() / 1e9)))
    actions = [verdict.rule.action for verdict in verdicts]
    freed = sum(verdict.candidate.size_bytes for verdict in verdicts)
    screen.line(
        f"{counted(actions.count('delete'), 'context')} to delete, "
        f"{actions.count('archive'):,} to archive, {size(freed)} of items"
        if verdicts
        else "nothing goes"
    )


def _body(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.candidate.id,
        "version": verdict.candidate.version,
        "action": verdict.rule.action,
        "rule": verdict.rule.name,
        "reason": verdict.reason,
        "size_bytes": verdict.candidate.size_bytes,
        "updated_at": verdict.candidate.updated_ms / 1000,
    }


def _table(verdicts: Sequence[Verdict], now_s: float) -> Sequence[str]:
    return aligned([_HEADER, *_rows(verdicts, now_s)], right=_RIGHT, width=1 << 20)


def _rows(verdicts: Sequence[Verdict], now_s: float) -> Iterator[tuple[str, ...]]:
    for verdict in verdicts:
        candidate = verdict.candidate
        yield (
            candidate.id,
            verdict.rule.action,
            verdict.rule.name,
            _WHY[verdict.reason],
            size(candidate.size_bytes),
            duration(now_s - candidate.updated_ms / 1000),
            candidate.about().title,
        )
