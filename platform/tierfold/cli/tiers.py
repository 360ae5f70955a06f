"""`tierfold tiers`: what each memory tier holds."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.progress import milliseconds
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.table import aligned, bar, counted, size
from tierfold.cli.writing import to_stdout

_BAR_WIDTH = 20
_HEADER = ("tier", "held", "of", "", "items", "hits", "misses", "up", "down", "p50", "p99")
_RIGHT = frozenset({1, 2, 4, 5, 6, 7, 8, 9, 10})
_LONG_MS = 1000.0  # of a job of upkeep: then somebody may ask himself how far it is


def command(argv: list[str]) -> int:
    """Print one line per tier, and what waits to move down."""
    found = _parser().parse_args(argv)
    with reached(place(found), stderr(quiet=found.quiet)) as contexts:
        body = contexts.tiers()
    if found.json:
        to_stdout([json_bytes(body)])
    else:
        to_stdout(lines(_as_text(body, Screen(sys.stdout))))
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold tiers",
        description="Print what each memory tier holds, how often it answered and how fast.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _as_text(body: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    rows = [_HEADER, *(_row(tier) for tier in body["tiers"])]
    yield from aligned(rows, right=_RIGHT, width=screen.width)
    yield ""
    for shard in body["shards"]:
        yield _shard(shard)
        yield from (screen.paint(line, "dim") for line in _choice(shard))
        yield from ("  " + screen.paint(line, "yellow") for line in _problems(shard))
        for each in shard.get("upkeep", ()):
            if each["busy_ms"] >= _LONG_MS:
                yield "  " + screen.paint(_running(each), "dim")


def _problems(shard: Mapping[str, Any]) -> Iterator[str]:
    for tier in shard["tiers"]:
        if tier.get("problem"):
            yield f"{tier['tier']}: {tier['problem']}"
    if shard["object_store"]["problem"]:
        yield f"object store: {shard['object_store']['problem']}"
    if shard.get("problem"):
        yield f"upkeep: {shard['problem']}"


def _row(tier: Mapping[str, Any]) -> tuple[str, ...]:
    limit, held = tier["limit_bytes"], tier["size_bytes"]
    latency_ms = tier.get("latency_ms") or {}
    return (
        tier["tier"],
        size(held),
        size(limit) if limit else "",
        bar(held / limit, _BAR_WIDTH) if limit else "",
        f"{tier['items']:,}",
        f"{tier['hits']:,}",
        _count(tier.get("misses")),
        _count(tier.get("promotions")),
        _count(tier.get("demotions")),
        _latency(latency_ms.get("p50")),
        _latency(latency_ms.get("p99")),
    )


def _running(job: Mapping[str, Any]) -> str:
    """Say how far a job is; how long it will be is known by its last whole run."""
    of = f" of about {job['last_pieces']:,}" if job["last_pieces"] else ""
    return f"at work: {job['job']}, piece {job['pieces']:,}{of}"


def _count(count: int | None) -> str:
    return f"{count:,}" if count else ""


def _choice(shard: Mapping[str, Any]) -> Iterator[str]:
    """Say who decides in L1 and L2, and by what."""
    choice = shard.get("choice")
    if choice and choice["cost_ms"]:
        costs = sorted(choice["cost_ms"].items(), key=lambda each: each[1])
        listed = ", ".join(f"{name} {cost:.2f}" for name, cost in costs)
        why = f"{choice['reason']}, {counted(choice['windows'], 'window')}"
        yield f"  order {choice['order']} ({why}; ms a request would cost: {listed})"
    for tier in shard["tiers"]:
        if tier.get("pinned_bytes"):
            yield f"  {tier['tier']}: {size(tier['pinned_bytes'])} pinned or read ahead"
    for evidence, each in ((shard.get("prefetch") or {}).get("evidence") or {}).items():
        if each["batches"]:
            share = "" if each["accuracy"] is None else f", {each['accuracy']:.0%} of them read"
            state = "" if each["is_on"] else ", off"
            yield f"  read ahead ({evidence}): {counted(each['keys'], 'context')}{share}{state}"


def _latency(ms: float | None) -> str:
    return "" if ms is None else milliseconds(ms)


def _shard(shard: Mapping[str, Any]) -> str:
    backlog = shard["backlog"]
    url = shard["object_store"]["url"]
    facts = [
        f"shard {shard['shard']}: {counted(shard['contexts'], 'context')}",
        f"search index {size(shard['search_bytes'])}",
        f"{size(shard['unsealed_bytes'])} not in blocks yet",
    ]
    if url:
        waits = (
            f"{counted(backlog['blocks'], 'block')} and {counted(backlog['contexts'], 'context')}"
        )
        facts.append(f"{waits} wait for {url}")
    else:
        facts.append("no object store")
    return ", ".join(facts)
