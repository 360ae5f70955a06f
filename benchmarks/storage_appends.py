"""Appends: how many a second beside bare RocksDB, and what one costs in a long context."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any
from unittest.mock import patch

import orjson
import rocksdict

import tierfold
from benchmarks.meter import say, table
from benchmarks.scratch import disk_folder
from tierfold.config import Settings, StoreLimits
from tierfold.context.manifest import HEAD_BYTES_MAX
from tierfold.engine.contents import chat_contents
from tierfold.engine.shard.keys import name_prefix
from tierfold.ports import Batch, Family
from tierfold.storage.rocks import RocksKeyValues
from tierfold.wire import parse_messages

ROUNDS, ROUNDS_QUICK = 5, 3
CALLERS = 32
ROW_BYTES = 1024
SHORT_ITEMS = 100
LONG_ITEMS, LONG_ITEMS_QUICK = 100_000, 5_000
_SECONDS, _SECONDS_QUICK = 2.0, 0.7
_APPENDS = 256  # four pages are sealed in so many
_APPENDS_IN_TURN = 32
_ITEMS_AT_ONCE = 2_000
_PROSE = " ".join("".join(topics.values()).replace('"', "'").replace("\\", "/").split())
_NUMBERS = itertools.count()


def rate_figures(*, is_quick: bool) -> dict[str, Any]:
    """Return append_vs_rocksdb: appends a second over records a second of bare RocksDB."""
    seconds = _SECONDS_QUICK if is_quick else _SECONDS
    ratios, rows = [], []
    with disk_folder() as folder:
        for number in range(1, (ROUNDS_QUICK if is_quick else ROUNDS) + 1):
            ours = _store_rate(folder / f"store {number}", seconds)
            bare = _rocksdb_rate(folder / f"bare {number}", seconds)
            ratios.append(ours / bare)
            rows.append([number, ours, bare, ratios[-1]])
    say(f"appends of 1 KB a second, {CALLERS} callers at once with a context each, fsync on")
    table(["round", "store", "bare RocksDB, batches of 32", "store / bare"], rows)
    return {
        "append_vs_rocksdb": statistics.median(ratios),
        "append_vs_rocksdb_spread": [min(ratios), max(ratios)],
        "appends_per_s": statistics.median(row[1] for row in rows),
        "rocksdb_records_per_s": statistics.median(row[2] for row in rows),
    }


def growth_figures(*, is_quick: bool) -> dict[str, Any]:
    """Return what an append costs in a long context over what it costs in a short one."""
    long = LONG_ITEMS_QUICK if is_quick else LONG_ITEMS
    settings = Settings(store=StoreLimits(rows_max=2 * LONG_ITEMS))
    with disk_folder() as folder, tierfold.open(folder / "store", settings=settings) as store:
        for items in (SHORT_ITEMS, long):
            _fill(store, str(items), items)
        store.compact()  # what filling left to do is done before anything is measured
        costs = {items: Cost() for items in (SHORT_ITEMS, long)}
        for _ in range(_APPENDS // _APPENDS_IN_TURN):
            for items, cost in costs.items():
                _append_some(store, str(items), cost)
    say(f"one append of 1 KB under a key, mean of {_APPENDS} in turn; bytes without the payload")
    header = ["items before", "bytes written", "CPU us of the caller", "of the process", "head max"]
    table(header, [[items, *cost.means(), cost.head_bytes_max] for items, cost in costs.items()])
    short_bytes, short_us, short_all_us = costs[SHORT_ITEMS].means()
    long_bytes, long_us, long_all_us = costs[long].means()
    return {
        "append_growth_bytes": long_bytes / short_bytes,
        "append_growth_cpu": long_us / short_us,
        "append_growth_process_cpu": long_all_us / short_all_us,
        "append_growth_items": long,
        "append_bytes": long_bytes,
        "append_cpu_us": long_us,
        "head_bytes_max": max(cost.head_bytes_max for cost in costs.values()),
        "head_bytes_limit": HEAD_BYTES_MAX,
    }


@dataclass(slots=True, kw_only=True)
class Cost:
    """What some appends to one context took."""

    appends: int = 0
    bytes_written: int = 0  # keys and values, the payload's share left out
    caller_s: float = 0.0  # CPU of the thread that called: it commits and writes the log too
    process_s: float = 0.0  # and what ran beside it: sealing, RocksDB's own threads
    head_bytes_max: int = 0

    def means(self) -> tuple[float, float, float]:
        """Return bytes, and microseconds of the caller and of the process, for one append."""
        seconds = (self.caller_s, self.process_s)
        caller_us, process_us = (each * 1e6 / self.appends for each in seconds)
        return self.bytes_written / self.appends, caller_us, process_us


@dataclass(slots=True, kw_only=True)
class Written:
    """Bytes of keys and values that one thread has handed to a database."""

    payload: frozenset[bytes]  # keys of the rows that were appended: they count nothing
    size_bytes: int = 0
    thread: int = field(default_factory=threading.get_ident)

    def add(self, batch: Batch) -> None:
        """Count a batch, if it is of our thread: upkeep writes from its own."""
        if threading.get_ident() != self.thread:
            return
        for (family, key), value in batch.puts.items():
            if family is not Family.BODY or key not in self.payload:
                self.size_bytes += len(key) + len(value or b"")


@contextmanager
def counted_writes(payload: frozenset[bytes] = frozenset()) -> Iterator[Written]:
    """Count what this thread writes inside the block; a caller alone commits for itself."""
    written = Written(payload=payload)
    write = RocksKeyValues.write

    def counting(values: RocksKeyValues, batch: Batch, *, durable: bool = True) -> None:
        written.add(batch)
        write(values, batch, durable=durable)

    with patch.object(RocksKeyValues, "write", counting):
        yield written


def _append_some(store: tierfold.Store, context: str, cost: Cost) -> None:
    rows = [[prose_row()] for _ in range(_APPENDS_IN_TURN)]
    names = chat_contents(parse_messages([message for each in rows for message in each])).names
    payload = frozenset(name_prefix(store.tenant, name) for name in names)
    with counted_writes(payload) as written:
        caller_s, process_s = time.thread_time(), time.process_time()
        for number, messages in enumerate(rows):
            key = f"{cost.appends + number}"
            store.append(context, messages=messages, idempotency_key=key)
        cost.caller_s += time.thread_time() - caller_s
        cost.process_s += time.process_time() - process_s
    cost.bytes_written += written.size_bytes
    cost.appends += len(rows)
    head = store.get(context).head
    cost.head_bytes_max = max(cost.head_bytes_max, len(head.encode()))


def _fill(store: tierfold.Store, context: str, items: int) -> None:
    store.create(context, messages=[])
    for first in range(0, items, _ITEMS_AT_ONCE):
        count = min(_ITEMS_AT_ONCE, items - first)
        store.append(context, messages=[prose_row() for _ in range(count)])


def _store_rate(path: Path, seconds: float) -> float:
    """Let every caller append to a context of its own until time is up."""
    counts = [0] * CALLERS
    with tierfold.open(path) as store:
        for caller in range(CALLERS):
            store.create(f"c{caller}", messages=[])
        until = time.perf_counter() + seconds

        def call(caller: int) -> None:
            while time.perf_counter() < until:
                store.append(f"c{caller}", messages=[prose_row()])
                counts[caller] += 1

        began = time.perf_counter()
        with ThreadPoolExecutor(CALLERS) as callers:
            for _ in callers.map(call, range(CALLERS)):
                pass  # raises what a caller met
        return sum(counts) / (time.perf_counter() - began)


def _rocksdb_rate(path: Path, seconds: float) -> float:
    """Write batches of 32 records of 1 KB, each with one fsync, from one thread."""
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_compression_type(rocksdict.DBCompressionType.none())
    database = rocksdict.Rdict(str(path), options)
    synced = rocksdict.WriteOptions()
    synced.sync = True
    written, now = 0, time.perf_counter()
    began = now
    while now - began < seconds:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for _ in range(CALLERS):
            batch.put(written.to_bytes(16, "big"), orjson.dumps(prose_row()))
            written += 1
        database.write(batch, synced)
        now = time.perf_counter()
    database.close()
    return written / (now - began)


def prose_row() -> dict[str, str]:
    """Return a row of prose whose JSON is 1 KB, never the same twice."""
    number = next(_NUMBERS)
    characters = ROW_BYTES - len('{"content":"","role":"user"}')
    start = number * characters % (len(_PROSE) - characters)
    return {"role": "user", "content": f"{number:09} {_PROSE[start:]}"[:characters]}
