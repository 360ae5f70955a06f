"""How fast each policy decides, over an OrderedDict LRU in the same run."""

from collections import OrderedDict
from functools import partial
from statistics import median
from typing import Any

from benchmarks.meter import Options, say, table
from tierfold.engine.clock import MonotonicClock
from tierfold.sim.contestants import BUILDERS
from tierfold.sim.metadata import metadata_bytes
from tierfold.sim.replay import replay
from tierfold.sim.sources import Source
from tierfold.sim.trace import Trace

CAPACITY = 4000
ACCESSES, ACCESSES_QUICK = 300_000, 100_000
ROUNDS = 3
_TRACE = "cache/dev/arc_oltp.parquet"
_MS_MIN = 1e-3  # no clock is finer


def speeds(options: Options) -> dict[str, Any]:
    """Return the ratio of every policy, the slowest one's, and what each keeps per object."""
    trace = _trace(options)
    _dict_ms(trace)  # warms
    rounds = [_round(trace) for _ in range(ROUNDS)]
    ratios = {name: [each[name] for each in rounds] for name in BUILDERS}
    weights = {
        name: metadata_bytes(partial(build, CAPACITY), trace) for name, build in BUILDERS.items()
    }
    say(f"{trace.name}: accesses a second over an OrderedDict LRU's")
    header = ["policy", "ratio", "lowest", "highest", "metadata B/object"]
    rows = [
        [name, median(each), min(each), max(each), f"{weights[name]:.0f}"]
        for name, each in ratios.items()
    ]
    table(header, rows)
    medians = {name: median(each) for name, each in ratios.items()}
    baseline = median(each["dict"] for each in rounds)
    return {
        "slowest_policy_vs_dict": min(medians.values()),
        "policy_vs_dict": medians,
        "dict_accesses_per_s": baseline,
        "metadata_bytes_per_object": weights,
    }


def _trace(options: Options) -> Trace:
    count = ACCESSES_QUICK if options.quick else ACCESSES
    if options.data is not None and (options.data / _TRACE).is_file():
        return Source(file=str(options.data / _TRACE), accesses=count).read()
    return Source(kind="zipf", accesses=count).read()


def _round(trace: Trace) -> dict[str, float]:
    """Return each policy's speed over that of a baseline run just before it."""
    clock = MonotonicClock()
    found: dict[str, float] = {}
    for name, build in BUILDERS.items():
        baseline_ms = _dict_ms(trace)
        done = replay(trace, build(CAPACITY), name=name, clock=clock)
        found[name] = baseline_ms / max(done.cpu_s * 1000, _MS_MIN)
        found["dict"] = len(trace) / baseline_ms * 1000
    return found


def _dict_ms(trace: Trace) -> float:
    """Return the CPU that a bare OrderedDict takes, its loop written out."""
    clock = MonotonicClock()
    keys = trace.key.tolist()
    held: OrderedDict[int, None] = OrderedDict()
    began = clock.cpu_ms()
    for key in keys:
        if key in held:
            held.move_to_end(key)
        else:
            if len(held) >= CAPACITY:
                held.popitem(last=False)
            held[key] = None
    return max(clock.cpu_ms() - began, _MS_MIN)
