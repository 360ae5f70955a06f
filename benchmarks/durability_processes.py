"""The processes of the durability bench: one writes until it is killed, one checks what is there.

`python -m benchmarks.durability_processes write STORE SEED | check STORE ACKNOWLEDGED`
"""

import os
import random
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import orjson

import tierfold
from benchmarks.durability_rows import Acknowledged, contents_of, damage, hash_of, line_of

THREADS = 8
CONTEXTS = 5


def main() -> None:
    """Write or check."""
    if sys.argv[1] == "write":
        _write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        told = Acknowledged.decode(Path(sys.argv[3]).read_bytes())
        sys.stdout.write(orjson.dumps(check(Path(sys.argv[2]), told)).decode())


def _write(path: Path, seed: int) -> None:
    """Append from many threads and tell every acknowledgement in one write."""
    with tierfold.open(path) as store:
        known = {info.id for info in store}
        for context in (f"c{number}" for number in range(CONTEXTS)):
            if context not in known:
                store.create(context, messages=[])
        writers = ThreadPoolExecutor(THREADS)
        seeds = range(seed * THREADS, (seed + 1) * THREADS)
        ended = next(
            as_completed([writers.submit(_append_for_ever, store, each) for each in seeds])
        )
        traceback.print_exception(ended.exception())
        os._exit(1)  # no writer ends but by a fault, and the others would go on for ever


def _append_for_ever(store: tierfold.Store, seed: int) -> None:
    dice = random.Random(seed)  # reproducible rows, no secrets
    while True:
        context = f"c{dice.randrange(CONTEXTS)}"
        contents = contents_of(dice)
        info = store.append(context, messages=rows_of(contents), idempotency_key=key_of(contents))
        line = line_of(context, info.head.items - len(contents), contents)
        os.write(sys.stdout.fileno(), line)  # shorter than PIPE_BUF: lines never mix


def check(path: Path, told: Acknowledged) -> dict[str, int]:
    """Return what is wrong: rows, replays that did something again, findings of the audit."""
    found = Counter(lost=told.doubled, torn=0, unacknowledged=0, replayed=0)
    with tierfold.open(path) as store:
        for context, rows in told.rows.items():
            stored = [str(row["content"]) for row in store.messages(context)]
            found.update(damage(stored, rows))
            known = set(map(hash_of, stored))
            found["lost"] += sum(each not in known for each in told.anywhere.get(context, ()))
            if context in told.last:
                found["replayed"] += _replayed(store, context, stored[slice(*told.last[context])])
        for report in store.audit():
            found["torn"] += len(report.findings)
    return dict(found)


def _replayed(store: tierfold.Store, context: str, contents: Sequence[str]) -> int:
    """Send the last acknowledged append once more; return the rows that this changed."""
    before = store.get(context).head.items
    try:
        store.append(context, messages=rows_of(contents), idempotency_key=key_of(contents))
    except tierfold.TierfoldError:  # the key is of other rows than those that are stored
        return len(contents)
    return store.get(context).head.items - before


def rows_of(contents: Sequence[str]) -> list[dict[str, str]]:
    """Return the messages of an append."""
    return [{"role": "user", "content": content} for content in contents]


def key_of(contents: Sequence[str]) -> str:
    """Return the idempotency key of an append."""
    return hash_of(" ".join(contents))


if __name__ == "__main__":
    main()
