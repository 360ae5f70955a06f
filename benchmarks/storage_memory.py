"""Memory and restart: what contexts that nobody asks for cost, and how soon a store is ready.

Resident bytes are those of a fresh process, since what writing leaves behind in an allocator says
nothing about idling. A context's share is the slope between two stores of different size: the
interpreter, RocksDB's buffers and all else that one store has once cancel out.
"""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson

import tierfold
from benchmarks.meter import null, say, table
from benchmarks.scratch import disk_folder
from benchmarks.storage_appends import prose_row
from tierfold.config import Settings, TierSettings

MESSAGES = 25
SEALED_CONTEXTS, SEALED_CONTEXTS_QUICK = (1_000, 6_000), (100, 900)
OPEN_CONTEXTS = (1_500, 3_500)  # of long rows: both are more than RocksDB's cache of blocks holds
RESTART_CONTEXTS, RESTART_CONTEXTS_QUICK = 100_000, 2_000
_WRITERS = 32  # share an fsync
_NEVER = 1 << 40  # bytes and milliseconds: nothing is sealed
_ROUNDS = 3
_READY = b"ready\n"

Rows = Callable[[int, int], Sequence[dict[str, str]]]  # of a context's number and row count


def main() -> None:
    """Be one of the processes that are measured: `fill PATH CONTEXTS MESSAGES END` or `idle`."""
    if sys.argv[1] == "fill":
        path, contexts, messages, end = sys.argv[2:]
        _fill(Path(path), int(contexts), int(messages), end)
    else:
        _idle(Path(sys.argv[2]))


def idle_figures(*, is_quick: bool) -> dict[str, Any]:
    """Return the resident bytes of sealed and of open idle contexts."""
    counts = {"sealed": SEALED_CONTEXTS_QUICK if is_quick else SEALED_CONTEXTS}
    if not is_quick:
        counts["open"] = OPEN_CONTEXTS
    rows = [[state, *_slope(state, *few_many)] for state, few_many in counts.items()]
    say(f"resident bytes of a process that has opened contexts of {MESSAGES} messages and idles")
    table(["contexts are", "few", "bytes", "many", "bytes", "bytes each"], rows)
    each = {row[0]: row[-1] for row in rows}
    figures = {
        "idle_context_bytes": each["sealed"],
        "idle_contexts": counts["sealed"][1],
        "open_context_bytes_limit": 200 + 16 * MESSAGES,
    }
    if is_quick:
        return figures | null(
            "--quick has fewer than RocksDB's cache of blocks holds", "open_context_bytes"
        )
    return figures | {"open_context_bytes": each["open"]}


def _slope(state: str, few: int, many: int) -> list[float]:
    """Return both numbers of contexts, each with the resident bytes, and the bytes of one more."""
    resident = []
    with disk_folder() as folder:
        for contexts in (few, many):
            path = folder / str(contexts)
            _run("fill", path, contexts, MESSAGES, state)
            resident.append(min(_resident_bytes(path) for _ in range(_ROUNDS)))
    each = (resident[1] - resident[0]) / (many - few)
    return [few, resident[0], many, resident[1], each]


def restart_figures(*, is_quick: bool) -> dict[str, Any]:
    """Return the seconds from the start of a process to its first answer."""
    contexts = RESTART_CONTEXTS_QUICK if is_quick else RESTART_CONTEXTS
    with disk_folder() as folder:
        began = time.perf_counter()
        _run("fill", folder / "store", contexts, 1, "killed")
        filled_s = time.perf_counter() - began
        after_kill_s = _ready_s(folder / "store")
        again_s = min(_ready_s(folder / "store") for _ in range(_ROUNDS))
    say(f"restart with {contexts:,} contexts on disk, s from the start of the process")
    table(
        ["after a kill", "after a close", "filling took s", "contexts a s"],
        [[after_kill_s, again_s, filled_s, contexts / filled_s]],
    )
    figures = {"restart_s": after_kill_s, "restart_again_s": again_s, "restart_contexts": contexts}
    if is_quick:
        return figures | null("--quick has fewer contexts, see restart_s", "restart_100k_s")
    return figures | {"restart_100k_s": max(after_kill_s, again_s)}


def _ready_s(path: Path) -> float:
    began = time.perf_counter()
    with _idling(path) as process:
        assert process.stdout is not None  # a pipe was asked for
        if process.stdout.readline() != _READY:
            msg = "the store did not open"
            raise OSError(msg)
        took = time.perf_counter() - began
        process.communicate(b"")
    return took


def _resident_bytes(path: Path) -> int:
    with _idling(path) as process:
        said, _ = process.communicate(b"")
    figure: int = orjson.loads(said.splitlines()[-1])["resident_bytes"]
    return figure


def _idling(path: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "benchmarks.storage_memory", "idle", str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _run(*what: object) -> None:
    command = [sys.executable, "-m", "benchmarks.storage_memory", *map(str, what)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _fill(path: Path, contexts: int, messages: int, end: str) -> None:
    """Make contexts and end: all of them sealed, all of them open, or as a crash would."""
    settings = _unsealing() if end == "open" else Settings()
    store = tierfold.open(path, settings=settings)
    with ThreadPoolExecutor(_WRITERS) as writers:
        rows = _long_rows if end == "open" else _short_rows
        for _ in writers.map(partial(_create, store, rows, messages), range(contexts)):
            pass
    if end == "killed":
        os._exit(0)
    if end == "sealed":
        store.compact()
    store.close()


def _create(store: tierfold.Store, rows: Rows, messages: int, number: int) -> None:
    store.create(f"context-{number:06}", messages=rows(number, messages))


def _short_rows(number: int, messages: int) -> Sequence[dict[str, str]]:
    """Return rows that no other context has."""
    return [
        {"role": ("user", "assistant")[row % 2], "content": f"Row {row} of context {number}: ok."}
        for row in range(messages)
    ]


def _long_rows(_: int, messages: int) -> Sequence[dict[str, str]]:
    return [prose_row() for _ in range(messages)]


def _unsealing() -> Settings:
    settings = Settings()
    tiers: TierSettings = replace(settings.tiers, seal_bytes=_NEVER, seal_age_ms=_NEVER)
    return replace(settings, tiers=tiers)


def _idle(path: Path) -> None:
    """Open a store, answer once, say so, and say what is resident when stdin ends."""
    store = tierfold.open(path, settings=_unsealing())
    store.get("context-000000")
    os.write(sys.stdout.fileno(), _READY)
    sys.stdin.read()
    gc.collect()
    resident_bytes = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    said = orjson.dumps({"resident_bytes": resident_bytes * page_bytes})
    os.write(sys.stdout.fileno(), said + b"\n")
    store.close()


if __name__ == "__main__":
    main()
