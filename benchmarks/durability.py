"""kill -9 of a store during writes: whether every acknowledged append is there, whole, in order.

`python -m benchmarks.durability [--quick]`; `--data` changes nothing, the rows are generated. One
store lives through all kills, so that what an earlier cycle acknowledged is checked again. Without
`--quick` the shard of a running server is killed too, while callers append over HTTP.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from benchmarks.durability_actor import kill_shards
from benchmarks.durability_rows import Acknowledged
from benchmarks.meter import finish, null, parse, parser, say, table
from benchmarks.pictures import draw
from benchmarks.scratch import disk_folder

CYCLES, CYCLES_QUICK = 30, 6
ACTOR_KILLS = 4
_KILL_AFTER_S = (0.1, 1.2)  # from the first acknowledgement on
_END_WAIT_S = 60.0
_CHECK_WAIT_S = 600.0
_WORKERS = "benchmarks.durability_processes"
_WRONG = ("lost", "torn", "replayed")  # what was wrong in one cycle counts again in the next
_UNTOLD = "unacknowledged"  # on the disk when the kill came, before anybody was told: allowed


def main() -> None:
    """Kill, check, and print."""
    options = parse(parser(__doc__))
    with disk_folder() as folder:
        figures = _cycles(folder, CYCLES_QUICK if options.quick else CYCLES)
    if options.quick:
        why = "--quick kills only a store in a process of its own"
        figures |= null(why, "actor_acknowledged", "actor_lost", "actor_torn")
    else:
        figures |= _actor()
    finish(figures)


def _cycles(folder: Path, cycles: int) -> dict[str, Any]:
    dice = random.Random(7)  # reproducible moments, no secrets
    acknowledged = Acknowledged()
    totals = dict.fromkeys(_WRONG, 0)
    rows = []
    for cycle in range(1, cycles + 1):
        after_s = dice.uniform(*_KILL_AFTER_S)
        _kill_once(folder / "store", acknowledged, seed=cycle, after_s=after_s)
        began = time.perf_counter()
        found = _checked(folder, acknowledged)
        for kind in _WRONG:
            totals[kind] += found[kind]
        took_s = time.perf_counter() - began
        counts = [found[kind] for kind in (*_WRONG, _UNTOLD)]
        rows.append([cycle, after_s, len(acknowledged), *counts, took_s])
    say("one store, killed again and again: rows in all, and what is wrong with them")
    table(["cycle", "killed after s", "acknowledged", *_WRONG, _UNTOLD, "check s"], rows)
    draw(
        "durability",
        {"acknowledged": (range(1, cycles + 1), [row[2] for row in rows])},
        x_label="kills",
        y_label="rows acknowledged",
    )
    return {"kills": cycles, "acknowledged": len(acknowledged), **totals}


def _actor() -> dict[str, Any]:
    """Kill the shard's process under a server, which brings it back, and check at the end."""
    acknowledged = Acknowledged()
    with disk_folder() as folder:
        kill_shards(folder, acknowledged, kills=ACTOR_KILLS)
        found = _checked(folder, acknowledged)
    say(f"a server's shard, killed {ACTOR_KILLS} times between appends over HTTP")
    table(
        ["acknowledged", *_WRONG, _UNTOLD],
        [[len(acknowledged), *(found[kind] for kind in (*_WRONG, _UNTOLD))]],
    )
    return {
        "actor_kills": ACTOR_KILLS,
        "actor_acknowledged": len(acknowledged),
        **{f"actor_{kind}": found[kind] for kind in ("lost", "torn")},
    }


def _kill_once(path: Path, acknowledged: Acknowledged, *, seed: int, after_s: float) -> None:
    """Let a process write until it is killed; what it acknowledged is noted."""
    command = [sys.executable, "-m", _WORKERS, "write", str(path), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None  # a pipe was asked for
        first = writer.stdout.readline()
        if not first:
            msg = "the writer ended before it wrote anything"
            raise OSError(msg)
        acknowledged.add(first)
        timer = threading.Timer(after_s, writer.send_signal, [signal.SIGKILL])
        timer.start()
        for line in writer.stdout:
            if line.endswith(b"\n"):  # the last one may be cut by the kill
                acknowledged.add(line)
        timer.join()
        status = writer.wait(_END_WAIT_S)
    if status != -signal.SIGKILL:
        msg = f"the writer was not killed but ended with {status}"
        raise OSError(msg)


def _checked(folder: Path, acknowledged: Acknowledged) -> Mapping[str, int]:
    """Return what a fresh process finds in the store, by kind."""
    told = folder / "acknowledged.json"
    told.write_bytes(acknowledged.encode())
    done = subprocess.run(
        [sys.executable, "-m", _WORKERS, "check", str(folder / "store"), str(told)],
        check=True,
        stdout=subprocess.PIPE,
        timeout=_CHECK_WAIT_S,
    )
    found: dict[str, int] = orjson.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
