"""The process that the memory bench watches: an embedded store, and more work than memory.

`python -m benchmarks.memory_load STORE SECONDS`. It says on stdout when it idles, then what became
of the work, and takes its limit from the environment as any process does.
"""

import contextlib
import gc
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

import tierfold
from benchmarks.memory_texts import Texts
from tierfold import Answer, Budget
from tierfold.errors import CallerError, OverloadError, TooLargeError
from tierfold.memory.pools import NeedModel

FOLDERS, WRITERS, ASKERS = 10, 2, 3  # threads of each kind
CONTEXTS_EACH = 6  # of a writer
ROWS_MAX = 400  # of a chat; then it is written anew
QUESTION = "When was the budget decided, and what did the committee say about it?"

_REFUSED_S = 0.05  # a caller that is refused comes back
_SAMPLE_S = 0.05
_UNITS_PER_CHARACTER = 1 / 110  # of prose, for what ranking takes


@dataclass(slots=True)
class Load:
    """What all threads share: the store, the texts, and what was acknowledged."""

    store: tierfold.Store
    texts: Texts
    until: float
    counts: Counter[str] = field(default_factory=Counter)
    told: dict[str, str] = field(default_factory=dict)  # the hash of a context's newest contents
    wanted: dict[str, int] = field(default_factory=dict)  # bytes, by thread
    demand: list[int] = field(default_factory=list)
    accounted: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self.until

    def count(self, what: str) -> None:
        """Count an outcome."""
        with self.lock:
            self.counts[what] += 1

    def want(self, characters: int) -> None:
        """Note what this thread would take if there were no limit."""
        units = int(characters * _UNITS_PER_CHARACTER)
        need = _NEEDS.predict("read", characters).size_bytes
        need += _NEEDS.predict("rank", units).size_bytes
        self.wanted[threading.current_thread().name] = need


_NEEDS = NeedModel()  # never told anything: the same for every run


def main() -> None:
    """Warm up, say so, work for the time given, compare, and tell."""
    path, seconds = Path(sys.argv[1]), float(sys.argv[2])
    texts = Texts()
    with tierfold.open(path) as store:
        _warm_up(store, texts)
        _say({"is_idle": True})
        sys.stdin.readline()
        load = Load(store=store, texts=texts, until=time.monotonic() + seconds)
        _run(load)
        _say({**_outcome(load), "lost": _lost(load)})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.flush()


def _warm_up(store: tierfold.Store, texts: Texts) -> None:
    """Make what a process has once: tables, tokenizer, one of each kind of work."""
    for text in texts.of_each_kind(300_000):
        tierfold.fold(text, ask=QUESTION, budget=Budget(max_tokens=2_000))
    store.put("warm", text=texts.of_each_kind(50_000)[0])
    store.fold("warm", ask=QUESTION, budget=Budget(max_tokens=500))
    store.delete("warm")
    gc.collect()


def _run(load: Load) -> None:
    kinds = ((_folds, FOLDERS), (_writes, WRITERS), (_asks, ASKERS))
    threads = [
        threading.Thread(target=work, args=(load, number), name=f"{work.__name__}-{number}")
        for work, count in kinds
        for number in range(count)
    ]
    threads.append(threading.Thread(target=_watch, args=(load,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _watch(load: Load) -> None:
    while not load.is_over:
        load.demand.append(sum(list(load.wanted.values())))
        load.accounted.append(load.store.memory().pools.used_bytes)
        time.sleep(_SAMPLE_S)


def _folds(load: Load, number: int) -> None:
    dice = random.Random(number)  # reproducible sizes
    while not load.is_over:
        text = load.texts.drawn(dice)
        load.want(len(text))
        with _refused(load, "fold"):
            answer = tierfold.fold(text, ask=QUESTION, budget=Budget(max_tokens=2_000))
            load.count(_outcome_of("fold", answer))


def _writes(load: Load, number: int) -> None:
    """Write contexts that are this thread's own, so that it knows what must be there."""
    dice = random.Random(1_000 + number)  # likewise
    rows: dict[str, list[dict[str, Any]]] = {}
    while not load.is_over:
        name = f"{number}-{dice.randrange(CONTEXTS_EACH)}"
        if name.endswith(("0", "1", "2")):
            text = load.texts.drawn(dice)
            with _refused(load, "put"):
                load.store.put(name, text=text)
                load.told[name] = _hash(text)
                load.count("put")
            continue
        more = load.texts.rows(dice, 40)
        all_rows = [*rows.get(name, []), *more]
        with _refused(load, "append"):
            if name in rows and len(all_rows) <= ROWS_MAX:
                load.store.append(name, messages=more)
            else:
                all_rows = more
                load.store.put(name, messages=more)
            rows[name] = all_rows
            load.told[name] = _hash(*(row["content"] for row in all_rows))
            load.count("append")


def _asks(load: Load, number: int) -> None:
    dice = random.Random(2_000 + number)  # likewise
    while not load.is_over:
        names = list(load.told)
        if not names:
            time.sleep(_REFUSED_S)
            continue
        name = dice.choice(names)
        load.want(load.store.get(name).head.size_bytes)
        with _refused(load, "ask"):
            answer = load.store.fold(name, ask=QUESTION, budget=Budget(max_tokens=2_000))
            load.count(_outcome_of("ask", answer))


@contextlib.contextmanager
def _refused(load: Load, what: str) -> Any:
    """Count a refusal, and come back after a while."""
    try:
        yield
    except (OverloadError, TooLargeError):
        load.count(f"{what} refused")
        time.sleep(_REFUSED_S)
    except CallerError as error:
        load.count(f"{what} {error.title}")


def _outcome_of(what: str, answer: Answer) -> str:
    return f"{what} of part" if answer.stop_reason.value == "memory" else what


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()


def _lost(load: Load) -> int:
    """Return how many contexts are not as they were acknowledged last."""
    return sum(_hash(*_stored(load.store, name)) != told for name, told in load.told.items())


def _stored(store: tierfold.Store, name: str) -> list[str]:
    if name.endswith(("0", "1", "2")):
        return [store.source(name).document.text]  # type: ignore[union-attr]  # it was put as a text
    return [str(row["content"]) for row in store.messages(name)]


def _outcome(load: Load) -> dict[str, Any]:
    report = load.store.memory()
    return {
        "counts": dict(sorted(load.counts.items())),
        "demand_bytes": sum(load.demand) / max(1, len(load.demand)),
        "accounted_max_bytes": max(load.accounted, default=0),
        "pools": {
            each.pool.value: {
                "granted": each.granted,
                "degraded": each.degraded,
                "refused": each.refused,
                "evictions": each.evictions_asked,
                "reclaimed": each.reclaimed,
            }
            for each in report.pools.pools
        },
        "needs": [
            {"operation": each.operation, "samples": each.samples, "p95": each.ratio_p95}
            for each in report.needs
        ],
    }


if __name__ == "__main__":
    main()
