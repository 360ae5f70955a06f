"""`tierfold inspect`: everything that is known of one context."""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tierfold.cli.contexts import Contexts
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, json_line, lines
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import stderr
from tierfold.cli.sources import FileSource
from tierfold.cli.table import aligned, counted, duration, size
from tierfold.cli.writing import to_stdout
from tierfold.client.documents import ContextObject
from tierfold.client.paging import each_item, page_items

_RUNS_SHOWN_MAX = 20
_ROWS_SHOWN_MAX = 5
_STALE_BYTES_MAX = 4 << 20


def command(argv: list[str]) -> int:
    """Print version, sizes, times, and how and where the context is stored."""
    found = _parser().parse_args(argv)
    with reached(place(found), stderr(quiet=found.quiet)) as contexts:
        context = contexts.get(found.id)
        storage = contexts.storage(found.id)
        stale = _stale(contexts, context)
    if found.json:
        more = {"storage": storage, "stale": stale}
        body = context.body() | {name: value for name, value in more.items() if value}
        to_stdout([json_bytes(body)])
    else:
        to_stdout(lines(_as_text(context, storage, stale, now_s=time.time_ns() / 1e9)))
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold inspect",
        description="Print what is known of a context. How and where it is stored is known only "
        "where the store is opened here, not through a server.",
        allow_abbrev=False,
    )
    parser.add_argument("id", metavar="ID", help="the context's id")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _stale(contexts: Contexts, context: ContextObject) -> dict[str, Any]:
    """Return what later rows of a chat have overtaken; nothing of one too large to read for it."""
    if context.shape != "messages" or context.size_bytes > _STALE_BYTES_MAX:
        return {}
    from tierfold.cli.stale import stale_rows  # noqa: PLC0415  # tables of tokens cost 100 ms

    return stale_rows(each_item(contexts.items_page, context.id, limit=page_items(context)))


def _as_text(
    context: ContextObject, storage: dict[str, Any], stale: dict[str, Any], *, now_s: float
) -> Iterator[str]:
    rows = [
        ("id", context.id),
        ("title", context.title or "(none)"),
        ("shape", context.shape),
        ("version", f"{context.version:,}"),
        ("items", f"{context.items:,}"),
        ("size", f"{size(context.size_bytes)} ({context.size_bytes:,} bytes of items)"),
        ("created", _moment(context.created_at, now_s)),
        ("changed", _moment(context.updated_at, now_s)),
        ("expires", _expiry(context, now_s)),
        ("pinned", _pin(context, now_s)),
    ]
    source = FileSource.of(context)
    if source is not None:
        rows.append(("source", _source(source, now_s)))
    if stale:
        rows.append(("stale", _overtaken(stale)))
    if context.metadata:
        rows.append(("metadata", json_line(context.metadata).decode()))
    if storage:
        rows += _storage_rows(storage)
    yield from aligned(rows, width=1 << 20)


def _source(source: FileSource, now_s: float) -> str:
    due = ", due: `tierfold refresh`" if source.is_due(int(now_s * 1000)) else ""
    return f"{source.path}, looked at {duration(now_s - source.read_ms / 1000)} ago{due}"


def _overtaken(stale: dict[str, Any]) -> str:
    rows = stale["rows"]
    shown = ", ".join(f"{row['row']} by {row['by']}" for row in rows[:_ROWS_SHOWN_MAX])
    more = f", and {len(rows) - _ROWS_SHOWN_MAX:,} more" if len(rows) > _ROWS_SHOWN_MAX else ""
    tokens = f"{stale['tokens']:,} tokens"
    return f"{counted(len(rows), 'tool result')}, {tokens}: row {shown}{more}"


def _storage_rows(storage: dict[str, Any]) -> Iterator[tuple[str, str]]:
    pages, branches = storage["pages"], storage["branches"]
    yield "chain", storage["chain"]
    yield "slot", f"{storage['slot']:,}"
    yield "manifest", f"{storage['head_bytes']:,} bytes, {counted(storage['tail'], 'name')} in it"
    yield "pages", f"{pages:,} sealed" + (f", {branches:,} branches" if branches else "")
    yield "keys", f"{counted(storage['keys_remembered'], 'idempotency key')} remembered"
    runs = storage["lies_in"]
    shown = [f"{run['tier']}: {run['start']:,} to {run['stop'] - 1:,}" for run in runs]
    more = (
        f", and {len(shown) - _RUNS_SHOWN_MAX:,} runs more" if len(shown) > _RUNS_SHOWN_MAX else ""
    )
    yield "items in", (", ".join(shown[:_RUNS_SHOWN_MAX]) + more) or "(no items)"


def _moment(at_s: float, now_s: float) -> str:
    moment = datetime.fromtimestamp(at_s, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {duration(now_s - at_s)} ago"


def _expiry(context: ContextObject, now_s: float) -> str:
    if context.expires_at is None:
        return "never"
    left = duration(context.expires_at - now_s)
    return f"in {left}, {duration(context.ttl_s)} after the last change"


def _pin(context: ContextObject, now_s: float) -> str:
    if context.pinned_until is None or context.pinned_until <= now_s:
        return "no"
    return f"for {duration(context.pinned_until - now_s)} more"
