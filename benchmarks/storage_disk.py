"""Bytes on disk: resent histories in a store, beside their raw and their compressed bytes."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import zstandard

import tierfold
from benchmarks.histories import Chat, generated_histories, real_histories, requests_of
from benchmarks.meter import Options, joined, null, say, table
from benchmarks.scratch import disk_folder

SHARDS = (1, 3, 12)
_GENERATED, _GENERATED_QUICK = 60, 12
_CALLERS = 16  # conversations at once: they share the waits for the disk
_LEVEL = 3  # what an object per request would be compressed with


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What some histories take in bytes."""

    name: str
    shards: int
    requests: int
    raw: int  # of all requests as JSON
    zstd: int  # of each request compressed by itself
    disk: int  # live table files without the search index
    logs: int  # write-ahead logs and whatever else is no table
    search: int  # table files of the search index, a cache


def disk_figures(options: Options) -> dict[str, Any]:
    """Return `*_vs_raw` and `all_vs_zstd`, and print what they are made of."""
    sets = {"generated": generated_histories(_GENERATED_QUICK if options.quick else _GENERATED)}
    if options.data is not None:
        sets |= real_histories(options.data)
        sets["all"] = [*sets["tau"], *sets["swe"]]
    found = {
        (name, shards): _measured(name, chats, shards)
        for name, chats in sets.items()
        for shards in (SHARDS if name == "all" and not options.quick else SHARDS[:1])
    }
    say("resent histories: bytes on disk after sealing and full compaction, logs apart")
    header = ["set", "shards", "requests", "raw", "zstd-3", "disk", "logs", "search", "raw/disk"]
    table([*header, "zstd-3/disk"], [_row(each) for each in found.values()])
    generated = found["generated", 1]
    figures = {
        "generated_vs_raw": generated.disk / generated.raw,
        "generated_vs_zstd": generated.disk / generated.zstd,
    }
    return joined(figures, _real_figures(found, options))


def _real_figures(found: Mapping[tuple[str, int], Sizes], options: Options) -> dict[str, Any]:
    """Return the figures of the real sets, null where they were not asked for."""
    more = [f"all_vs_raw_{shards}_shards" for shards in SHARDS[1:]]
    if options.data is None:
        names = ("tau_vs_raw", "swe_vs_raw", "all_vs_raw", "all_vs_zstd")
        return null("no --data, see generated_vs_raw", *names, *more)
    figures: dict[str, Any] = {
        f"{name}_vs_raw": found[name, 1].disk / found[name, 1].raw for name in ("tau", "swe", "all")
    }
    whole = found["all", 1]
    figures |= {"all_vs_zstd": whole.disk / whole.zstd, "all_disk_bytes": whole.disk}
    if options.quick:
        return joined(figures, null("--quick has one shard", *more))
    sizes = [found["all", shards] for shards in SHARDS[1:]]
    return figures | {name: each.disk / each.raw for name, each in zip(more, sizes, strict=True)}


def _row(each: Sizes) -> list[object]:
    return [
        *(each.name, each.shards, each.requests, each.raw, each.zstd, each.disk, each.logs),
        *(each.search, each.raw / each.disk, each.zstd / each.disk),
    ]


def _measured(name: str, chats: Sequence[Chat], shards: int) -> Sizes:
    """Put every request whole, as an application would that knows nothing of the last one."""
    requests = [orjson.dumps(request) for chat in chats for request in requests_of(chat)]
    packer = zstandard.ZstdCompressor(level=_LEVEL)
    with disk_folder() as folder, tierfold.open(folder / "store", shards=shards) as store:
        with ThreadPoolExecutor(_CALLERS) as callers:
            ids = [f"{name}-{number}" for number in range(len(chats))]
            for _ in callers.map(partial(_resend, store), ids, chats):
                pass
        store.compact()
        reports = store.tiers()
        logs = sum(_log_bytes(shard) for shard in (folder / "store").glob("shard-*"))
        _require_whole(store, name, chats)
    l3 = [tier for report in reports for tier in report.tiers if tier.tier == "L3"]
    return Sizes(
        name=name,
        shards=shards,
        requests=len(requests),
        raw=sum(map(len, requests)),
        zstd=sum(len(packer.compress(request)) for request in requests),
        disk=sum(tier.size_bytes for tier in l3),
        logs=logs,
        search=sum(report.search_bytes for report in reports),
    )


def _resend(store: tierfold.Store, context: str, chat: Chat) -> None:
    for request in requests_of(chat):
        store.put(context, messages=request)


def _require_whole(store: tierfold.Store, name: str, chats: Sequence[Chat]) -> None:
    """Raise where a stored conversation is not the last that was sent: small is easy if wrong."""
    for number, chat in enumerate(chats):
        sent = list(requests_of(chat))[-1]
        if store.messages(f"{name}-{number}") != sent:
            msg = f"conversation {name}-{number} is not what was stored"
            raise OSError(msg)


def _log_bytes(shard: Path) -> int:
    """Return the bytes of what is no table: write-ahead logs, RocksDB's lists and prose."""
    return sum(each.stat().st_size for each in shard.iterdir() if each.suffix != ".sst")
